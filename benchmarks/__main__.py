"""``make bench``: measure the service on this machine, print the table, and write it to docs/performance.md."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

import psutil

from benchmarks import creates, jobs, round_trip, start
from benchmarks.figures import Figure

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def main() -> None:
    figures: list[Figure] = []
    for part in (start, round_trip, creates, jobs):
        print(f"{part.__name__.rpartition('.')[2]} ...", flush=True)
        figures += part.measure()
    page = render(figures)
    print(page)
    PAGE.write_text(page)


def render(figures: list[Figure]) -> str:
    lines = [
        "# Performance",
        "",
        "Written by `make bench`: medians of one run, on the machine named here; ratios say more than figures.",
        "A goal that is missed is shown as missed.",
        "",
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), {psutil.virtual_memory().total / 2**30:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end; "
        f"{time.strftime('%Y-%m-%d')}.",
        "",
        "| measure | figure | goal | |",
        "| --- | --- | --- | --- |",
        *(figure.row() for figure in figures),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
