"""Where prism-q has no wheel: the other engines serve, and tasks pass their tests all the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: As on such a platform: what follows cannot import the package.
BLOCKED = "import sys\nsys.modules['prism_q'] = None\n"
TESTS = ("test_quantum_tasks.py", "test_tensor_network.py")


def test_the_numpy_engine_serves_where_nothing_else_is_installed() -> None:
    program = (
        f"{BLOCKED}sys.modules['pennylane_lightning'] = None\n"
        "from braketeer.quantum.engines import available, choose\n"
        "sys.exit(0 if (available(), choose().name) == (('dense',), 'dense') else 1)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_tasks_pass_their_tests_without_prism() -> None:
    options = ["-q", "-p", "no:cacheprovider", *(str(HERE / name) for name in TESTS), "-k", "not memory"]
    program = f"{BLOCKED}import pytest\nsys.exit(pytest.main({options!r}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=HERE.parent)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_doctor_says_which_engine_serves_instead(tmp_path: Path) -> None:
    program = f"{BLOCKED}from braketeer.cli import main\nsys.argv = ['braketeer', 'doctor']\nmain()"
    environment = {"BRAKETEER_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    assert "prism-q is not here" in done.stdout
    assert "computes; not here: prism" in done.stdout
