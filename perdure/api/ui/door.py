"""The door of the pages: nobody comes in without a key where there are keys, and no page of another site listens in."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import PerdureError
from ..http.boundary import hostname
from .visitors import COOKIE, IDLE_S, Visitors, cookies

PATH = "/ui"
SIGN_IN = f"{PATH}/sign-in"
SIGN_OUT = f"{PATH}/sign-out"
THROUGH = f"{PATH}/api"
"""Below it the interface itself answers, to whoever has signed in: bundles go through here without passing a page."""

VISITOR = "perdure.visitor"
OPEN = ("/_nicegui/", "/static/", "/favicon.ico")
CLOSED = ("/docs", "/redoc", "/openapi.json")
"""What the library would serve of itself; two of these would fetch scripts from elsewhere."""

POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self'; frame-ancestors 'none'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
"""Nothing is fetched from or sent to elsewhere. The library writes scripts into its pages and compiles its templates."""

FIXED = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


class Door:
    """ASGI middleware around the pages. `whole` is the application that has the interface as well."""

    def __init__(self, pages: ASGIApp, whole: ASGIApp, visitors: Visitors, hosts: tuple[str, ...]) -> None:
        self._pages = pages
        self._whole = whole
        self._visitors = visitors
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, _marked(send, _path(scope)))
        else:
            await self._pages(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Browsers let any page open a socket to any host, with that host's cookies: so its origin is looked at here."""
        headers = Headers(scope=scope)
        known = not self._hosts or hostname(headers.get("host", "")) in self._hosts
        if _own(headers) and known and self._visitors.of(scope) is not None:
            await self._pages(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if scope["path"] in (SIGN_IN, SIGN_OUT):
            await (await self._signing(Request(scope, receive)))(scope, receive, send)
        elif path in CLOSED:
            await Response("Nothing is here.", 404, media_type="text/plain")(scope, receive, send)
        elif path.startswith(OPEN):
            await self._pages(scope, receive, send)
        elif (visitor := self._visitors.of(scope)) is None:
            await _turned_away(scope)(scope, receive, send)
        elif scope["path"].startswith(f"{THROUGH}/v1/"):
            await self._whole(_passed_on(scope, visitor.secret), receive, send)
        else:
            scope[VISITOR] = visitor
            await self._pages(scope, receive, send)

    async def _signing(self, request: Request) -> Response:
        goal = _goal(request.query_params.get("next", ""))
        if request.url.path == SIGN_OUT or request.method != "POST":
            return self._leaving(request) if request.url.path == SIGN_OUT else sign_in(goal)
        if "origin" in request.headers and not _own(request.headers):
            # Who is signed in with somebody else's key would confide in that one's sessions.
            return sign_in(goal, "That came from a page of another site; sign in here.", 403)
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("key", [""])[0].strip()
        try:
            cookie = self._visitors.welcome(given)
        except PerdureError as error:
            return sign_in(goal, str(error), 401)
        answer = RedirectResponse(goal, 303)
        answer.set_cookie(
            COOKIE, cookie, IDLE_S, path=PATH, secure=request.url.scheme == "https", httponly=True, samesite="strict"
        )
        return answer

    def _leaving(self, request: Request) -> Response:
        self._visitors.dismiss(cookies(request.scope).get(COOKIE))
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE, path=PATH)
        return answer


def sign_in(goal: str, problem: str = "", status: int = 200) -> Response:
    """The page that asks for a key: a form that works without a script."""
    page = files(__package__).joinpath("static/sign_in.html").read_text("utf-8")
    said = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    action = f"{SIGN_IN}?next={quote(goal)}"
    headers = {"Cache-Control": "no-store"}
    return HTMLResponse(page.replace("{problem}", said).replace("{action}", escape(action)), status, headers)


def _own(headers: Headers) -> bool:
    """Whether a page of this server sends it."""
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host")


def _goal(wanted: str) -> str:
    """Where to go after signing in: a page here and nowhere else."""
    parts = urlsplit(wanted)
    here = not parts.scheme and not parts.netloc and (parts.path == PATH or parts.path.startswith(f"{PATH}/"))
    return wanted if here and "\\" not in wanted else f"{PATH}/"


def _turned_away(scope: Scope) -> Response:
    if Headers(scope=scope).get("accept", "").startswith("text/html"):
        asked = scope["path"] + (f"?{scope['query_string'].decode()}" if scope["query_string"] else "")
        return RedirectResponse(f"{SIGN_IN}?next={quote(asked)}", 303)
    return Response("Sign in first.", 401, media_type="text/plain")


def _passed_on(scope: Scope, secret: str | None) -> Scope:
    """The same request to the interface, with the visitor's key instead of the cookie."""
    path = scope["path"].removeprefix(THROUGH)
    headers = [(name, value) for name, value in scope["headers"] if name not in (b"cookie", b"authorization", b"x-api-key")]
    if secret is not None:
        headers.append((b"authorization", f"Bearer {secret}".encode()))
    kept = ("type", "asgi", "http_version", "method", "scheme", "query_string", "server", "client")
    return {
        **{name: scope[name] for name in kept},
        "headers": headers,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
    }


def _path(scope: Scope) -> str:
    """The path below that of the pages."""
    return str(scope["path"]).removeprefix(PATH)


def _marked(send: Send, path: str) -> Send:
    lasting = path.startswith("/_nicegui/") and "/dynamic_resources/" not in path

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(FIXED)
            if lasting and message["status"] == 200:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
        await send(message)

    return marked
