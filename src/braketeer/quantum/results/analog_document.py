"""The result document of an analog task: ``braket.task_result.analog_hamiltonian_simulation_task_result`` version 1.

Member by member as amazon-braket-schemas has it. How the state was computed stands in
``additionalMetadata.braketeerMetadata``, which the SDK passes over.
"""

from __future__ import annotations

import numpy as np
import orjson
from numpy.typing import NDArray

from braketeer.quantum.engines.analog import Evolved
from braketeer.quantum.results.document import TaskFacts, header, simulator, task_metadata


def analog_document(
    facts: TaskFacts, before: NDArray[np.uint8], after: NDArray[np.uint8], evolved: Evolved, *, of_quera: bool
) -> bytes:
    """The document as JSON; ``before`` and ``after`` have shape (shots, sites).

    ``of_quera`` puts the maker's metadata where a simulator has its own.
    """
    quera = {"braketSchemaHeader": header("quera_metadata"), "numSuccessfulShots": facts.shots}
    document = {
        "braketSchemaHeader": header("analog_hamiltonian_simulation_task_result"),
        "taskMetadata": task_metadata(facts),
        "measurements": orjson.Fragment(_measurements(before, after)),
        "additionalMetadata": {
            "action": orjson.Fragment(facts.action),
            **({"queraMetadata": quera} if of_quera else simulator(facts)),
            "braketeerMetadata": {
                "configurations": len(evolved.probabilities),
                "interactionEnergyCut": evolved.cut,
                "estimatedError": evolved.error,
            },
        },
    }
    return orjson.dumps(document)


def _measurements(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bytes:
    """One line of text a shot, all equally long: the bits are put into copies of one."""
    sites = before.shape[1]
    zeros = ",".join("0" * sites)
    head = '{"shotMetadata":{"shotStatus":"Success"},"shotResult":{"preSequence":['
    between = '],"postSequence":['
    line = f"{head}{zeros}{between}{zeros}]}}}},"
    text = np.tile(np.frombuffer(line.encode(), dtype=np.uint8), (len(before), 1))
    first = len(head)
    second = first + len(zeros) + len(between)
    text[:, first : first + len(zeros) : 2] += before
    text[:, second : second + len(zeros) : 2] += after
    text[-1, -1] = ord("]")
    return b"[" + text.tobytes()
