"""What is served beside the AWS surface: health and the price list, both open to everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

PREFIX = "/_braketeer/"


def application(health: Callable[[], dict[str, Any]], price_list: Callable[[], str]) -> Starlette:
    """The routes below ``/_braketeer/``. Health is 200 from the moment the service answers requests."""

    async def show_health(_: Request) -> Response:
        return JSONResponse(health())

    async def show_prices(_: Request) -> Response:
        return PlainTextResponse(price_list(), media_type="text/csv")

    async def unknown(request: Request, _: Exception) -> Response:
        return JSONResponse({"message": f"Nothing is served at {request.url.path}"}, status_code=404)

    return Starlette(
        routes=[Route("/_braketeer/health", show_health), Route("/_braketeer/prices.csv", show_prices)],
        exception_handlers={404: unknown},
    )
