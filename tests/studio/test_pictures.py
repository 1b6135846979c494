"""Files that are sent: written as they come, and never under a name from outside."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("fastapi", reason="the extra `studio` is not installed")
pytest.importorskip("python_multipart", reason="the extra `studio` is not installed")

from starlette.requests import ClientDisconnect

from vangram.studio.folder import Folder
from vangram.studio.pictures import LONGEST_NAME, Pictures, Received, shown
from vangram.studio.reader import Reader
from vangram.studio.refusals import Refused
from vangram.studio.store import Store

KIND = "multipart/form-data; boundary=edge"


def form(data: bytes, disposition: str = 'form-data; name="file"; filename="a.png"') -> bytes:
    head = f"--edge\r\nContent-Disposition: {disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + data + b"\r\n--edge--\r\n"


def cut(body: bytes, sizes: Iterable[int]) -> list[bytes]:
    parts, rest = [], body
    for size in sizes:
        part, rest = rest[:size], rest[size:]
        parts.append(part)
    return [*parts, rest]


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    folder = Folder(tmp_path)
    return Pictures(folder, Store(folder.database), Reader(), 10**6)


def receive(pictures: Pictures, parts: Iterable[bytes], kind: str = KIND) -> Received:
    async def stream() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    return asyncio.run(pictures.receive(kind, stream()))


@given(
    data=st.binary(max_size=300).map(lambda d: d.replace(b"\r\n--edge", b"")),
    sizes=st.lists(st.integers(0, 60), max_size=12),
)
def test_file_is_what_was_sent_however_it_comes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, sizes: list[int]
) -> None:
    folder = Folder(tmp_path_factory.getbasetemp() / "forms")
    pictures = Pictures(folder, None, Reader(), 10**6)  # type: ignore[arg-type]
    got = receive(pictures, cut(form(data), sizes))
    assert got.path.read_bytes() == data
    assert got.bytes == len(data)
    assert got.sha256 == hashlib.sha256(data).hexdigest()
    got.path.unlink()


@pytest.mark.parametrize(
    ("start", "suffix"),
    [(b"\xff\xd8\xff\xe0", ".jpg"), (b"\x89PNG\r\n", ".png"), (b"RIFFxxxxWEBP", ".webp"),
     (b"II*\0", ".tif"), (b"MM\0*", ".tif"), (b"<html>", ".tif"), (b"", ".tif")],
)  # fmt: skip
def test_suffix_is_decided_by_the_bytes(pictures: Pictures, start: bytes, suffix: str) -> None:
    body = form(start, 'form-data; name="file"; filename="../../evil.php"')
    assert receive(pictures, [body[i : i + 1] for i in range(len(body))]).suffix == suffix


NAMES = [
    "../../../../etc/passwd",
    "..\\..\\windows\\system32\\cmd.exe",
    "/etc/passwd",
    "C:\\x.png",
    "..",
    ".",
    "",
    "a/../../b.png",
    "x\x00.png",
    "CON.png",
    "a\nb.png",
    "‮gnp.exe",
    "é" * 5000,
]


@pytest.mark.parametrize("name", NAMES)
def test_name_from_outside_is_shown_and_never_a_path(pictures: Pictures, name: str) -> None:
    quoted = name.replace("\\", "\\\\").replace("\n", "%0A").replace("\x00", "%00")
    disposition = f'form-data; name="file"; filename="{quoted}"'
    if len(disposition.encode()) > 4000:
        with pytest.raises(Refused):
            receive(pictures, [form(b"data", disposition)])
        return
    got = receive(pictures, [form(b"data", disposition)])
    assert got.path.parent == pictures.folder.incoming
    assert re.fullmatch(r"[0-9a-f]{32}", got.path.name)
    assert "/" not in got.name
    assert got.name == shown(got.name)


@given(st.text(max_size=400))
def test_shown_name_is_one_printable_line(name: str) -> None:
    said = shown(name)
    assert said
    assert said.isprintable()
    assert len(said) <= LONGEST_NAME
    assert "/" not in said
    assert "\\" not in said


OTHER = b'--edge\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", form(b"data")),
        ("application/json", form(b"data")),
        ("multipart/form-data", form(b"data")),
        ("multipart/form-data; boundary=", form(b"data")),
        ("multipart/form-data; boundary=other", form(b"data")),
        (KIND, b""),
        (KIND, b"{}"),
        (KIND, form(b"data")[:-12]),
        (KIND, form(b"data")[:40]),
        (KIND, form(b"data", 'form-data; name="picture"; filename="a.png"')),
        (KIND, form(b"data", "attachment")),
        (KIND, form(b"data").replace(b"--edge--\r\n", b"") + form(b"more")),
        (KIND, OTHER + b"--edge--\r\n"),
    ],
)
def test_body_that_is_no_such_form_is_refused_and_leaves_nothing(
    pictures: Pictures, kind: str, body: bytes
) -> None:
    with pytest.raises(Refused) as refused:
        receive(pictures, [body], kind)
    assert refused.value.status_code == 400
    assert not list(pictures.folder.incoming.iterdir())


def test_other_fields_are_passed_over(pictures: Pictures) -> None:
    got = receive(pictures, [OTHER + form(b"data")])
    assert got.path.read_bytes() == b"data"


def test_connection_that_is_cut_leaves_nothing(pictures: Pictures) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield form(b"data")[:60]
        raise ClientDisconnect

    with pytest.raises(ClientDisconnect):
        asyncio.run(pictures.receive(KIND, broken()))
    assert not list(pictures.folder.incoming.iterdir())


def test_picture_that_was_removed_by_hand_is_missing(pictures: Pictures) -> None:
    values: dict[str, Any] = {"id": "ab", "suffix": ".png", "sha256": "ab" * 32}
    pictures.store.save_picture("ab", 1.0, values)
    with pytest.raises(Refused, match="no picture"):
        pictures.get("ab")
    with pytest.raises(Refused, match="'ab'"):
        pictures.paths({"content": "ab"})
    pictures.path(values).write_bytes(b"data")
    assert pictures.get("ab") == values
    assert pictures.paths({"content": "ab", "styles": ["ab"], "mask": None}) == {
        "content": str(pictures.path(values)),
        "styles": [str(pictures.path(values))],
        "mask": None,
    }
