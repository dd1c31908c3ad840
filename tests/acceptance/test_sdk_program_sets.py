"""Program sets through the unmodified amazon-braket-sdk: what comes back, and what is said of those that are wrong."""

import math

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice
from braket.circuits import Circuit, FreeParameter, Observable
from braket.ir.openqasm import Program
from braket.ir.openqasm import ProgramSet as SetOfSources
from braket.program_sets import CircuitBinding, ProgramSet

from tests.services import HARMONY, SV1, RunningService, harmony_offline

pytestmark = pytest.mark.xdist_group("service")
SET = "braket.ir.openqasm.program_set"
BELL = Circuit().h(0).cnot(0, 1)
# Measures until it finds a one: the survey at its creation cannot know that there never is one where t is 0.
UNTIL_ONE = """OPENQASM 3.0;
input float t;
qubit q;
bit b = 0;
while (b == 0) { rx(t) q; b = measure q; }
"""


@pytest.fixture
def sv1(client_environment: RunningService) -> AwsDevice:
    return AwsDevice(SV1)


def until_one(*angles: float) -> SetOfSources:
    return SetOfSources(programs=[Program(source=UNTIL_ONE, inputs={"t": list(angles)})])


def test_results_in_the_order_of_the_set(sv1: AwsDevice, service: RunningService) -> None:
    theta = FreeParameter("theta")
    angles = [0.0, 1.0, math.pi]
    turned = CircuitBinding(Circuit().rx(0, theta), {"theta": angles}, Observable.Z(0))
    task = sv1.run(ProgramSet([turned, BELL], shots_per_executable=2000))
    result = task.result()
    values = [entry.expectation for entry in result[0].entries]
    assert values == pytest.approx([math.cos(angle) for angle in angles], abs=0.16)  # 7 standard deviations
    assert set(result[1].entries[0].counts) == {"00", "11"}
    braket = service.client("braket")
    metadata = braket.get_quantum_task(quantumTaskArn=task.id)
    assert metadata["actionMetadata"] == {"actionType": SET, "programCount": 2, "executableCount": 4}
    assert (metadata["status"], metadata["shots"], metadata["numSuccessfulShots"]) == ("COMPLETED", 8000, 8000)
    filters = [{"name": "quantumTaskArn", "operator": "EQUAL", "values": [task.id]}]
    (found,) = braket.search_quantum_tasks(filters=filters)["quantumTasks"]
    assert (found["status"], found["shots"]) == ("COMPLETED", 8000)


def test_more_shots_than_a_single_program_may_have(sv1: AwsDevice) -> None:
    most = sv1.properties.service.shotsRange[1]
    task = sv1.run(ProgramSet([BELL, BELL], shots_per_executable=most))
    assert task.metadata()["shots"] == 2 * most
    assert sum(task.result()[1].entries[0].counts.values()) == most
    with pytest.raises(ClientError, match=f"at most {2 * most} shots"):
        sv1.run(ProgramSet([BELL, BELL], shots_per_executable=most + 1))
    with pytest.raises(ClientError, match="Shot count should be between"):
        sv1.run(BELL, shots=most + 1)


def test_every_executable_that_is_wrong_is_named_as_the_sdk_reads_it(sv1: AwsDevice) -> None:
    broken = "OPENQASM 3.0;\nqubit q;\nfoo q;"
    picked = "OPENQASM 3.0;\ninput int n;\nqubit[2] q;\nx q[n];"
    programs = [Program(source=broken), Program(source=picked, inputs={"n": [0, 5]})]
    with pytest.raises(ClientError) as refusal:
        sv1.run(SetOfSources(programs=programs), shots=30)
    response = refusal.value.response
    assert response["Error"]["Code"] == "ValidationException"
    assert "First failure" in response["Error"]["Message"]
    assert response["reason"] == "ProgramSetValidationFailed"
    first, second = response["programSetValidationFailures"]
    assert first == {"programIndex": 0, "inputsIndex": 0, "errors": ["Unknown gate 'foo' (line 3, column 1)"]}
    assert (second["programIndex"], second["inputsIndex"]) == (1, 1)


def test_what_is_wrong_with_the_whole_set(sv1: AwsDevice) -> None:
    with pytest.raises(ClientError, match="cannot be shared evenly") as refusal:
        sv1.run(until_one(1.0, 2.0, 3.0), shots=10)
    assert "programSetValidationFailures" not in refusal.value.response


def test_one_that_fails_leaves_the_others(sv1: AwsDevice) -> None:
    task = sv1.run(until_one(0.0, math.pi), shots=20)
    failed, done = task.result()[0].entries
    assert "goes on after more than" in failed.failureMetadata.failureReason
    assert done.counts == {"1": 10}
    metadata = task.metadata()
    assert (metadata["status"], metadata["numSuccessfulShots"]) == ("COMPLETED", 10)


def test_a_set_of_which_nothing_runs_has_failed_and_has_a_document(sv1: AwsDevice) -> None:
    task = sv1.run(until_one(0.0), shots=10)
    (failed,) = task.result()[0].entries
    assert "goes on after more than" in failed.failureMetadata.failureReason
    metadata = task.metadata()
    assert (metadata["status"], metadata["numSuccessfulShots"]) == ("FAILED", 0)
    assert "No executable of the program set could be run" in metadata["failureReason"]


def test_a_device_that_does_not_compute_refuses_any_set(client_environment: RunningService) -> None:
    with harmony_offline(client_environment), pytest.raises(ClientError) as refusal:
        AwsDevice(HARMONY).run(ProgramSet([BELL], shots_per_executable=10))
    assert refusal.value.response["Error"]["Code"] == "DeviceOfflineException"
