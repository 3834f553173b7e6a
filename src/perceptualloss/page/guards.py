"""What every request passes: whose page it takes this for, where it comes from, what its answer lets a browser do."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from http.cookies import SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from perceptualloss.page.settings import PageSettings
from perceptualloss.page.store import token

SESSION = "perceptualloss_session"
HEAD = 16_384  # bytes of a request's head
_SAFE = ("GET", "HEAD")
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}
_COMPUTING = {"script-src": "'self' 'wasm-unsafe-eval' blob:", "worker-src": "'self' blob:"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class Guard:
    """Refuses requests for another page's name or from another page, and gives each visitor a session.

    Args:
        app: what is behind it.
        settings: of the page.
    """

    def __init__(self, app: ASGIApp, settings: PageSettings) -> None:
        self.app, self.settings = app, settings
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = self._known(headers.getlist("cookie"))
        session = known or token()
        scope["session_name"] = session

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(MutableHeaders(scope=message), str(scope["path"]), None if known else session)
            await send(message)

        refused = self._refusal(scope["method"], headers)
        status = 403
        if sum(len(name) + len(value) for name, value in headers.raw) > HEAD:
            refused, status = "This request has too long a head.\n", 431
        app = self.app if refused is None else PlainTextResponse(refused, status_code=status)
        await app(scope, receive, answer)

    def _refusal(self, method: str, headers: Headers) -> str | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.settings.admits(hosts[0]):
            return "This page is not at that address.\n"
        if method in _SAFE:
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and urlsplit(origin).netloc != hosts[0]) or site not in ("same-origin", "none"):
            return "This request comes from another page.\n"
        return None

    def _known(self, cookies: Iterable[str]) -> str | None:
        """Return the session that a cookie says, if this server gave it."""
        for line in cookies:
            value = SimpleCookie(line).get(SESSION)
            name, _, seal = (value.value if value else "").partition(".")
            if name and hmac.compare_digest(seal.encode(), self._seal(name).encode()):
                return name
        return None

    def _seal(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()

    def _complete(self, headers: MutableHeaders, path: str, session: str | None) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        policy = _POLICY | (_COMPUTING if path.startswith("/browser/") else {})
        headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in policy.items())
        headers.setdefault("Cache-Control", "no-store")
        if session is not None:
            headers.append(
                "Set-Cookie", f"{SESSION}={session}.{self._seal(session)}; Path=/; HttpOnly; SameSite=Strict"
            )
