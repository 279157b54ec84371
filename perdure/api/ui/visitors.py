"""Who is looking: visitors that showed a key are known by a cookie, whose secret means nothing outside this process."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

from ...errors import PerdureError
from ..access.keyring import Keyring
from ..access.keys import Key
from ..http.caller import Caller, admitted

COOKIE = "perdure_ui"
IDLE_S = 12 * 3600
"""Seconds after which somebody who did nothing has to show the key again."""
MOST = 1000
"""Visitors that are known at once; those unseen longest go first."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody at a page. `secret` None: no key was ever made, and everybody may do everything."""

    caller: Caller = field(default_factory=Caller)
    secret: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str | None:
        """What the key is called."""
        return None if self.caller.key is None else self.caller.key.name or self.caller.key.id

    def may(self, scope: str) -> bool:
        """Whether what needs this scope is worth offering; the interface decides in the end."""
        return self.caller.key is None or self.caller.key.may(scope)


class Visitors:
    """Keys by cookie, in memory only: after a restart all show their keys again."""

    def __init__(self, keyring: Keyring | None) -> None:
        self._keyring = keyring
        self._secrets: OrderedDict[str, tuple[str, float]] = OrderedDict()

    @property
    def asked(self) -> bool:
        """Whether a key is asked for."""
        return self._keyring is not None and self._keyring.keyed

    def welcome(self, secret: str) -> str:
        """The cookie for somebody who shows this key. Raises Unauthenticated."""
        self._key(secret)
        cookie = secrets.token_urlsafe(32)
        self._secrets[cookie] = (secret, time.monotonic())
        while len(self._secrets) > MOST:
            self._secrets.popitem(last=False)
        return cookie

    def dismiss(self, cookie: str | None) -> None:
        self._secrets.pop(cookie or "", None)

    def of(self, scope: Scope) -> Visitor | None:
        """Who sent a request; None where a key is asked for and none that opens was shown."""
        if not self.asked:
            return Visitor()
        cookie = cookies(scope).get(COOKIE, "")
        secret, seen = self._secrets.get(cookie, ("", 0.0))
        if not secret or seen < time.monotonic() - IDLE_S:
            self.dismiss(cookie)
            return None
        try:
            key = self._key(secret)
        except PerdureError:
            self.dismiss(cookie)
            return None
        self._secrets[cookie] = (secret, time.monotonic())
        self._secrets.move_to_end(cookie)
        return Visitor(Caller(key.tenant, key), secret)

    def _key(self, secret: str) -> Key:
        """Raises Unauthenticated."""
        return admitted(self._keyring.find(secret) if self._keyring is not None else None)


def cookies(scope: Scope) -> Mapping[str, str]:
    """The cookies of a request; none where they cannot be read."""
    header = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header.decode("latin-1")).items()}
    except CookieError:
        return {}
