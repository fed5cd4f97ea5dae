"""Who may see pages: on loopback whoever is on this machine, elsewhere who has the token. Nothing comes from other sites."""

import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp

TOKEN = "RENDER_IH_DASHBOARD_TOKEN"
SHORTEST = 16
"""Characters of a token that somebody chooses."""
_COOKIE = "render_ih_dashboard"
_LOCAL = {"localhost", "127.0.0.1", "::1"}
_YEAR = 365 * 24 * 3600
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)
"""Pages load from here alone, and run no script that stands in them."""
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Access:
    """What is asked of a request."""

    token: str = ""
    """Empty: nothing is asked, which is for loopback only."""

    def admits(self, request: Request) -> bool:
        """Whether a request carries the token: as a cookie, or as `Authorization: Bearer …` from a program."""
        if not self.token:
            return True
        kind, _, sent = request.headers.get("authorization", "").partition(" ")
        given = sent if kind.lower() == "bearer" else request.cookies.get(_COOKIE, "")
        return self.fits(given)

    def fits(self, given: str) -> bool:
        """Whether something is the token, told in the same time whatever it is."""
        return hmac.compare_digest(given.encode(), self.token.encode())


def protected(response: Response) -> Response:
    """An answer with the headers that browsers obey; those that a page has set stay."""
    for name, value in (_HEADERS | {"Content-Security-Policy": POLICY}).items():
        response.headers.setdefault(name, value)
    return response


class Gate(BaseHTTPMiddleware):
    """In front of everything: names of hosts, token, requests of other sites, and the headers that browsers obey."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        super().__init__(app)
        self._access = access

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Let a request through, or answer it here."""
        return protected(self._refusal(request) or await call_next(request))

    def _refusal(self, request: Request) -> Response | None:
        access = self._access
        host = request.url.hostname or ""
        if not access.token and host not in _LOCAL:  # a name of another site that was made to lead here
            return PlainTextResponse("This dashboard answers to localhost only.\n", 421)
        given = request.query_params.get("token")
        if access.token and given is not None and request.method == "GET":
            return self._admitted(request, given)
        if not access.admits(request):
            return _asks_for_token(request)
        if request.method not in ("GET", "HEAD") and not _is_own(request):
            return JSONResponse({"error": "This request came from another page than the dashboard's own."}, 403)
        return None

    def _admitted(self, request: Request, given: str) -> Response:
        """The token leaves the address, where histories would keep it."""
        if not self._access.fits(given):
            return _asks_for_token(request)
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "token"]
        target = request.url.path.replace("\\", "/")
        target = "/" + target.lstrip("/") + (f"?{urlencode(others)}" if others else "")
        response = RedirectResponse(target, 303)
        secure = request.url.scheme == "https"
        response.set_cookie(_COOKIE, given, max_age=_YEAR, httponly=True, samesite="strict", secure=secure)
        return response


def _asks_for_token(request: Request) -> Response:
    sentence = "This dashboard asks for its token: open the address that `render-ih dashboard` has printed."
    wants_page = "text/html" in request.headers.get("accept", "")
    headers = {"WWW-Authenticate": "Bearer"}
    if not wants_page:
        return PlainTextResponse(sentence + "\n", 401, headers)
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Token needed</title>'
        '<link rel="icon" href="data:,"></head><body><h1>Token needed</h1><p>'
        f"{sentence}</p></body></html>"
    )
    return Response(page, 401, headers, media_type="text/html")


def _is_own(request: Request) -> bool:
    """A browser names the page that a form or script is of; programs name none."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return urlsplit(origin).netloc == request.url.netloc
