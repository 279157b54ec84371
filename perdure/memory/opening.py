"""Opening a store directory: its folders made, its database opened, or set aside where it is broken."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path

from ..config import StoreOptions
from ..errors import SessionBusy, StoreDamaged, StoreUnreadable
from ..stores import files
from ..stores.lease import StoreLock
from ..stores.lmdb import LmdbStore
from . import fsck, rebuild

EXPORT, IMPORT = ".export-", ".import-"
"""How folders begin in which bundles are on their way out of a store or into it."""

SALT = "salt"
SALT_BYTES = 32


def directory(path: Path, create: bool) -> Path:
    """The store's directory with its folders, made if `create` allows. Raises StoreUnreadable."""
    root = path.expanduser().absolute()
    if not root.exists() and not create:
        raise StoreUnreadable(f"There is no store at {root}. Start a chat there, or choose another --store.")
    try:
        for part in (root, root / "journals", root / "leases"):
            part.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreUnreadable(f"{root} is not a directory. Choose another --store.") from error
    except OSError as error:
        raise StoreUnreadable(f"Cannot use {root} as a store: {error.strerror}. Choose another --store.") from error
    return root


def salt(root: Path, *, make: bool) -> bytes:
    """The secret that a store's lineage ids hold, made where `make` says so; empty where there is none."""
    file = root / SALT
    try:
        if make and not file.exists():
            files.replace(file, secrets.token_bytes(SALT_BYTES))
        found = files.read_file(file)
    except OSError as error:
        raise StoreUnreadable(f"The file {file} cannot be used: {error.strerror}. Check its permissions.") from error
    if len(found) not in (0, SALT_BYTES):
        raise StoreDamaged(f"{file} has {len(found)} bytes, not {SALT_BYTES}. Put its copy back, or delete it.")
    return found


def sweep(root: Path, lock: StoreLock) -> None:
    """Delete what a process that died was giving out or taking in, unless others may be doing that just now."""
    if _moving(root):
        with suppress(SessionBusy), lock.exclusive():
            for folder in _moving(root):
                shutil.rmtree(folder, ignore_errors=True)


def _moving(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.name.startswith((EXPORT, IMPORT))]


def open_store(
    root: Path, options: StoreOptions, lock: StoreLock, alone: ExitStack, *, unclean: bool
) -> tuple[LmdbStore, list[str]]:
    """The database; one that is broken or gone is replaced by an empty one if there are journals to fill it from.

    Then `alone` keeps others out until it is filled.
    """
    if not (root / "data.mdb").exists() and rebuild.has_journals(root):
        alone.enter_context(lock.exclusive())
        return LmdbStore(root, options), ["The database was gone; it is rebuilt from the journals."]
    try:
        if unclean:
            fsck.require_sound(root)
        store = LmdbStore(root, options)
        _require_refs(store)
    except (StoreDamaged, StoreUnreadable) as error:
        if not rebuild.has_journals(root) or not os.access(root / "data.mdb", os.R_OK | os.W_OK):
            raise
        alone.enter_context(lock.exclusive())
        note = rebuild.note(root, str(error), rebuild.set_aside(root))
        return LmdbStore(root, options), [note]
    return store, []


def _require_refs(store: LmdbStore) -> None:
    """Raises StoreDamaged, the store closed, when a ref cannot be read."""
    try:
        with store.read() as txn:
            for _ in txn.refs():
                pass
    except BaseException:
        store.close()
        raise
