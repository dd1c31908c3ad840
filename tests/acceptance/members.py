"""Which members of the Braket model a boto3 client has sent and read: noted by botocore's own event hooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel


class Members:
    """Paths such as ``filters[].name``, by operation, of requests as the caller wrote them and of answers."""

    def __init__(self) -> None:
        self.sent: set[tuple[str, str]] = set()
        self.read: set[tuple[str, str]] = set()
        self.operations: set[str] = set()

    def watch(self, client: Any) -> Any:
        """The client, watched from now on."""
        client.meta.events.register("provide-client-params.braket", self._note_request)
        client.meta.events.register("after-call.braket", self._note_answer)
        return client

    def _note_request(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.sent |= {(model.name, path) for path in given(model.input_shape, params)}

    def _note_answer(self, http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if http_response.status_code < 300:
            self.operations.add(model.name)
            self.read |= {(model.name, path) for path in given(model.output_shape, parsed)}


def modelled(direction: str) -> set[tuple[str, str]]:
    """Every (operation, path) of the model's requests (``input``) or answers (``output``)."""
    model = braket_model()
    shapes = {name: getattr(model.operation_model(name), f"{direction}_shape") for name in model.operation_names}
    return {(name, path) for name, shape in shapes.items() for path in all_of(shape)}


def braket_model() -> ServiceModel:
    return ServiceModel(Loader().load_service_model("braket", "service-2"), "braket")


def all_of(shape: Any, where: str = "") -> Iterator[str]:
    if where:
        yield where
    if shape is not None and shape.type_name == "structure":
        for name, member in shape.members.items():
            yield from all_of(member, f"{where}.{name}" if where else name)
    elif shape is not None and shape.type_name == "list":
        yield from all_of(shape.member, f"{where}[]")


def given(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    if where:
        yield where
    if shape is not None and shape.type_name == "structure":
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from given(member, value[name], f"{where}.{name}" if where else name)
    elif shape is not None and shape.type_name == "list":
        for item in value:
            yield from given(shape.member, item, f"{where}[]")
