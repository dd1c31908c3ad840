"""QPUs of which a capability document was recorded: that document, labelled, and with nothing that leads elsewhere."""

from __future__ import annotations

import re
from typing import Any

from braketeer.devices.documents import load
from braketeer.devices.listed import Listed

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def document(listed: Listed) -> dict[str, Any]:
    """The recorded document; its summary says that this is an emulation, and links to other hosts are left out.

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
    # The SDK fetches calibrations from this link whenever it is there; without it, gate_calibrations is None.
    found.get("pulse", {}).pop("nativeGateCalibrationsRef", None)
    return found
