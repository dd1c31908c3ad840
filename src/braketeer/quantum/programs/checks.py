"""What a device asks of a circuit once the number of shots is known."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from braketeer.quantum.circuit import Circuit, Limits, Matrix, ProgramError, ResultType

#: Amazon Braket's words (asserted by the integration tests of amazon-braket-sdk-python, for SV1 too).
PARTIAL_MEASUREMENT = (
    "Device requires all qubits in the program to be measured. This may be caused by declaring non-contiguous qubits "
    "or measuring partial qubits"
)


def check_results(circuit: Circuit, limits: Limits, shots: int) -> None:
    """Whether a circuit's results and measurements can be had with this number of shots. Raises ProgramError.

    With shots every qubit is read in one basis: result types on a qubit must agree in it, as in the SDK.
    """
    if circuit.results and circuit.measured is not None:
        raise ProgramError("A program has either measurements or result types, not both")
    if shots == 0 and not circuit.results:
        raise ProgramError("A program that is run with shots=0 must ask for a result type")
    allowed = limits.result_kinds_exact if shots == 0 else limits.result_kinds_sampled
    for result in circuit.results:
        if result.kind not in allowed:
            raise ProgramError(
                f"The result type {result.kind} is not supported on {limits.device_arn} with shots={shots}"
            )
    if shots == 0:
        return
    if limits.all_measured and circuit.measured is not None and len(set(circuit.measured)) < circuit.qubit_count:
        raise ProgramError(PARTIAL_MEASUREMENT)
    _check_bases(circuit)


def _check_bases(circuit: Circuit) -> None:
    bases: dict[int, tuple[str | Matrix, tuple[int, ...]]] = {}
    for result in circuit.results:
        for observable, targets in _read(result, circuit.qubit_count):
            for qubit in targets:
                if not _same(bases.setdefault(qubit, (observable, targets)), (observable, targets)):
                    raise ProgramError(
                        f"Result types that need different bases on qubit {circuit.labels[qubit]} cannot be measured "
                        "in one program: send a program for each, or use shots=0"
                    )


def _read(result: ResultType, qubit_count: int) -> Iterator[tuple[str | Matrix, tuple[int, ...]]]:
    """What is measured, and where. Probabilities are read in the computational basis; the identity in any."""
    if result.observable is None:
        for qubit in result.targets or range(qubit_count):
            yield "z", (qubit,)
        return
    for observable, targets in result.observable.factors:
        if not (isinstance(observable, str) and observable == "i"):
            yield observable, targets


def _same(one: tuple[str | Matrix, tuple[int, ...]], other: tuple[str | Matrix, tuple[int, ...]]) -> bool:
    (a, a_targets), (b, b_targets) = one, other
    if a_targets != b_targets:
        return False
    if isinstance(a, str) or isinstance(b, str):
        return isinstance(a, str) and isinstance(b, str) and a == b
    return np.array_equal(a, b)
