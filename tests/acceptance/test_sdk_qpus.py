"""The emulated QPUs through the unmodified amazon-braket-sdk: every gate-model one that is ONLINE."""

import json
from collections import Counter
from functools import lru_cache

import pytest
from botocore.exceptions import ClientError
from braket.aws import AwsDevice, AwsQuantumTask
from braket.circuits import Circuit, Observable
from braket.devices import Devices
from braket.error_mitigation import Debias
from braket.ir.openqasm import Program
from braket.program_sets import ProgramSet

from braketeer.quantum.qpus.compiling import compiled
from braketeer.quantum.qpus.running import as_run
from tests.services import RunningService
from tests.unit.qpus_help import noisy_distribution, program, target

pytestmark = [pytest.mark.xdist_group("service"), pytest.mark.usefixtures("client_environment")]
QPUS = {
    "Ibex-Q1": Devices.AQT.IbexQ1,
    "Garnet": Devices.IQM.Garnet,
    "Emerald": Devices.IQM.Emerald,
    "Forte-1": Devices.IonQ.Forte1,
    "Forte-Enterprise-1": Devices.IonQ.ForteEnterprise1,
    "Cepheus-1-108Q": Devices.Rigetti.Cepheus1108Q,
}
BELL = Circuit().h(0).cnot(0, 1)
BELL_SOURCE = "OPENQASM 3.0;\nqubit[2] q;\nh q[0];\ncnot q[0], q[1];"
NATIVE = {  # a half turn and a quarter turn on one of two qubits that are joined, and their native gate
    "Ibex-Q1": Circuit().prx(0, 3.141592653589793, 0).xx(0, 1, 3.141592653589793),
    "Garnet": Circuit().prx(1, 3.141592653589793, 0).cz(1, 2),
    "Emerald": Circuit().prx(1, 3.141592653589793, 0).cz(1, 2),
    "Forte-1": Circuit().gpi(0, 0).zz(0, 1, 0.5),
    "Forte-Enterprise-1": Circuit().gpi(0, 0).zz(0, 1, 0.5),
    "Cepheus-1-108Q": Circuit().rx(0, 3.141592653589793).rz(0, 1).cz(0, 1),
}


@pytest.fixture(params=QPUS)
def qpu(request: pytest.FixtureRequest) -> AwsDevice:
    return device(request.param)


@lru_cache
def device(name: str) -> AwsDevice:
    """Made once: the SDK takes a while to read a capability document."""
    return AwsDevice(QPUS[name])


def test_a_bell_pair_with_the_noise_of_the_document(qpu: AwsDevice) -> None:
    """The counts fit the distribution that the figures of the capability document make of the compiled circuit."""
    assert (qpu.status, qpu.is_available) == ("ONLINE", True)
    assert "Emulated by Braketeer, not the QPU itself" in qpu.properties.service.deviceDocumentation.summary
    result = qpu.run(BELL, shots=1000).result()
    assert result.measured_qubits == [0, 1]
    assert sum(result.measurement_counts.values()) == 1000
    assert result.additional_metadata.simulatorMetadata is None
    circuit, limits = program(BELL_SOURCE, qpu.name)
    done, to = compiled(circuit, limits), target(qpu.name)
    likely = noisy_distribution(as_run(done, to), done.places, to)
    counts = [result.measurement_counts[state] for state in ("00", "01", "10", "11")]
    difference = sum((count - 1000 * each) ** 2 / (1000 * each) for count, each in zip(counts, likely, strict=True))
    assert difference < 27.9  # chi squared of 3 degrees of freedom: 1 in 250,000
    assert counts[0] + counts[3] > 900
    text = result.get_compiled_circuit()
    if qpu.provider_name == "IonQ":
        assert text is None
    else:
        again = qpu.run(Program(source=text), shots=1000).result()
        assert again.get_compiled_circuit() == text
        assert again.measured_qubits == [done.places[0], done.places[1]]
        difference = sum(
            (again.measurement_counts[state] - 1000 * each) ** 2 / (1000 * each)
            for state, each in zip(("00", "01", "10", "11"), likely, strict=True)
        )
        assert difference < 27.9


