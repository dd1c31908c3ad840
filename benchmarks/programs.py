"""Source text to result bytes against Amazon's LocalSimulator, and program sets against separate tasks.

Each ratio is of medians of one run on the same texts, warm. A *first sight* is a text of a structure never seen before;
a *seen skeleton* has other numbers in gates that came before.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from time import perf_counter

import psutil
from braket.devices import LocalSimulator
from braket.ir.openqasm import Program

from benchmarks.figures import Figure, median
from braketeer import quantum
from braketeer.devices.catalogue import Catalogue
from tests.services import SV1, openqasm, running

TERMS = ("z(q[0]) @ z(q[1])", "x(q[0])", "x(q[1])", "y(q[2]) @ z(q[3])", "z(q[1]) @ z(q[2]) @ z(q[3])")
EXACT = "".join(f"#pragma braket result expectation {term}\n" for term in TERMS)
EXACT += "#pragma braket result probability q[0:2]\n"
QUBITS = 10
LAYERS = 4
EXECUTABLES = 100
SHOTS = 1000
OURS = 60
THEIRS = 9


def measure() -> list[Figure]:
    figures: list[Figure] = []
    for qubits in (4, 7, QUBITS):
        for shots in (0, SHOTS):
            figures += _against_local_simulator(qubits, shots)
    return [*figures, _set_in_engine(), _set_through_service()]


def brickwork(qubits: int, dice: random.Random) -> str:
    """A text of a structure of its own: rotations and entangling gates picked at random."""
    lines = ["OPENQASM 3.0;", f"qubit[{qubits}] q;"]
    for layer in range(2 * LAYERS):
        lines += [f"{dice.choice(('rx', 'ry', 'rz'))}({dice.uniform(-3, 3)!r}) q[{qubit}];" for qubit in range(qubits)]
        for qubit in range(layer % 2, qubits - 1, 2):
            lines.append(f"{dice.choice(('cnot', 'cz', 'iswap'))} q[{qubit}], q[{qubit + 1}];")
    return "\n".join(lines) + "\n"


def ansatz(qubits: int, dice: random.Random) -> str:
    """A text of always the same structure with numbers of its own."""
    lines = ["OPENQASM 3.0;", f"qubit[{qubits}] q;"]
    for _ in range(LAYERS):
        lines += [f"ry({dice.uniform(-3, 3)!r}) q[{qubit}];" for qubit in range(qubits)]
        lines += [f"cnot q[{qubit}], q[{qubit + 1}];" for qubit in range(qubits - 1)]
        lines += [f"rz({dice.uniform(-3, 3)!r}) q[{qubit}];" for qubit in range(qubits)]
    return "\n".join(lines) + "\n"


def _against_local_simulator(qubits: int, shots: int) -> Iterator[Figure]:
    dice = random.Random(qubits + shots)
    results = EXACT if shots == 0 else ""
    what = f"{qubits} qubits, {'5 Pauli terms and a marginal' if shots == 0 else f'{shots} shots'}"
    for kind, goal, make in (("first sight", 50, brickwork), ("seen skeleton", 100, ansatz)):
        for _ in range(3):  # what comes for the third time is bound without being read
            run(make(qubits, dice) + results, shots)
        sources = [make(qubits, dice) + results for _ in range(OURS)]
        ours = median([_milliseconds(run, source, shots) for source in sources])
        theirs = median([_milliseconds(_local_simulator, source, shots) for source in sources[:THEIRS]])
        name = f"source text to result bytes against LocalSimulator, {what}, {kind}"
        yield Figure(name, theirs / ours, "x", goal=goal, at_least=True, note=f"{ours:.2f} ms, {theirs:.0f} ms")


def run(source: str, shots: int, inputs: dict[str, float] | None = None) -> bytes:
    """The result document of an OpenQASM program on SV1."""
    return _document(openqasm(source, inputs), shots)


def _document(action: str, shots: int) -> bytes:
    task = quantum.TaskDescription(
        task_arn=f"arn:aws:braket:us-east-1:000000000000:quantum-task/{'0' * 8}-0000-4000-8000-{'0' * 12}",
        device_arn=SV1,
        shots=shots,
        action=action,
        device_parameters=None,
        created_at_ms=1_700_000_000_000,
        started_at_ms=1_700_000_000_000,
        seed=None,
        limits=_LIMITS,
    )
    return quantum.run(task).document


_LIMITS = Catalogue(psutil.virtual_memory().total // 2).limits(SV1)


def _milliseconds(work: Callable[..., object], *given: object) -> float:
    before = perf_counter()
    work(*given)
    return (perf_counter() - before) * 1000


def _local_simulator(source: str, shots: int) -> None:
    _simulator().run(Program(source=source), shots=shots).result()


@cache
def _simulator() -> LocalSimulator:
    return LocalSimulator()


def _rows() -> tuple[str, dict[str, list[float]]]:
    """An ansatz of 10 qubits with its angles as inputs, and 100 values for each."""
    dice = random.Random(QUBITS)
    text: list[str] = []
    names: list[str] = []
    for line in ansatz(QUBITS, dice).splitlines():
        gate, bracket, rest = line.partition("(")
        if bracket:
            names.append(f"a{len(names)}")
            text.append(f"{gate}({names[-1]}){rest.partition(')')[2]}")
        else:
            text.append(line)
    head, register, *body = text
    source = "\n".join([head, *(f"input float {name};" for name in names), register, *body]) + "\n"
    return source, {name: [dice.uniform(-3, 3) for _ in range(EXECUTABLES)] for name in names}


def program_set(source: str, inputs: dict[str, list[float]]) -> str:
    return json.dumps(
        {
            "braketSchemaHeader": {"name": "braket.ir.openqasm.program_set", "version": "1"},
            "programs": [
                {
                    "braketSchemaHeader": {"name": "braket.ir.openqasm.program", "version": "1"},
                    "source": source,
                    "inputs": inputs,
                }
            ],
        }
    )


def _alone(source: str, inputs: dict[str, list[float]]) -> list[str]:
    rows = [{name: values[row] for name, values in inputs.items()} for row in range(EXECUTABLES)]
    return [openqasm(source, row) for row in rows]


def _set_in_engine() -> Figure:
    source, inputs = _rows()
    together, alone = program_set(source, inputs), _alone(source, inputs)
    set_times, single_times = [], []
    for turn in range(6):  # another space each time, or it would be known from before
        set_times.append(_milliseconds(_documents, [together + " " * turn], EXECUTABLES * 100))
        texts = [text + " " * turn for text in alone]
        single_times.append(_milliseconds(_documents, texts, 100))
    return _set_figure("in the engine", None, set_times[1:], single_times[1:])


def _documents(actions: list[str], shots: int) -> None:
    for action in actions:
        _document(action, shots)


def _set_through_service() -> Figure:
    source, inputs = _rows()
    together, alone = program_set(source, inputs), _alone(source, inputs)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as service:
        braket, s3 = service.client("braket"), service.client("s3")
        s3.create_bucket(Bucket="results")

        def compute(actions: list[str], shots: int) -> None:
            """Send all, then fetch each result, as the SDK's batches do with one connection."""
            arns = [
                braket.create_quantum_task(
                    deviceArn=SV1, shots=shots, action=action, outputS3Bucket="results", outputS3KeyPrefix="tasks"
                )["quantumTaskArn"]
                for action in actions
            ]
            for arn in arns:
                while (task := braket.get_quantum_task(quantumTaskArn=arn))["status"] != "COMPLETED":
                    if task["status"] == "FAILED":
                        raise RuntimeError(task["failureReason"])
                key = f"{task['outputS3Directory']}/results.json"
                json.loads(s3.get_object(Bucket="results", Key=key)["Body"].read())

        set_times, single_times = [], []
        for turn in range(4):
            set_times.append(_milliseconds(compute, [together + " " * turn], EXECUTABLES * 100))
            texts = [text + " " * turn for text in alone]
            single_times.append(_milliseconds(compute, texts, 100))
    return _set_figure("through the service", 5, set_times[1:], single_times[1:])


def _set_figure(where: str, goal: float | None, set_times: list[float], single_times: list[float]) -> Figure:
    return Figure(
        f"program set of {EXECUTABLES} executables ({QUBITS} qubits) against {EXECUTABLES} tasks, {where}",
        median(single_times) / median(set_times),
        "x",
        goal=goal,
        at_least=True,
        note=f"{median(set_times):.0f} ms, {median(single_times):.0f} ms",
    )
