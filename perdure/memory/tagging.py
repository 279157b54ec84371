"""Tags: names of commits for good, each told to the store's own journal before it is set or deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RevisionNotFound, SessionExists
from ..stores.journal import Journal
from ..stores.lease import Lease
from . import commits, names
from .records import Tag
from .sessionlog import STORE_UID

if TYPE_CHECKING:
    from .repository import Repository


def tag(repository: Repository, name: str, rev: str, session: str | None) -> Tag:
    """Name a commit. Raises SessionExists when the name is taken by another commit."""
    names.checked(name, "tag")
    target = repository.resolve(rev, session)
    with repository.store.write() as txn:
        commits.require_kept(txn, target)
        if txn.ref(names.head(name)) is not None:
            raise SessionExists(f"{name!r} is the name of a session; choose another for the tag.")
        present = txn.ref(names.tag(name))
        if present is not None and present.target != target.digest:
            raise SessionExists(f"Tag {name!r} points elsewhere already; delete it first with `perdure tag --delete`.")
        if present is None:
            _log(repository.path, {"t": "tag", "name": name, "commit": target.digest, "session": session or ""})
            txn.set_ref(names.tag(name), None, target.digest, meta={"session": session or ""}, reason="tag")
    return Tag(name, target, session or "")


def untag(repository: Repository, name: str) -> None:
    """Delete a tag. Raises RevisionNotFound."""
    with repository.store.write() as txn:
        ref = txn.ref(names.tag(name))
        if ref is None:
            raise RevisionNotFound(f"There is no tag {name!r}. `perdure tag` lists them.")
        _log(repository.path, {"t": "untag", "name": name})
        txn.delete_ref(names.tag(name), ref.target)


def _log(root: Path, body: Mapping[str, object]) -> None:
    journals = root / "journals"
    with Lease(root / "leases" / f"{STORE_UID}.lock"):
        if STORE_UID in Journal.list(journals):
            journal = Journal.open(journals, STORE_UID)
            journal.append(body)
        else:
            journal = Journal.create(journals, STORE_UID, body)
        journal.close()
