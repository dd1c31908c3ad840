"""``braketeer cost``: what a quantum task, a hybrid job or a spending limit has cost so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote

import typer

from braketeer.cli import output, service
from braketeer.cli.account import DATA_DIR, JSON, PORT


def cost(
    arn: Annotated[str, typer.Argument(help="ARN of a quantum task, a hybrid job or a spending limit.")],
    port: PORT = None,
    data_dir: DATA_DIR = None,
    json: JSON = False,
) -> None:
    """Show what a task, a job or a spending limit has cost so far."""
    answer = service.access_here(data_dir, port).call("GET", f"costs/{quote(arn, safe='')}")
    if json:
        output.as_json(answer)
        return
    for name, value in _LINES[answer["kind"]](answer):
        typer.echo(f"{name + ':':<12}{output.plain(value)}")


_Lines = Iterator[tuple[str, str]]


def _of_task(answer: Mapping[str, Any]) -> _Lines:
    yield "task", f"{answer['arn']} ({answer['status']})"
    yield "device", answer["device_arn"]
    yield "price", _price(answer)
    if answer["spending_limit_arn"]:
        yield "limit", answer["spending_limit_arn"]
    if answer["cost"] is None:
        yield "estimate", _usd(answer["estimate"])
    else:
        yield "cost", _usd(answer["cost"])


def _price(answer: Mapping[str, Any]) -> str:
    """What the cost is made of."""
    if answer["reservation_arn"]:
        return f"none, in reservation {answer['reservation_arn']}"
    price, parts = answer["price"], []
    if price["per_task"] != "0":
        parts.append(_usd(price["per_task"]))
    if price["per_shot"] != "0":
        parts.append(f"{answer['shots']} shots at {_usd(price['per_shot'])}")
    if price["per_minute"] != "0":
        billed = "" if answer["billed_ms"] is None else f"{answer['billed_ms'] / 1000:g} s "
        parts.append(f"{billed}at {_usd(price['per_minute'])} a minute")
    return " + ".join(parts) or "free of charge"


def _of_job(answer: Mapping[str, Any]) -> _Lines:
    tasks, instances = answer["tasks"], answer["instances"]
    yield "job", f"{answer['arn']} ({answer['status']})"
    unfinished = f", {tasks['unfinished']} unfinished: about {_usd(tasks['estimate_of_unfinished'])} more"
    yield "tasks", f"{tasks['count']}: {_usd(tasks['cost'])}{unfinished if tasks['unfinished'] else ''}"
    time = f"{instances['billed_ms'] / 1000:g} s at {_usd(instances['per_minute'])} a minute"
    yield "instances", f"{instances['count']} x {instances['type']}, {time}: {_usd(instances['cost'])}"
    yield "cost", _usd(answer["cost"])


def _of_limit(answer: Mapping[str, Any]) -> _Lines:
    yield "limit", f"{answer['arn']} ({answer['status']})"
    yield "device", answer["device_arn"]
    yield "period", f"{answer['starts_at']} to {answer['ends_at']}"
    yield "amount", _usd(answer["amount"])
    yield "spent", _usd(answer["total_spend"])
    yield "queued", _usd(answer["queued_spend"])
    yield "remaining", _usd(answer["remaining"])


def _usd(amount: str) -> str:
    """Without the zeros that say nothing: ``0.3000000000`` -> ``0.30 USD``."""
    whole, _, places = f"{Decimal(amount):f}".partition(".")
    return f"{whole}.{places.rstrip('0'):0<2} USD"


_LINES = {"quantum-task": _of_task, "job": _of_job, "spending-limit": _of_limit}
