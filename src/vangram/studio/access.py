"""Access control: `Host`, `Origin` and token of a request, security headers of every answer.

A page of another site can make a browser send requests to this machine. It cannot choose the
headers `Host` and `Origin`; so these reveal a name that was rebound to a loopback address, and a
write from another origin.
"""

from __future__ import annotations

import ipaddress
import json
import secrets
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import cast
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vangram.studio.refusals import Refused, body_of

LARGEST_JSON = 1_000_000
"""Largest body of a request in bytes, except of uploads."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every answer."""


@dataclass(frozen=True)
class Access:
    """Address and port of the server, its token, the limit of an upload."""

    address: str = "127.0.0.1"
    token: str | None = None
    """Token that requests must carry; None on a loopback address."""
    port: int = 8411
    upload_bytes: int = 500_000_000
    """Largest upload in bytes."""

    @property
    def is_loopback(self) -> bool:
        """Whether this machine alone can connect."""
        return is_loopback(self.address)

    def knows_host(self, host: str) -> bool:
        """Whether a `Host` header names this machine.

        An address in numbers cannot be rebound; it is taken wherever the server is not on loopback.
        """
        name = _without_port(host)
        if name == "localhost" or is_loopback(name):
            return True
        if self.is_loopback:
            return False
        return _is_address(name) or name in own_names()

    def knows_token(self, headers: Headers) -> bool:
        """Whether a request carries the token, where one is needed."""
        if self.token is None:
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(given.strip()):
            return True
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        return self.cookie in cookies and self.is_token(cookies[self.cookie].value)

    @property
    def cookie(self) -> str:
        """Name of the cookie with the token; browsers send cookies to every port of a host."""
        return f"vangram-studio-{self.port}"

    def is_token(self, given: str) -> bool:
        """Whether a text equals the token, compared in constant time."""
        return self.token is not None and secrets.compare_digest(
            given.encode(), self.token.encode()
        )


class Guard:
    """ASGI middleware: refuses foreign requests, bounds bodies, adds the headers of every answer.

    Args:
        app: the application behind it.
        access: what a request needs.
        uploads: paths whose bodies may be as large as an upload.
    """

    def __init__(self, app: ASGIApp, access: Access, uploads: frozenset[str]) -> None:
        self.app, self.access, self.uploads = app, access, uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = self.access.upload_bytes if scope["path"] in self.uploads else LARGEST_JSON
        seen = 0

        async def bounded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise too_large(limit)
            return message

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                MutableHeaders(scope=message).update(HEADERS)
                if seen > limit or _length(headers) > limit:
                    MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        try:
            self._check(scope, headers, limit)
        except Refused as refused:
            await _answer(with_headers, refused.status_code, body_of(refused.detail, refused.kind))
            return
        if self._enters(scope):
            await self._welcome(with_headers)
            return
        await self.app(scope, bounded, with_headers)

    def _check(self, scope: Scope, headers: Headers, limit: int) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.access.knows_host(hosts[0]):
            raise Refused(
                403, "this address is not one of the studio's; open the one that it printed"
            )
        self._check_origin(scope, headers, hosts[0])
        if not (self.access.knows_token(headers) or self._enters(scope)):
            raise Refused(401, "the token is missing; open the whole address that was printed")
        if _length(headers) > limit:
            raise too_large(limit)

    def _check_origin(self, scope: Scope, headers: Headers, host: str) -> None:
        """Refuse a request from a page of another origin, except a link to the page."""
        reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
        origin = headers.get("origin")
        own = f"{scope['scheme']}://{host}".lower()
        foreign = origin is not None and origin.lower() != own and not reads
        site = headers.get("sec-fetch-site", "none")
        link = reads and scope["path"] == "/" and headers.get("sec-fetch-mode") == "navigate"
        if foreign or (site not in ("none", "same-origin") and not link):
            raise Refused(403, "pages of other sites may not ask the studio for anything")

    def _enters(self, scope: Scope) -> bool:
        """Whether a request opens the page with the token in its address."""
        if self.access.token is None or scope["method"] != "GET" or scope["path"] != "/":
            return False
        query = parse_qs(cast(bytes, scope["query_string"]).decode("latin-1"))
        return self.access.is_token(query.get("token", [""])[0])

    async def _welcome(self, send: Send) -> None:
        """Set the token as a cookie and redirect to the address without it."""
        cookie = (
            f"{self.access.cookie}={self.access.token}; Path=/; HttpOnly; SameSite=Lax;"
            " Max-Age=31536000"
        )
        fields = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 303, "headers": fields})
        await send({"type": "http.response.body", "body": b""})


def too_large(limit: int) -> Refused:
    """Refusal of a body larger than the limit."""
    return Refused(413, f"this is more than the limit of {limit / 1e6:g} MB; send a smaller file")


def is_loopback(name: str) -> bool:
    """Whether an address is a loopback address or the name "localhost"."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def own_names() -> set[str]:
    """Host names of this machine on the network."""
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0], f"{name.partition('.')[0]}.local"} - {""}


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _without_port(host: str) -> str:
    """The name in a `Host` header, in lower case: "[::1]:80" is "::1"."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].removesuffix(".")


def _length(headers: Headers) -> int:
    try:
        return int(headers.get("content-length", 0))
    except ValueError:
        return 0


async def _answer(send: Send, status: int, body: object) -> None:
    data = json.dumps(body).encode()
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": data})
