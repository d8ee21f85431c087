"""Who may see the page: whoever has the token of its address, from this machine alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

POLICY = (
    "default-src 'self' 'unsafe-inline' data:; connect-src 'self'; form-action 'self';"
    " frame-ancestors 'none'; base-uri 'none'"
)
"""What the page may load and speak to: this server."""


class Guard:
    """Passes on what has the token, in the address or in the cookie that it then gets, and was sent
    to this very server; refuses all else."""

    def __init__(self, app: Any, token: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self._cookie = f"pigou-{port}"  # cookies are shared between the ports of a machine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, socket, or message of the server about its own life."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self._sent_here(headers) or not (self._is(asked) or self._has_cookie(headers)):
            await _refuse(scope["type"], send)
            return

        if scope["path"] == "/favicon.ico":  # browsers ask for one unasked
            await _answer(204, b"", send)
            return

        async def passed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                more = [
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
                if self._is(asked):
                    kept = f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/"
                    more.append((b"set-cookie", kept.encode()))
                message["headers"] = [*message.get("headers", []), *more]
            await send(message)

        await self._app(scope, receive, passed)

    def _is(self, given: str) -> bool:
        return compare_digest(given.encode(), self._token.encode())

    def _has_cookie(self, headers: dict[str, str]) -> bool:
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return kept is not None and self._is(kept.value)

    def _sent_here(self, headers: dict[str, str]) -> bool:
        """Whether it was sent to this server, and from a page of it where a page sent it: a name
        that somebody points to this machine is another's."""
        here = {f"{name}:{self._port}" for name in ("127.0.0.1", "localhost")}
        origin = headers.get("origin")
        return headers.get("host") in here and (
            origin is None or origin.removeprefix("http://") in here
        )


async def _refuse(kind: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    text = b"This page is opened by the address that `pigou explore` prints.\n"
    await _answer(403, text, send)


async def _answer(status: int, text: bytes, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
