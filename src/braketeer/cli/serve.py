"""``braketeer serve``: the service itself, in the foreground."""

from __future__ import annotations

import logging
import os
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from braketeer.cli.problems import Problem


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [default: 4747]")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where everything is kept.")] = None,
    database: Annotated[
        str | None, typer.Option(help="postgresql://USER@HOST/NAME instead of SQLite in the data directory.")
    ] = None,
    object_store: Annotated[str | None, typer.Option(help="Not available: only the embedded store.")] = None,
    executor: Annotated[str, typer.Option(help="Only local.")] = "local",
    clock: Annotated[
        str | None, typer.Option(help="real, or virtual: `braketeer clock advance` moves it ahead.")
    ] = None,
    public_url: Annotated[str | None, typer.Option(help="Base URL that jobs and links use.")] = None,
    seed: Annotated[int | None, typer.Option(help="Makes sampling reproducible.")] = None,
    stop_jobs: Annotated[
        bool | None, typer.Option("--stop-jobs", help="End running hybrid jobs when the service stops.")
    ] = None,
    allow_reset: Annotated[
        bool | None, typer.Option("--allow-reset", help="For tests: an operator's call may forget all work.")
    ] = None,
    insecure: Annotated[
        bool | None, typer.Option("--insecure", help="Listen on other addresses than loopback without TLS.")
    ] = None,
    stop_with_fd: Annotated[int | None, typer.Option(hidden=True, min=0)] = None,
) -> None:
    """Run the service until it is interrupted."""
    # Options that this version has no choice for; what it cannot do is refused, never ignored.
    if object_store is not None:
        raise Problem("--object-store is not supported by this version: only the embedded object store is served", 2)
    if executor != "local":
        raise Problem(f"--executor {executor} is not supported by this version: use local", 2)
    # Loaded here so that the other commands start without the service's libraries.
    from braketeer.config import Settings
    from braketeer.data_directory import StartError
    from braketeer.server import serve as run_service
    from braketeer.work.sandbox import SandboxError

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    settings = Settings.of(
        host=host,
        port=port,
        data_dir=data_dir,
        database=database,
        clock=clock,
        public_url=public_url,
        seed=seed,
        stop_jobs=stop_jobs,
        insecure=insecure,
        allow_reset=allow_reset,
    )
    if stop_with_fd is not None:
        _stop_with(stop_with_fd)
    try:
        run_service(settings)
    except (StartError, SandboxError, RuntimeError) as problem:
        raise Problem(str(problem)) from problem


def _stop_with(descriptor: int) -> None:
    """Stop this process as SIGTERM does once the other end of an inherited pipe is closed.

    That is when whoever started the service is gone, even by ``kill -9``. A thread, so that it holds from the start.
    """
    os.set_inheritable(descriptor, False)

    def wait() -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="stop with the starter", daemon=True).start()
