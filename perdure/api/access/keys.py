"""What opens the HTTP server: a key of a tenant, of which only a hash is kept."""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from blake3 import blake3

from ...errors import InvalidInput

READ, WRITE, ADMIN = "read", "write", "admin"
SCOPES = (READ, WRITE, ADMIN)
"""Each holds those before it."""

DEFAULT = "default"
"""The tenant whose store is the server's own, and whose admins look after the others."""

CONTEXT = "perdure 2026-11-22 api key v1"
TOKEN = re.compile(r"(key_[0-9a-f]{16})_([A-Za-z0-9_-]{43})")
TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
NOBODY = bytes(32)


class Key(NamedTuple):
    """A key as it is stored; times in ms of the Unix clock. `digest` is the hash of its secret."""

    id: str
    name: str
    tenant: str
    scopes: tuple[str, ...]
    created: int
    digest: bytes
    expires: int | None = None
    used: int | None = None
    revoked: int | None = None

    def may(self, scope: str) -> bool:
        """Whether it has a scope, by itself or as part of a larger one."""
        return any(SCOPES.index(held) >= SCOPES.index(scope) for held in self.scopes)

    @property
    def operator(self) -> bool:
        """Whether it looks after the whole server and not only its own tenant."""
        return self.tenant == DEFAULT and self.may(ADMIN)

    def state(self, now: int) -> str:
        """ "active", "expired" or "revoked"."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"

    def fits(self, secret: str) -> bool:
        return hmac.compare_digest(self.digest, hashed(secret))

    def meta(self) -> dict[str, Any]:
        return {**self._asdict(), "scopes": list(self.scopes)}

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Key:
        return cls(**{**meta, "scopes": tuple(meta["scopes"])})

    def shape(self) -> dict[str, Any]:
        """The key as JSON, without anything that would let one in."""
        return {
            "id": self.id,
            "object": "key",
            "name": self.name,
            "tenant": self.tenant,
            "scopes": list(self.scopes),
            "state": self.state(now_ms()),
            "created_at": self.created // 1000,
            "last_used_at": None if self.used is None else self.used // 1000,
            "expires_at": None if self.expires is None else self.expires // 1000,
            "revoked_at": None if self.revoked is None else self.revoked // 1000,
        }


class Minted(NamedTuple):
    """A key and its token, which nobody can tell again."""

    key: Key
    token: str


def mint(name: str, tenant: str, scopes: Iterable[str], expires: int | None) -> Minted:
    """A new key. Raises InvalidInput for a name, tenant or scope that cannot be."""
    given = tuple(scope for scope in SCOPES if scope in set(scopes))
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not given:
        raise InvalidInput(f"{', '.join(unknown) or 'Nothing'} is no scope of a key; give some of {', '.join(SCOPES)}.")
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise InvalidInput(f"{name[:40]!r} cannot name a key; use 1 to 100 printable characters.")
    now = now_ms()
    if expires is not None and expires <= now:
        raise InvalidInput("The key would have expired already; give a time that is to come.")
    secret = secrets.token_urlsafe(32)
    key = Key(f"key_{secrets.token_hex(8)}", name, checked_tenant(tenant), given, now, hashed(secret), expires)
    return Minted(key, f"{key.id}_{secret}")


def renewed(key: Key) -> Minted:
    """The same key with another secret."""
    secret = secrets.token_urlsafe(32)
    return Minted(key._replace(digest=hashed(secret), used=None), f"{key.id}_{secret}")


def parsed(token: str) -> tuple[str, str] | None:
    """The id and the secret in a token; None for what is none."""
    found = TOKEN.fullmatch(token)
    return None if found is None else (found[1], found[2])


def hashed(secret: str) -> bytes:
    """BLAKE3 under a context of its own; 256 random bits need no slow hash."""
    return blake3(secret.encode(), derive_key_context=CONTEXT).digest()


def checked_tenant(name: str) -> str:
    """The name itself. Raises InvalidInput unless it can also be a folder's on every system."""
    if not TENANT.fullmatch(name):
        raise InvalidInput(
            f"{name[:40]!r} is no tenant's name; use 1 to 32 of a-z, 0-9, '_' and '-', beginning with a letter or digit."
        )
    return name


def now_ms() -> int:
    return time.time_ns() // 1_000_000
