"""The keys and quotas of a store, in a small database of their own beside it.

``<store>/access/data.mdb`` is a store like any other (`stores.lmdb`): a ref ``keys/<id>`` holds a key, ``quotas/<tenant>``
what a tenant may have. So a change is one durable transaction, and a record that was damaged is not taken for another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from ...config import Quota
from ...errors import Conflict, NotFound, StoreDamaged
from ...stores.base import ReadTxn, Ref
from ...stores.environment import Guard
from ...stores.lmdb import LmdbStore
from .keys import NOBODY, Key, Minted, mint, now_ms, parsed, renewed

FOLDER = "access"
KEYS, QUOTAS = "keys/", "quotas/"
USED_EVERY = 60_000
"""Milliseconds before the last use of a key is written again."""


class KeyNotFound(NotFound):
    """No key has this id."""

    code = "key_not_found"


class Keyring:
    """Thread safe; other processes may change it meanwhile. Makes nothing on disk before the first key or quota."""

    def __init__(self, root: Path) -> None:
        self._path = root / FOLDER
        self._lock = threading.Lock()
        self._store: LmdbStore | None = None
        self._keyed = False

    @property
    def keyed(self) -> bool:
        """Whether a key was ever made: from then on nobody comes in without one, be they all revoked."""
        if not self._keyed and self._there():
            with self._open().read() as txn:
                self._keyed = any(True for _ in txn.refs(KEYS))
        return self._keyed

    def find(self, token: str) -> Key | None:
        """The key that a token belongs to, whatever its state; None for what is no token of this store."""
        named = parsed(token)
        key = None
        if named is not None and self._there():
            with self._open().read() as txn:
                key = _key(txn, named[0])
        secret = named[1] if named is not None else ""
        if key is None:
            # As much work as for a key that there is.
            Key("", "", "", (), 0, NOBODY).fits(secret)
            return None
        return key if key.fits(secret) else None

    def active(self, key: Key) -> bool:
        """Whether a key that was let in is still the same one and opens."""
        with self._open().read() as txn:
            present = _key(txn, key.id)
        return present is not None and present.digest == key.digest and present.state(now_ms()) == "active"

    def keys(self, tenant: str | None = None) -> list[Key]:
        """All keys, or those of a tenant, oldest first."""
        if not self._there():
            return []
        with self._open().read() as txn:
            found = [_opened(name, ref) for name, ref in txn.refs(KEYS)]
        return sorted((key for key in found if tenant in (None, key.tenant)), key=lambda key: (key.created, key.id))

    def get(self, name: str, tenant: str | None = None) -> Key:
        """One key, by its id. Raises KeyNotFound, also for another tenant's."""
        if self._there():
            with self._open().read() as txn:
                return _existing(txn, name, tenant)
        raise _unknown(name)

    def create(self, name: str, tenant: str, scopes: tuple[str, ...], expires: int | None = None) -> Minted:
        """A new key and its token."""
        minted = mint(name, tenant, scopes, expires)
        self._write(KEYS + minted.key.id, minted.key)
        return minted

    def rotate(self, name: str, tenant: str | None = None) -> Minted:
        """Another secret for a key; the one before opens nothing from now on. Raises KeyNotFound, Conflict."""
        made: list[Minted] = []

        def change(key: Key) -> Key:
            if key.revoked is not None:
                raise Conflict(f"Key {key.id} is revoked; make a new one with `perdure keys create`.")
            made.append(renewed(key))
            return made[0].key

        self._change(name, tenant, change)
        return made[0]

    def revoke(self, name: str, tenant: str | None = None) -> Key:
        """Have a key open nothing from now on. Raises KeyNotFound."""
        return self._change(name, tenant, lambda key: key._replace(revoked=key.revoked or now_ms()))

    def used(self, key: Key) -> None:
        """Note that a key was used just now."""
        self._change(key.id, None, lambda present: present._replace(used=now_ms()))

    def quota(self, tenant: str) -> Quota:
        """What a tenant may have."""
        if not self._there():
            return Quota()
        with self._open().read() as txn:
            ref = txn.ref(QUOTAS + tenant)
            return Quota() if ref is None else Quota(**ref.meta)

    def tenants(self) -> list[str]:
        """Those that have a key or a quota, by name."""
        bounded = set()
        if self._there():
            with self._open().read() as txn:
                bounded = {name.removeprefix(QUOTAS) for name, _ in txn.refs(QUOTAS)}
        return sorted(bounded | {key.tenant for key in self.keys()})

    def set_quota(self, tenant: str, quota: Quota) -> None:
        with self._open().write() as txn:
            target = txn.put("quota", meta={"tenant": tenant})
            present = txn.ref(QUOTAS + tenant)
            txn.set_ref(QUOTAS + tenant, present and present.target, target, meta=asdict(quota), reason="set")
            txn.trim_reflog(QUOTAS + tenant, now_ms() + 1)

    def close(self) -> None:
        with self._lock:
            store, self._store = self._store, None
        if store is not None:
            store.close()

    def _there(self) -> bool:
        return self._store is not None or (self._path / "data.mdb").exists()

    def _open(self) -> LmdbStore:
        with self._lock:
            if self._store is None:
                with Guard(self._path):
                    self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._store = LmdbStore(self._path)
            return self._store

    def _write(self, name: str, key: Key) -> None:
        with self._open().write() as txn:
            txn.set_ref(name, None, txn.put("key", meta={"id": key.id}), meta=key.meta(), reason="created")

    def _change(self, name: str, tenant: str | None, change: Callable[[Key], Key]) -> Key:
        if not self._there():
            raise _unknown(name)
        with self._open().write() as txn:
            key = change(_existing(txn, name, tenant))
            target = txn.put("key", meta={"id": key.id})
            txn.set_ref(KEYS + key.id, target, target, meta=key.meta(), reason="changed")
            txn.trim_reflog(KEYS + key.id, now_ms() + 1)
        return key


def _key(txn: ReadTxn, name: str) -> Key | None:
    ref = txn.ref(KEYS + name)
    return None if ref is None else _opened(KEYS + name, ref)


def _opened(name: str, ref: Ref) -> Key:
    try:
        return Key.of(ref.meta)
    except (KeyError, TypeError) as error:
        raise StoreDamaged(f"The record {name} in the store's folder {FOLDER} is damaged; put a copy back.") from error


def _existing(txn: ReadTxn, name: str, tenant: str | None) -> Key:
    key = _key(txn, name) if name.isascii() and 0 < len(name) <= 64 and name.isprintable() else None
    if key is None or tenant not in (None, key.tenant):
        raise _unknown(name)
    return key


def _unknown(name: str) -> KeyNotFound:
    return KeyNotFound(f"There is no key {name[:40]!r}; `perdure keys list` shows those that exist.")
