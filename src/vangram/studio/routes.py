"""Routes of pictures, settings and jobs, as `docs/studio-api.md` describes them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse

from vangram.studio.controls import controls
from vangram.studio.pictures import TYPES
from vangram.studio.queue import MOST_QUEUED
from vangram.studio.refusals import Refused, missing
from vangram.studio.requests import JobBody, MoveBody, QueueBody
from vangram.studio.sizes import TILE
from vangram.studio.studio import Studio, examples

IMMUTABLE = {"Cache-Control": "private, max-age=31536000, immutable"}
FRESH = {"Cache-Control": "no-cache"}
"""Headers that make a browser revalidate on each request."""
BRIEFLY = {"Cache-Control": "private, max-age=600"}
UPLOADS = ("/pictures", "/recipe")
"""Paths of routes that receive files."""
FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
"""OpenAPI description of a route that reads its body as a stream."""

SECONDS_BETWEEN_LOOKS = 0.3
"""Interval of checks whether the client is still connected."""

Place = Annotated[int, PathParameter(ge=0, le=100_000)]
"""Level, column or row of a tile."""
Number = Annotated[int, Query(ge=1, le=500)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200)]


def picture(path: Path, headers: dict[str, str], name: str | None = None) -> FileResponse:
    """Response with a picture's file for display; `name` is the name to save it under."""
    kind = TYPES.get({".jpeg": ".jpg", ".tiff": ".tif"}.get(path.suffix, path.suffix))
    return FileResponse(
        path, media_type=kind, headers=headers, filename=name, content_disposition_type="inline"
    )


def server_routes(studio: Studio) -> APIRouter:
    """The server itself, settings, events."""
    router = APIRouter()

    @router.get("")
    async def server() -> dict[str, Any]:
        from importlib.metadata import version

        formats = ["png", "jpg", "webp", "tif"]
        return {
            "version": 1,
            "vangram": version("vangram"),
            "folder": str(studio.folder.root),
            "listen": f"{studio.access.address}:{studio.access.port}",
            "limits": {
                "upload_bytes": studio.access.upload_bytes,
                "upload_pixels": studio.pictures.largest,
                "queue": MOST_QUEUED,
            },
            "formats": {"read": formats, "write": formats},
            "tile": TILE,
        }

    @router.get("/settings")
    async def settings() -> dict[str, Any]:
        return controls()

    @router.get("/networks")
    async def networks() -> dict[str, Any]:
        return await studio.reader.ask("networks")

    @router.get("/events", response_class=StreamingResponse)
    async def events() -> StreamingResponse:
        return StreamingResponse(
            studio.queue.hub.stream(),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store"},
        )

    @router.post("/queue")
    async def hold(body: QueueBody) -> dict[str, Any]:
        await studio.queue.hold(body.held)
        return studio.queue.listing()

    @router.post("/recipe", openapi_extra=FORM)
    async def recipe(request: Request) -> dict[str, Any]:
        kind = request.headers.get("content-type", "")
        return await studio.recipe_in(await studio.pictures.receive(kind, request.stream()))

    return router


def picture_routes(studio: Studio) -> APIRouter:
    """Pictures that are uploaded, and examples."""
    router = APIRouter()
    pictures = studio.pictures

    def answer(added: tuple[dict[str, Any], bool]) -> JSONResponse:
        values, new = added
        return JSONResponse(studio.as_json(values), 201 if new else 200)

    @router.post("/pictures", status_code=201, openapi_extra=FORM)
    async def upload(request: Request) -> JSONResponse:
        kind = request.headers.get("content-type", "")
        return answer(await pictures.add(await pictures.receive(kind, request.stream())))

    @router.get("/pictures")
    async def uploaded(limit: Number = 50) -> dict[str, Any]:
        return {"pictures": [studio.as_json(each) for each in studio.store.pictures(limit)]}

    @router.get("/pictures/{id}")
    async def one(id: str) -> dict[str, Any]:
        return studio.as_json(pictures.get(id))

    @router.get("/pictures/{id}/thumbnail", response_class=FileResponse)
    async def thumbnail(id: str) -> FileResponse:
        path = studio.folder.thumbnail(pictures.get(id)["id"])
        if not path.exists():
            values = pictures.get(id)
            await pictures.inspect(pictures.path(values), values["name"], path)
        return picture(path, IMMUTABLE)

    @router.get("/pictures/{id}/file", response_class=FileResponse)
    async def file(id: str) -> FileResponse:
        values = pictures.get(id)
        return picture(pictures.path(values), IMMUTABLE, values["name"])

    @router.get("/pictures/{id}/tiles/{level}/{column}/{row}", response_class=FileResponse)
    async def tile(id: str, level: Place, column: Place, row: Place) -> FileResponse:
        values = pictures.get(id)
        path = await studio.tile(pictures.path(values), values["id"], level, column, row)
        if path is None:
            raise missing("tile there")
        return picture(path, IMMUTABLE)

    @router.get("/examples")
    async def shipped() -> dict[str, Any]:
        found = [
            {
                "id": id,
                "name": path.name,
                "role": role,
                "thumbnail": f"/api/v1/examples/{id}/thumbnail",
            }
            for id, (path, role) in examples().items()
        ]
        return {"examples": found}

    @router.get("/examples/{id}/thumbnail", response_class=FileResponse)
    async def example_thumbnail(id: str) -> FileResponse:
        path, _ = example(id)
        thumbnail = studio.folder.thumbnail(f"example-{id}")
        if not thumbnail.exists():
            await pictures.inspect(path, path.name, thumbnail)
        return picture(thumbnail, BRIEFLY)

    @router.post("/examples/{id}", status_code=201)
    async def adopt(id: str) -> JSONResponse:
        path, _ = example(id)
        return answer(await pictures.adopt(path, path.name))

    return router


