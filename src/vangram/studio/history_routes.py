"""Routes of the history and the bin, as `docs/studio-api.md` describes them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, JSONResponse, Response

from vangram.studio.refusals import missing
from vangram.studio.requests import StarBody
from vangram.studio.routes import BRIEFLY, FRESH, IMMUTABLE, Number, Place, picture
from vangram.studio.studio import Studio

Words = Annotated[str, Query(max_length=200)]


def history_routes(studio: Studio) -> APIRouter:
    """The history and the bin."""
    router = APIRouter()
    history, queue = studio.history, studio.queue

    @router.get("/history")
    async def page(
        limit: Number = 50,
        after: Annotated[str | None, Query(max_length=100)] = None,
        q: Words = "",
        starred: bool = False,
    ) -> dict[str, Any]:
        return await history.page(queue.by_picture(), limit, after, q, starred)

    @router.get("/history/{id}")
    async def one(id: str) -> dict[str, Any]:
        return await history.item(history.find(id), queue.by_picture())

    @router.get("/history/{id}/thumbnail", response_class=FileResponse)
    async def thumbnail(id: str, v: Words = "") -> FileResponse:
        file = history.find(id)
        path = studio.folder.thumbnail(file.key)
        if await history.describe(file) is None:
            raise missing("picture of this id in the history")
        if not path.exists():
            await studio.pictures.inspect(studio.folder.root / file.name, file.name, path)
        return picture(path, IMMUTABLE if v == file.key else FRESH)

    @router.get("/history/{id}/picture", response_class=FileResponse)
    async def file(id: str) -> FileResponse:
        found = history.find(id)
        return picture(studio.folder.root / found.name, FRESH, found.name)

    @router.get("/history/{id}/tiles/{level}/{column}/{row}", response_class=FileResponse)
    async def tile(id: str, level: Place, column: Place, row: Place) -> FileResponse:
        found = history.find(id)
        path = await studio.tile(studio.folder.root / found.name, found.key, level, column, row)
        if path is None:
            raise missing("tile there")
        return picture(path, BRIEFLY)

    @router.post("/history/{id}")
    async def star(id: str, body: StarBody) -> dict[str, Any]:
        history.star(history.find(id), body.starred)
        studio.tell_of_history((), (), (id,))
        return await one(id)

    @router.post("/history/{id}/take", status_code=201)
    async def take(id: str) -> JSONResponse:
        found = history.find(id)
        values, new = await studio.pictures.adopt(studio.folder.root / found.name, found.name)
        return JSONResponse(studio.as_json(values), 201 if new else 200)

    @router.delete("/history/{id}", status_code=204)
    async def delete(id: str) -> Response:
        deleted = history.delete(history.find(id))
        studio.tell_of_history((), (id,), ())
        return Response(status_code=204, headers={"Location": f"/api/v1/bin/{deleted}"})

    @router.get("/bin")
    async def deleted() -> dict[str, Any]:
        return {"pictures": history.deleted()}

    @router.post("/bin/{id}/restore")
    async def restore(id: str) -> dict[str, Any]:
        file = history.restore(id)
        studio.tell_of_history((file.id,), (), ())
        return await history.item(file, queue.by_picture())

    return router
