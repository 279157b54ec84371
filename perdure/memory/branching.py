"""New branches, each with its journal: an empty session, a fork of another one, one out of a bundle."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import QuotaExceeded, RefChanged, RevisionNotFound, SessionExists
from ..stores.base import Digest, ReadTxn
from ..stores.journal import Journal
from . import bundle, commits, draft, names, revisions, sessionlog
from .reading import head_ref
from .recipe import Recipe
from .records import Commit

if TYPE_CHECKING:
    from .repository import Repository


def create(
    repository: Repository,
    name: str,
    recipe: Recipe,
    *,
    model: str,
    seed: int | None,
    author: str,
    about: Mapping[str, Any],
    mounts: Sequence[str],
) -> None:
    """A new, empty session. Raises InvalidName, SessionExists or QuotaExceeded."""
    names.checked(name)
    uid = secrets.token_hex(8)
    with repository.store.write() as txn:
        if txn.ref(names.head(name)) is not None:
            raise _taken(name)
        _require_room(repository, txn)
        recorder = draft.Recorder(txn)
        chosen = secrets.randbits(62) if seed is None else seed
        root = draft.root_commit(recorder, recipe.to_meta(), chosen, uid, author, about, mounts)
        meta = _ref_meta(uid, None, model)
        _start_journal(repository, meta, name, root.digest, None, list(recorder.records.values()))
        txn.set_ref(names.head(name), None, root.digest, meta=meta, reason="create")


def fork(repository: Repository, src: str, new: str, at: str | None) -> None:
    """A new session that stands at `at` (default: the head) of `src`. Raises as `create` does, or RevisionNotFound."""
    names.checked(new)
    with repository.store.read() as txn:
        parent = head_ref(txn, src)
        target = revisions.resolve(txn, at or "HEAD", src)
        if txn.ref(names.head(new)) is not None:
            raise _taken(new)
    uid = secrets.token_hex(8)
    meta = _ref_meta(uid, src, str(parent.meta["model"]))
    _start_journal(repository, meta, new, target.digest, (str(parent.meta["uid"]), target.digest), [])
    try:
        with repository.store.write() as txn:
            _require_room(repository, txn)
            commits.require_kept(txn, target)
            txn.set_ref(names.head(new), None, target.digest, meta=meta, reason=f"fork of {src}")
    except (QuotaExceeded, RefChanged, RevisionNotFound) as error:
        Journal.remove(repository.path / "journals", uid)
        if not isinstance(error, RefChanged):
            raise
        raise _taken(new) from error


def unpack(
    repository: Repository,
    file: Path,
    name: str | None,
    progress: Callable[[int, int], None] | None,
    accept: Callable[[Commit, Recipe], None] | None,
) -> str:
    """A new session out of a bundle; returns its name. Raises MalformedBundle, or as `accept` does, with nothing stored."""
    with bundle.opened(file) as source:
        chosen = names.checked(name or source.name)
        if repository.exists(chosen):
            raise _taken(chosen)
        uid = secrets.token_hex(8)
        with repository.store.write() as txn:
            _require_room(repository, txn)
            small = source.store(txn, progress)
            head = commits.read(txn, source.head)
            if accept is not None:
                accept(head, Recipe.from_meta(txn.get(head.recipe).meta))
            meta = _ref_meta(uid, None, source.manifest.model)
            _start_journal(repository, meta, chosen, source.head, None, small)
            txn.set_ref(names.head(chosen), None, source.head, meta=meta, reason="import")
    return chosen


def _start_journal(
    repository: Repository,
    meta: Mapping[str, object],
    name: str,
    commit: Digest,
    base: tuple[str, Digest] | None,
    records: list[bytes],
) -> None:
    first, *more = sessionlog.openings(meta, name, commit, base, records)
    with Journal.create(repository.path / "journals", str(meta["uid"]), first) as journal:
        for body in more:
            journal.append(body)


def _require_room(repository: Repository, txn: ReadTxn) -> None:
    """Raises QuotaExceeded where one more session would be one too many."""
    most = repository.most_sessions()
    if most is not None and sum(1 for _ in txn.refs(names.HEADS)) >= most:
        raise QuotaExceeded(f"There are {most} sessions, which is all that are allowed here; remove one first.")


def _taken(name: str) -> SessionExists:
    return SessionExists(f"A session called {name!r} exists already; choose another name or remove it first.")


def _ref_meta(uid: str, forked_from: str | None, model: str) -> dict[str, object]:
    now = draft.now_ms()
    return {"uid": uid, "seq": 0, "created": now, "updated": now, "from": forked_from, "model": model}
