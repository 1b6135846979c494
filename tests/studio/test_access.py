"""Who is let in: hosts, origins, the token, bodies, and the headers of every answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

httpx = pytest.importorskip("httpx", reason="httpx is not installed")
pytest.importorskip("fastapi", reason="the extra `studio` is not installed")

from starlette.requests import Request  # noqa: E402
from starlette.responses import PlainTextResponse  # noqa: E402
from starlette.types import Receive, Scope, Send  # noqa: E402

from vangram.studio.access import LARGEST_JSON, Access, Guard  # noqa: E402

TOKEN = "a" * 43
LOOPBACK = Access(upload_bytes=5_000_000)
ELSEWHERE = Access("0.0.0.0", TOKEN)
OWN = "127.0.0.1:8411"


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads a body and says how long it is."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def ask(
    access: Access = LOOPBACK,
    method: str = "GET",
    path: str = "/api/v1/jobs",
    content: Any = None,
    host: str = OWN,
    **headers: str,
) -> Any:
    """The answer to a request; headers are written with underscores."""

    async def asked() -> Any:
        guard = Guard(inner, access, frozenset({"/upload"}))
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        transport = httpx.ASGITransport(guard, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.request(
                method, path, content=content, headers={"host": host, **given}
            )

    return asyncio.run(asked())


OURS = [
    "127.0.0.1:8411",
    "localhost:8411",
    "LOCALHOST",
    "127.0.0.1",
    "[::1]:8411",
    "127.9.9.9:9000",
]
FOREIGN = [
    "evil.example",
    "evil.example:8411",
    "127.0.0.1.evil.example",
    "localhost.evil.example:8411",
    "evil.example@127.0.0.1",
    "192.168.1.7:8411",
    "[fe80::1]",
    "0x7f000001",
    "2130706433",
    "",
]


@pytest.mark.parametrize("host", OURS)
def test_loopback_hosts_are_let_in_whatever_their_port(host: str) -> None:
    assert ask(host=host).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_host_is_refused(host: str, method: str) -> None:
    answer = ask(method=method, host=host)
    assert answer.status_code == 403
    assert answer.json()["error"]["kind"] == "HTTPError"


@pytest.mark.parametrize("host", ["192.168.1.7:8411", "[fe80::1]", socket.gethostname()])
def test_other_addresses_and_the_own_name_are_hosts_where_the_server_listens_elsewhere(
    host: str,
) -> None:
    bearer = f"Bearer {TOKEN}"
    assert ask(ELSEWHERE, host=host, authorization=bearer).status_code == 200
    assert ask(ELSEWHERE, host="evil.example", authorization=bearer).status_code == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8411",
        "http://127.0.0.1:3000",
        "http://localhost:8411",
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_write_from_another_origin_is_refused(method: str, origin: str) -> None:
    assert ask(method=method, origin=origin).status_code == 403


def test_write_from_the_own_origin_or_from_a_program_is_let_in() -> None:
    assert (
        ask(method="POST", origin=f"http://{OWN}", sec_fetch_site="same-origin").status_code == 200
    )
    assert ask(method="POST").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_page_of_another_site_reads_nothing_and_may_only_link_to_the_page(site: str) -> None:
    assert ask(sec_fetch_site=site).status_code == 403
    assert ask(sec_fetch_site=site, sec_fetch_mode="navigate").status_code == 403
    assert ask(path="/", sec_fetch_site=site, sec_fetch_mode="navigate").status_code == 200
    assert ask(path="/", sec_fetch_site=site, sec_fetch_mode="no-cors").status_code == 403
    assert (
        ask(method="POST", path="/", sec_fetch_site=site, sec_fetch_mode="navigate").status_code
        == 403
    )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {TOKEN}a"},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {TOKEN[:-1]}é"},
        {"cookie": f"vangram-studio-8411={TOKEN[:-1]}"},
        {"cookie": f"vangram-studio-8412={TOKEN}"},
        {"cookie": '"\\; ='},
    ],
)
@pytest.mark.parametrize(
    "path", ["/", "/api/v1/jobs", "/static/app.js", "/?token=wrong", "/?token="]
)
def test_no_token_no_entrance(path: str, headers: Mapping[str, str]) -> None:
    given = {name: value.encode("utf-8") for name, value in headers.items()}
    assert ask(ELSEWHERE, path=path, **given).status_code == 401  # type: ignore[arg-type]


def test_token_opens_as_a_header_and_as_a_cookie() -> None:
    assert ask(ELSEWHERE, authorization=f"bearer {TOKEN}").status_code == 200
    assert ask(ELSEWHERE, cookie=f"a=b; vangram-studio-8411={TOKEN}").status_code == 200


def test_token_in_the_address_becomes_a_cookie_and_leaves_the_address() -> None:
    answer = ask(ELSEWHERE, path=f"/?token={TOKEN}")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"vangram-studio-8411={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ask(ELSEWHERE, path=f"/api/v1/jobs?token={TOKEN}").status_code == 401
    assert ask(ELSEWHERE, method="POST", path=f"/?token={TOKEN}").status_code == 401


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


def test_body_beyond_the_limit_is_refused_by_its_announced_length() -> None:
    assert ask(method="POST", content=b"x" * LARGEST_JSON).status_code == 200
    answer = ask(method="POST", content=b"x" * (LARGEST_JSON + 1))
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert ask(method="POST", path="/upload", content=b"x" * (LARGEST_JSON + 1)).status_code == 200


def test_body_of_no_announced_length_is_cut_off_at_the_limit() -> None:
    from vangram.studio.refusals import Refused

    assert ask(method="POST", content=chunks(10, 100_000)).status_code == 200
    with pytest.raises(Refused) as refused:  # which the application makes an answer of
        ask(method="POST", content=chunks(11, 100_000))
    assert refused.value.status_code == 413


@pytest.mark.parametrize("status", [200, 403])
def test_every_answer_forbids_what_is_loaded_from_elsewhere(status: int) -> None:
    answer = ask(host=OWN if status == 200 else "evil.example")
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
