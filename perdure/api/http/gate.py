"""Nobody comes past without a key where there are keys, and nothing that concerns memory without a line in the audit log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...errors import PerdureError
from ..access.keyring import USED_EVERY, Keyring
from ..access.keys import ADMIN, Key, now_ms
from .boundary import answered_before_the_body
from .caller import CALLER, Caller, admitted, token
from .hub import HUB
from .idempotency import REPLAYED
from .mentions import mentioned
from .problems import on_perdure_error
from .rules import OPEN, PLAIN, RULE
from .settings import PAGES
from .tenants import Tenants

log = logging.getLogger("perdure.http")

NAMING = ("x-session-id", "x-memory-commit")
"""Headers of answers that say what was read or changed."""


class Gate:
    """ASGI middleware: who is calling, which tenant's hub answers, and what the audit log says of it."""

    def __init__(self, app: ASGIApp, tenants: Tenants) -> None:
        self._app = app
        self._tenants = tenants

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            sender = await self._sender(scope)
            scope[CALLER] = sender
            scope[HUB] = self._tenants.opened(sender.tenant) or await asyncio.to_thread(self._tenants.hub, sender.tenant)
        except PerdureError as error:
            await answered_before_the_body(on_perdure_error(Request(scope), error), scope, receive, send)
            return
        with mentioned() as ids:
            await self._app(scope, receive, _Watched(self._tenants, sender, ids, scope, receive, send))

    async def _sender(self, scope: Scope) -> Caller:
        """Raises Unauthenticated, ScopeMissing."""
        access = self._tenants.access
        if scope["path"] in OPEN or scope["path"].startswith(PAGES) or access is None or not access.keyring.keyed:
            return Caller()
        key = admitted(access.keyring.find(token(Headers(scope=scope))))
        sender = Caller(key.tenant, key)
        if not scope["path"].startswith("/v1/"):
            sender.require(PLAIN.get(scope["path"], ADMIN))
        await self._used(access.keyring, key)
        return sender

    async def _used(self, keyring: Keyring, key: Key) -> None:
        """Remember now and then that the key is used; a full disk keeps nobody out for that."""
        if key.used is None or key.used < now_ms() - USED_EVERY:
            try:
                await asyncio.to_thread(keyring.used, key)
            except PerdureError as error:
                log.warning("the last use of key %s was not noted: %s", key.id, error)


class _Watched:
    """Sends on. An answer begins when the audit log has it, and a stream ends when its key opens nothing any more."""

    def __init__(
        self, tenants: Tenants, sender: Caller, mentioned: list[str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._tenants = tenants
        self._sender = sender
        self._mentioned = mentioned
        self._scope = scope
        self._receive = receive
        self._send = send
        self._over = False

    async def __call__(self, message: Message) -> None:
        if self._over:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message.get("more_body", False) and not self._still_open():
            self._over = True
            # A body whose length was announced cannot end here; then the connection does.
            with suppress(Exception):
                await self._send({"type": "http.response.body", "body": b""})
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        try:
            self._note(message)
        except PerdureError as error:
            self._over = True
            await on_perdure_error(Request(self._scope), error)(self._scope, self._receive, self._send)
        else:
            await self._send(message)

    def _note(self, message: Message) -> None:
        headers = Headers(raw=message["headers"])
        rule = self._scope.get(RULE)
        action = "answer.replayed" if REPLAYED in headers else None if rule is None else rule.action
        if action is not None:
            key = None if self._sender.key is None else self._sender.key.id
            self._tenants.note(self._sender.tenant, key, action, self._ids(headers), str(message["status"]))

    def _ids(self, headers: Headers) -> Iterator[str]:
        yield from (str(value) for value in self._scope.get("path_params", {}).values())
        yield from self._mentioned
        yield from (unquote(headers[name]) for name in NAMING if headers.get(name))
        if "location" in headers:
            yield unquote(headers["location"].rpartition("/")[2])

    def _still_open(self) -> bool:
        access, key = self._tenants.access, self._sender.key
        return key is None or access is None or access.keyring.active(key)
