"""The application: routes, errors as one line, the page, and access control before them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from vangram.errors import VangramError, line_of
from vangram.studio.access import Guard
from vangram.studio.history_routes import history_routes
from vangram.studio.refusals import body_of, status_of
from vangram.studio.routes import FRESH, UPLOADS, job_routes, picture_routes, server_routes
from vangram.studio.studio import Studio

PREFIX = "/api/v1"
STATIC = Path(__file__).parent / "static"
REFUSALS = {
    status: {"description": "Refused; the body says why."}
    for status in (400, 401, 403, 404, 405, 409, 413, 422, 500, 507)
}


def application(studio: Studio) -> FastAPI:
    """The application without its guard."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await studio.start()
        yield
        await studio.close()

    app = FastAPI(
        title="VanGram studio",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        responses=REFUSALS,  # type: ignore[arg-type]
    )
    for routes in (server_routes, picture_routes, job_routes, history_routes):
        app.include_router(routes(studio), prefix=PREFIX)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(VangramError, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers=FRESH)

    app.mount("/static", _Parts(directory=STATIC))
    return app


class _Parts(StaticFiles):
    """Static files, revalidated on each request: modules of two versions do not fit together."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(FRESH)
        return response


def guarded(studio: Studio) -> ASGIApp:
    """The application behind its guard."""
    uploads = frozenset(PREFIX + path for path in UPLOADS)
    return Guard(application(studio), studio.access, uploads)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    said = {
        400: "the body is no JSON",
        404: "there is nothing at this address",
        405: "this address takes no such method",
    }
    kind = getattr(error, "kind", None)
    message = error.detail if kind else said.get(error.status_code, error.detail)
    body = body_of(str(message), kind or "HTTPError")
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VangramError)
    return JSONResponse(body_of(line_of(error), type(error).__name__), status_of(error))


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return JSONResponse(body_of("the body is no JSON", "HTTPError"), 400)
    if first["type"] == "model_attributes_type":
        said = "the body needs to be a JSON object, with the header Content-Type: application/json"
        return JSONResponse(body_of(said, "SettingError"), 422)
    place = ".".join(str(part) for part in first["loc"][1:])
    message = " ".join(f"{place or 'the body'}: {first['msg']}".split())
    return JSONResponse(body_of(message, "SettingError"), 422)


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    if os.environ.get("VANGRAM_TRACEBACK"):
        raise error
    return JSONResponse(body_of(line_of(error), type(error).__name__), 500)
