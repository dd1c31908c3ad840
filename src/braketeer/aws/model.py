"""The service models: botocore's, which are the truth about every operation and shape."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

from braketeer.aws.errors import InvalidMembers, MalformedRequest
from braketeer.aws.routes import Routes
from braketeer.domain.errors import NotImplementedHere, ServiceError

# What each service calls a request that breaks its model, and one that cannot be read at all.
_INVALID = {
    "braket": ("ValidationException", "BadRequestException"),
    "s3": ("InvalidArgument", "MalformedXML"),
    "sts": ("ValidationError", "MalformedQueryString"),
    "iam": ("ValidationError", "MalformedQueryString"),
    "logs": ("InvalidParameterException", "SerializationException"),
    "ecr": ("InvalidParameterException", "SerializationException"),
}
# What the XML services call errors that the JSON services, and our own domain, call otherwise.
_XML_NAMES = {
    "AccessDeniedException": "AccessDenied",
    "ThrottlingException": "Throttling",
    "ServiceUnavailableException": "ServiceUnavailable",
    "InternalServiceException": "InternalFailure",
}
_S3_NAMES = _XML_NAMES | {
    "ThrottlingException": "SlowDown",
    "InternalServiceException": "InternalError",
    "RequestEntityTooLarge": "EntityTooLarge",
}
_NAMES = {"query": _XML_NAMES, "rest-xml": _S3_NAMES}


class Api:
    """One AWS service as its model describes it."""

    def __init__(self, model: ServiceModel) -> None:
        self.model = model
        self.name = model.signing_name
        self.protocol: str = model.metadata["protocol"]
        self.operation_names = frozenset(model.operation_names)

    @classmethod
    def load(cls, name: str) -> Api:
        """The model of a service that botocore knows."""
        document: dict[str, Any] = _loader().load_service_model(name, "service-2")
        return cls(ServiceModel(document, name))

    @cached_property
    def routes(self) -> Routes:
        """The route table; for the REST protocols only."""
        return Routes(self.model)

    @property
    def namespace(self) -> str:
        """The XML namespace of answers (query services and S3)."""
        return str(self.model.metadata.get("xmlNamespace") or f"http://{self.name}.amazonaws.com/doc/2006-03-01/")

    def operation(self, name: str) -> OperationModel | None:
        return self.model.operation_model(name) if name in self.operation_names else None

    def error_shape(self, code: str) -> StructureShape | None:
        """The modelled shape of an error, if there is one."""
        return self._error_shapes.get(code)

    def error_name(self, error: ServiceError) -> str:
        """How this service names an error on the wire."""
        invalid, malformed = _INVALID.get(self.name, ("ValidationException", "BadRequestException"))
        if isinstance(error, InvalidMembers):
            return invalid
        if isinstance(error, MalformedRequest):
            return malformed
        if isinstance(error, NotImplementedHere) and self.protocol in ("json", "rest-json"):
            return "UnsupportedOperationException"
        return self._error_codes.get(error.code) or _NAMES.get(self.protocol, {}).get(error.code, error.code)

    @cached_property
    def _error_shapes(self) -> dict[str, StructureShape]:
        shapes: Any = self.model.error_shapes
        return {shape.name: shape for shape in shapes}

    @cached_property
    def _error_codes(self) -> dict[str, str]:
        """Shape names that travel under another code, such as NoSuchEntityException as ``NoSuchEntity``."""
        return {name: shape.error_code for name, shape in self._error_shapes.items() if shape.error_code}


@cache
def _loader() -> Loader:
    """botocore's loader, shared: each one reads the folder of all services first."""
    return Loader()