def example(id: str) -> tuple[Path, str]:
    """An example that ships.

    Raises:
        Refused: there is none of this id.
    """
    found = examples().get(id)
    if found is None:
        raise missing("example of this id")
    return found


def job_routes(studio: Studio) -> APIRouter:
    """Jobs and plans."""
    router = APIRouter()
    queue = studio.queue

    @router.post("/plan")
    async def plan(body: JobBody, request: Request) -> dict[str, Any]:
        planning = asyncio.ensure_future(studio.plan(body))
        while not planning.done():
            await asyncio.wait([planning], timeout=SECONDS_BETWEEN_LOOKS)
            if not planning.done() and await request.is_disconnected():
                planning.cancel()  # a page asks anew at each change
                raise Refused(409, "this was asked for and then given up")
        return await planning

    @router.post("/jobs", status_code=201)
    async def add(body: JobBody, key: Key = None) -> JSONResponse:
        job, new = await studio.add(body, key)
        return JSONResponse(queue.as_json(job), 201 if new else 200)

    @router.get("/jobs")
    async def jobs(state: Annotated[str, Query(max_length=200)] = "") -> dict[str, Any]:
        return queue.listing([each for each in state.split(",") if each])

    @router.get("/jobs/{id}")
    async def one(id: str) -> dict[str, Any]:
        job = queue.get(id)
        return queue.as_json(job) | {"losses": queue.losses(job)}

    @router.delete("/jobs/{id}", status_code=204)
    async def remove(id: str) -> Response:
        queue.remove(queue.get(id))
        return Response(status_code=204)

    @router.post("/jobs/{id}/pause")
    async def pause(id: str) -> dict[str, Any]:
        await queue.pause(queue.get(id))
        return queue.as_json(queue.get(id))

    @router.post("/jobs/{id}/resume")
    async def resume(id: str) -> dict[str, Any]:
        await queue.resume(queue.get(id))
        return queue.as_json(queue.get(id))

    @router.post("/jobs/{id}/stop")
    async def stop(id: str) -> dict[str, Any]:
        await queue.stop(queue.get(id))
        return queue.as_json(queue.get(id))

    @router.post("/jobs/{id}/cancel")
    async def cancel(id: str) -> dict[str, Any]:
        await queue.cancel(queue.get(id))
        return queue.as_json(queue.get(id))

    @router.post("/jobs/{id}/move")
    async def move(id: str, body: MoveBody) -> dict[str, Any]:
        await queue.move(queue.get(id), body.to, body.before)
        return queue.as_json(queue.get(id))

    @router.get("/jobs/{id}/preview", response_class=FileResponse)
    async def preview(id: str, full: bool = False) -> FileResponse:
        job = queue.get(id)
        small, large = studio.folder.preview(job.id), studio.folder.preview(job.id, full=True)
        path = large if full and large.exists() else small
        if not path.exists():
            raise missing("preview yet")
        return picture(path, FRESH)

    @router.get("/jobs/{id}/result", response_class=FileResponse)
    async def result(id: str) -> FileResponse:
        job = queue.get(id)
        path = queue.result(job)
        if path is None:
            raise missing("picture of this job yet")
        return picture(path, FRESH, queue.name(job))

    @router.get("/jobs/{id}/page", response_class=FileResponse)
    async def page(id: str) -> FileResponse:
        job = queue.get(id)
        path = queue.output(job) / "page.html"
        if job.kind != "sweep" or not path.exists():
            raise missing("page of this job yet")
        return FileResponse(path, media_type="text/html", filename=f"sweep-{job.id[:4]}.html")

    @router.get("/jobs/{id}/cells/{number}", response_class=FileResponse)
    async def cell(id: str, number: int) -> FileResponse:
        job = queue.get(id)
        files = [each["file"] for each in job.cells or ()]
        if not 0 <= number < len(files) or files[number] is None:
            raise missing("picture of this cell yet")
        return picture(queue.output(job) / files[number], FRESH)

    return router
