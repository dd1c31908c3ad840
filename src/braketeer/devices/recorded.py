"""QPUs of which a capability document was recorded: that document, labelled, and with nothing that leads elsewhere."""

from __future__ import annotations

import re
from typing import Any

from braketeer.devices import analog
from braketeer.devices.documents import load
from braketeer.devices.listed import Listed
from braketeer.quantum.circuit import AHS, OPENQASM

_NOT_SERVED = frozenset({"cc_prx", "measure_ff"})  # an outcome decides on a later gate (experimental at IQM)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def document(listed: Listed) -> dict[str, Any]:
    """The recorded document; its summary says that this is an emulation, and links to other hosts are left out, as is
    what the emulation does not do: pulses, and IQM's gates for outcomes inside a program.

    Topology, native gates, calibration figures, shots, execution windows and prices are the recorded ones.
    """
    file = str(listed.document)
    found = load(file)
    service = found["service"]
    recorded_summary = service.get("deviceDocumentation", {}).get("summary")
    date = _DATE.search(file)
    label = (
        f"Emulated by Braketeer, not the QPU itself: {listed.provider} {listed.name} after its capability document"
        f"{f' of {date[0]}' if date else ''}"
    )
    service["deviceDocumentation"] = {"summary": f"{label}. {recorded_summary}" if recorded_summary else label}
    found.pop("pulse", None)
    if OPENQASM in found["action"]:
        _make_true(found["action"][OPENQASM], found["paradigm"])
    if AHS in found["action"]:
        analog.make_aquila_true(found)
    return found


def _make_true(action: dict[str, Any], paradigm: dict[str, Any]) -> None:
    for names in (action["supportedOperations"], paradigm["nativeGateSet"]):
        names[:] = [name for name in names if name not in _NOT_SERVED]
    action["disabledQubitRewiringSupported"] = True