def test_a_verbatim_box(qpu: AwsDevice) -> None:
    result = qpu.run(Circuit().add_verbatim_box(NATIVE[qpu.name]), shots=200).result()
    (most, _), *_ = Counter(result.measurement_counts).most_common()
    assert most == {"Ibex-Q1": "01"}.get(qpu.name, "10")
    with pytest.raises(ClientError, match="The verbatim box uses a gate: h which is not supported by the device"):
        qpu.run(Circuit().add_verbatim_box(Circuit().h(1)), shots=200)


def test_rewiring_disabled(qpu: AwsDevice) -> None:
    result = qpu.run(Circuit().x(1).cnot(1, 2), shots=200, disable_qubit_rewiring=True).result()
    assert result.measured_qubits == [1, 2]
    assert Counter(result.measurement_counts).most_common(1)[0][0] == "11"
    text = result.get_compiled_circuit()
    assert text is None or text.endswith("b[0] = measure $1;\nb[1] = measure $2;\n")


def test_values_from_results(qpu: AwsDevice) -> None:
    circuit = Circuit().h(0).cnot(0, 1).x(2).expectation(Observable.X() @ Observable.X(), [0, 1])
    result = qpu.run(circuit.variance(Observable.Z(), [2]), shots=500).result()
    assert result.values[0] > 0.7
    assert result.values[1] < 0.4


def test_what_a_qpu_does_not_take() -> None:
    garnet = device("Garnet")
    with pytest.raises(ClientError, match="Shot count should be between 1 and 20000 on "):
        garnet.run(BELL.copy().probability(), shots=0)
    with pytest.raises(ClientError, match="cannot be moved"):
        garnet.run(Circuit().cnot(1, 20), shots=10, disable_qubit_rewiring=True)
    with pytest.raises(ClientError, match="Used 21 qubits, which is more than the device qubit count of 20"):
        garnet.run(Circuit().h(range(21)), shots=10)
    forte = device("Forte-1")
    with pytest.raises(ClientError, match="at least 2500 shots"):
        forte.run(BELL, shots=1000, device_parameters={"errorMitigation": Debias()})
    assert forte.run(BELL, shots=2500, device_parameters={"errorMitigation": Debias()}).result().task_metadata.shots


def test_a_program_set_where_the_document_offers_it() -> None:
    result = device("Garnet").run(ProgramSet([BELL, Circuit().x(0)], shots_per_executable=100)).result()
    assert Counter(result[1].entries[0].counts).most_common(1)[0][0] == "1"
    assert set(result[0].entries[0].counts) >= {"00", "11"}
    with pytest.raises(ClientError, match="does not take program sets"):
        device("Forte-1").run(ProgramSet([BELL, BELL], shots_per_executable=100))


def test_the_document_offers_what_is_served(qpu: AwsDevice) -> None:
    properties = qpu.properties
    assert properties.action["braket.ir.openqasm.program"].supportPhysicalQubits
    assert not {"cc_prx", "measure_ff"} & set(properties.paradigm.nativeGateSet)
    assert getattr(properties, "pulse", None) is None
    assert qpu.topology_graph.number_of_nodes() == properties.paradigm.qubitCount
    assert qpu.gate_calibrations is None
    assert qpu.emulator() is not None  # the SDK's own, made from the same figures


def test_the_stored_document_is_a_qpu_s(client_environment: RunningService) -> None:
    task = device("Cepheus-1-108Q").run(BELL, shots=10)
    task.result()
    metadata = AwsQuantumTask(task.id).metadata()
    s3 = client_environment.client("s3", "us-west-1")
    body = s3.get_object(Bucket=metadata["outputS3Bucket"], Key=metadata["outputS3Directory"] + "/results.json")["Body"]
    document = json.loads(body.read())
    assert set(document["additionalMetadata"]) == {"action", "rigettiMetadata"}
    assert document["additionalMetadata"]["rigettiMetadata"]["compiledProgram"].startswith("OPENQASM 3.0;")
    assert document["taskMetadata"]["deviceId"] == QPUS["Cepheus-1-108Q"]
