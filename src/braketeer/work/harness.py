"""Runs the user's script inside a job's sandbox, the way Amazon's job container does.

The runner copies this one file to ``/opt/ml/code/braket_container.py`` and starts it with the job's interpreter, so it
uses the standard library only and imports late: nothing here may stand between a job and its first line. It prints the
lines that the container of SageMaker and Braket prints (clients and their tests look for them), finds the entry point,
runs it in a child process, and writes ``Type: message`` to ``output/failure`` when the script raises.

Source of the imitated behaviour: amazon-braket-containers, ``braket_container.py``; sagemaker-training-toolkit.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__" and "BRAKETEER_UID" in os.environ:
    # Started as root by a sandbox that cannot change the user itself: root ends here, before anything else is read.
    os.setgroups([])
    os.setgid(int(os.environ["BRAKETEER_UID"]))
    os.setuid(int(os.environ.pop("BRAKETEER_UID")))

import json
import signal

TYPE_CHECKING = False  # importing typing takes longer than all else here
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

ML = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
EXTRACTED = ML + "/code/customer_code/extracted"
FAILURE = ML + "/output/failure"
_SMALL = '{"user_entry_point": "braket_container.py"}'  # where the hyperparameters are too long for a variable


def main() -> int:
    """The container's whole run; returns its exit code."""
    limit_resources(json.loads(os.environ.pop("BRAKETEER_LIMITS", "{}")))
    announce(sys.argv)
    say("Beginning Setup")
    if "BRAKETEER_IMAGE" in os.environ and not os.path.exists("/opt/braket"):  # noqa: PTH110
        os.symlink("/opt/ml", "/opt/braket")  # noqa: PTH211
    sys.path.append(EXTRACTED)
    say("Checking for Additional Requirements")
    use_packages()
    say("Additional Requirements Check Finished")
    say("Running Code As Process")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        return run(os.environ["AMZN_BRAKET_SCRIPT_ENTRY_POINT"])
    code = wait_for(child)
    say("Code Run Finished")
    failed = code != 0 or has_failure()
    say("Reporting training FAILURE" if failed else "Reporting training SUCCESS")
    return code


def limit_resources(limits: dict[str, int]) -> None:
    """Lower the limits of this process and all below."""
    import resource  # noqa: PLC0415

    for name, value in limits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (limit, limit))


def announce(argv: list[str]) -> None:
    """What the toolkit prints before it invokes the container's script."""
    variables = sorted((name, value) for name, value in os.environ.items() if name.startswith("SM_"))
    say("Invoking user script")
    say("\nTraining Env:\n")
    say(json.dumps(json.loads(os.environ.get("SM_TRAINING_ENV", _SMALL)), indent=4))
    say("\nEnvironment variables:\n")
    say("\n".join(f"{name}={value}" for name, value in variables))
    say("\nInvoking script with the following command:\n")
    say(" ".join([sys.executable, os.path.basename(argv[0]), *argv[1:]]) + "\n\n")  # noqa: PTH119


def use_packages() -> None:
    """Make importable what the source's requirements.txt files ask for: installed by now, but in an image."""
    target = os.environ.pop("BRAKETEER_PACKAGES", "")
    if os.environ.pop("BRAKETEER_IMAGE", ""):
        target = ML + "/code/additional_packages"
        install_requirements(target)
    if target and os.path.isdir(target):  # noqa: PTH112
        sys.path.insert(1, target)
        os.environ["PYTHONPATH"] = target


def install_requirements(target: str) -> None:
    """Install every requirements.txt of the tree with the image's pip. As in Amazon's a failure is told, not fatal."""
    import subprocess  # noqa: PLC0415

    for where, _, names in os.walk(EXTRACTED):
        if "requirements.txt" in names:
            file = os.path.join(where, "requirements.txt")  # noqa: PTH118
            command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--target", target]
            sys.stdout.flush()
            code = subprocess.run([*command, "-r", file], check=False).returncode
            if code != 0:
                say(f"Installing {file} failed with exit code {code}", sys.stderr)


def run(entry_point: str) -> int:
    """In the child: run the script to its end and return its exit code."""
    os.chdir(EXTRACTED)
    try:
        module, _, name = entry_point.strip().partition(":")
        module = module_name(module)
        if name:
            call(module, name)
        else:
            import runpy  # noqa: PLC0415

            runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        return exit_code(end.code)
    except Exception as problem:  # noqa: BLE001 - the script's, whatever it is
        print_trace(problem)
        text = str(problem)
        note_failure(type(problem).__name__ + (": " + text if text else ""))
        return 1
    return 0


def module_name(text: str) -> str:
    """The module that an entry point names; ``folder/script.py`` is taken for ``folder.script``."""
    text = text.strip()
    if text.endswith(".py"):
        text = text[: -len(".py")]
    return ".".join(part for part in text.split("/") if part not in {"", "."})


def call(module: str, name: str) -> None:
    """Call ``module:name`` with the hyperparameters, cast by its annotations, if its signature takes them."""
    import importlib  # noqa: PLC0415
    import operator  # noqa: PLC0415

    function = operator.attrgetter(name)(importlib.import_module(module))
    function(**arguments(function, hyperparameters()))


def hyperparameters() -> dict[str, str]:
    try:
        with open(ML + "/input/config/hyperparameters.json") as file:  # noqa: PTH123
            return dict(json.load(file))
    except FileNotFoundError:
        return {}


def arguments(function: Callable[..., object], values: dict[str, str]) -> dict[str, object]:
    """Keyword arguments for ``function``: the hyperparameters if they bind to its signature, else none."""
    import inspect  # noqa: PLC0415

    try:
        signature = inspect.signature(function)
        signature.bind(**values)
    except (TypeError, ValueError):
        return {}
    try:
        hints = inspect.get_annotations(function, eval_str=True)
    except Exception:  # noqa: BLE001 - annotations are code of the script's
        hints = {}
    return {name: cast(value, hints.get(name, str)) for name, value in values.items()}


def cast(value: str, kind: object) -> object:
    """A hyperparameter, which is always text, as the type its parameter is annotated with."""
    if kind is bool:
        return value.strip().lower() in {"1", "true", "yes", "on"}
    return kind(value) if isinstance(kind, type) else value


def exit_code(code: object) -> int:
    """What a process that raised SystemExit(code) would have returned to its parent."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    say(str(code), sys.stderr)
    note_failure(str(code))
    return 1


def wait_for(child: int) -> int:
    """Wait for the child and hand SIGTERM on to it, so that a script can save its work. Its exit code, as a shell's."""
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code
    if not has_failure():
        note_failure(f"The script was ended by signal {signal.Signals(-code).name}")
    return 128 - code


def note_failure(text: str) -> None:
    with open(FAILURE, "a") as file:  # noqa: PTH123
        file.write(text)


def has_failure() -> bool:
    return os.path.exists(FAILURE) and os.path.getsize(FAILURE) > 0  # noqa: PTH110, PTH202


def print_trace(problem: BaseException) -> None:
    """The traceback from the user's first frame on."""
    import traceback  # noqa: PLC0415

    trace = problem.__traceback__
    ours = (__file__, "<frozen runpy>")
    while trace is not None and trace.tb_next is not None and trace.tb_frame.f_code.co_filename in ours:
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(problem), problem, trace)


def say(text: str, file: TextIO | None = None) -> None:
    print(text, file=file or sys.stdout, flush=True)


if __name__ == "__main__":
    sys.exit(main())
