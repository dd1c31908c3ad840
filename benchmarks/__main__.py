"""``make bench``: measure Braketeer on this machine, print the tables, and write them to docs/performance.md.

``python -m benchmarks NAME ...`` measures those sections only and leaves the others on the page as they are.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import psutil

from benchmarks.figures import Figure

#: They choose numpy's kernels for the machine that an image was made on, not for this one.
TUNING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
#: In the order of the page; each is a module here with ``measure()``, which gives its figures.
SECTIONS = (
    *("start", "round_trip", "creates", "queue", "jobs"),
    *("programs", "large", "engines", "densities", "gradients", "analog"),
)
HEAD = """# Performance

Written by `make bench`: medians of one run, on the machine named in each section; ratios say more than figures.
A goal that is missed is shown as missed. `python -m benchmarks NAME` measures one section anew.
"""


def main(names: list[str]) -> None:
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise SystemExit(f"there is no section {unknown[0]}: {', '.join(SECTIONS)}")
    for variable in TUNING:
        os.environ.pop(variable, None)  # before numpy is loaded
    if len(names) == 1:
        section = _section(names[0], import_module(f"benchmarks.{names[0]}").measure())
        print(section, flush=True)
        PAGE.write_text(with_section(PAGE.read_text() if PAGE.exists() else "", names[0], section))
        return
    failed = []
    for name in names or SECTIONS:  # each in a process of its own: what a library leaves behind disturbs no other
        print(f"{name} ...", flush=True)
        if subprocess.run([sys.executable, "-m", "benchmarks", name], check=False).returncode:
            failed.append(name)
    if failed:
        raise SystemExit(f"could not be measured: {', '.join(failed)}")


def with_section(page: str, name: str, section: str) -> str:
    """The page with a section put in its place."""
    parts = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    sections = {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}
    sections[name] = section
    return "\n".join([HEAD, *(sections[each] for each in SECTIONS if each in sections)])


def _section(name: str, figures: list[Figure]) -> str:
    what = (sys.modules[f"benchmarks.{name}"].__doc__ or "").strip().replace("``", "`")
    memory = psutil.virtual_memory().total / 2**30
    lines = [
        f"## {name}",
        "",
        what,
        "",
        f"{_processor()}, {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; load average {os.getloadavg()[0]:.1f} at the end; "
        f"{time.strftime('%Y-%m-%d')}.",
        "",
        "| measure | figure | goal | |",
        "| --- | --- | --- | --- |",
        *(figure.row() for figure in figures),
        "",
    ]
    return "\n".join(lines)


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "processor not known"


if __name__ == "__main__":
    main(sys.argv[1:])
