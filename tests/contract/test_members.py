"""The members of the two creates and their gets: what botocore's model has today is what we honour and answer."""

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from braketeer.domain.errors import ValidationException
from braketeer.services.braket import jobs, quantum_tasks, requests

MODEL = ServiceModel(Loader().load_service_model("braket", "service-2"))


@pytest.mark.parametrize(
    ("operation", "known"),
    [
        ("CreateQuantumTask", quantum_tasks._CREATE_MEMBERS),
        ("CreateJob", jobs._CREATE_MEMBERS),
    ],
)
def test_every_member_of_a_create_is_known(operation: str, known: frozenset[str]) -> None:
    shape = MODEL.operation_model(operation).input_shape
    assert shape is not None
    assert set(shape.members) == known


def test_a_member_of_a_newer_model_is_refused_by_name() -> None:
    with pytest.raises(ValidationException, match="entanglementBudget"):
        requests.refuse_unknown({"shots": 1, "entanglementBudget": 2}, quantum_tasks._CREATE_MEMBERS)
