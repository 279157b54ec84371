"""Who sent a request: somebody with a key, or anybody where no key was ever made."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from fastapi import Depends, Request
from starlette.datastructures import Headers

from ..access.keys import DEFAULT, Key, now_ms
from .problems import ScopeMissing, Unauthenticated

CALLER = "perdure.caller"


class Caller(NamedTuple):
    """`key` None: no key was ever made, and everybody may do everything with the one tenant that there is."""

    tenant: str = DEFAULT
    key: Key | None = None

    @property
    def operator(self) -> bool:
        """Whether the caller looks after the whole server."""
        return self.key is None or self.key.operator

    @property
    def reach(self) -> str | None:
        """The tenant whose keys and audit entries the caller may see; None for all."""
        return None if self.operator else self.tenant

    def require(self, scope: str) -> None:
        """Raises ScopeMissing."""
        if self.key is not None and not self.key.may(scope):
            raise ScopeMissing(f"This needs a key with the scope {scope}; {self.key.id} has {', '.join(self.key.scopes)}.")

    def require_operator(self) -> None:
        """Raises ScopeMissing."""
        if not self.operator:
            raise ScopeMissing(f"This concerns the whole server; it needs an admin's key of the tenant {DEFAULT}.")


def token(headers: Headers) -> str:
    """What a request shows to be let in. Raises Unauthenticated where that is nothing."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    found = given.strip() if scheme.casefold() == "bearer" else headers.get("x-api-key", "").strip()
    if not found:
        raise Unauthenticated("This server asks for a key: send it as Authorization: Bearer KEY, or as x-api-key.")
    return found


def admitted(key: Key | None) -> Key:
    """The key itself, if it opens. Raises Unauthenticated."""
    state = "unknown" if key is None else key.state(now_ms())
    if key is None or state != "active":
        raise Unauthenticated(f"This key is {state}; ask whoever runs the server for another.", given=True)
    return key


async def caller(request: Request) -> Caller:
    """Who sent this request."""
    found: Caller = request.scope[CALLER]
    return found


Sender = Annotated[Caller, Depends(caller)]
