"""Commit objects: how a snapshot is written and read. (docs/format.md)"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from ..errors import ObjectCorrupt, RevisionNotFound
from ..stores.base import Digest, Object, ReadTxn
from . import tokenlog, tree
from .events import Event
from .events import load as load_events
from .records import Checkpoint, Commit, Message, StateRefs
from .tokenlog import Run

BLOCK = "kv-block"
SNAPSHOT = "state"
SUMMARY = "summary"
BULK = frozenset({BLOCK, SNAPSHOT, SUMMARY})
"""Kinds that hold computed numbers: large, in no journal, and computed again from the tokens when they are lost."""
KIND = "commit"
MESSAGE = "message"
VERSION = 3
OPTIONAL = (
    *("boundary", "windows", "layout", "events", "episodes", "episode_kv", "trace", "opened", "ledger", "refused"),
    "request",
)
"""Objects that a commit may refer to, in the order of its references."""


def write(txn: tree.Puts, commit: Commit) -> Digest:
    """Store a commit (its `digest` field is ignored) and return its digest."""
    state = _state(commit)
    has = {name: ref for name in OPTIONAL if (ref := getattr(state, name)) is not None}
    refs = [state.token_log, state.blocks, state.message_table, commit.recipe, *has.values(), *commit.parents]
    meta = {
        "v": VERSION,
        "parents": len(commit.parents),
        "has": list(has),
        "kind": commit.kind,
        "reason": commit.reason,
        "author": commit.author,
        "time": commit.time_ms,
        "tokens": commit.tokens,
        "messages": commit.messages,
        "turn": commit.turn,
        "title": commit.title,
        "metrics": dict(commit.metrics),
        "logits": state.logits,
        "pending": list(state.pending),
        "lineage": state.lineage,
        "seed": state.seed,
        "journal": list(state.journal),
        "kv_bytes": state.kv_bytes,
        "checkpoints": [list(mark) for mark in state.checkpoints],
        "archived": state.archived,
        "mounts": list(state.mounts),
        **({"about": dict(state.about)} if state.about else {}),
    }
    return txn.put(KIND, refs=refs, meta=meta)


def read(txn: ReadTxn, digest: Digest) -> Commit:
    """Load a commit. Raises ObjectMissing, ObjectCorrupt, or RevisionNotFound when the object is something else."""
    item = txn.get(digest)
    if item.kind != KIND:
        raise RevisionNotFound(f"Object {digest.hex()[:12]} is a {item.kind}, not a commit. Give a commit's hash.")
    try:
        return _decode(item)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ObjectCorrupt(f"Commit {digest.hex()[:12]} cannot be read: {error}.", digest=digest) from error


def runs(txn: ReadTxn, commit: Commit) -> list[Run]:
    """The commit's whole token log."""
    return tokenlog.load(txn, _state(commit).token_log)


def messages(txn: ReadTxn, commit: Commit) -> list[Message]:
    """The commit's message table, oldest first."""
    return [_message(txn, entry) for entry in tree.iterate(txn, _state(commit).message_table)]


def message_entries(txn: tree.Puts, items: list[Message]) -> list[tree.Entry]:
    """Store messages' texts and give the entries of the message table."""
    return [
        tree.Entry([item.role, item.start, item.end, item.time_ms], txn.put(MESSAGE, item.content.encode()))
        for item in items
    ]


def block_list(txn: ReadTxn, commit: Commit) -> list[tuple[int, int, Digest]]:
    """(start, tokens, digest) of every KV block, in order of position."""
    return _places(txn, _state(commit).blocks)


def window_list(txn: ReadTxn, commit: Commit) -> list[tuple[int, int, Digest]]:
    """The same of the sliding layers' blocks; empty where the model has none."""
    root = _state(commit).windows
    return [] if root is None else _places(txn, root)


def events(txn: ReadTxn, commit: Commit) -> list[Event]:
    """What happened to the working set between the commit's forwards."""
    return load_events(txn, _state(commit).events)


def checkpoints(commit: Commit) -> tuple[Checkpoint, ...]:
    """The snapshots that were alive when the commit was made; a present store may have dropped some."""
    return () if commit.state is None else commit.state.checkpoints


def _places(txn: ReadTxn, root: Digest) -> list[tuple[int, int, Digest]]:
    result = []
    start = 0
    for n, ref in tree.iterate(txn, root):
        result.append((start, n, ref))
        start += n
    return result


class Holds(Protocol):
    """What looking for an object needs of a transaction."""

    def has(self, digest: Digest) -> bool: ...


def require_kept(txn: Holds, commit: Commit) -> None:
    """Raises RevisionNotFound where gc has taken a commit that was read before this transaction began.

    Collecting is one transaction as well: as long as the commit is there, all that it refers to is.
    """
    if not txn.has(commit.digest):
        raise RevisionNotFound(f"Commit {commit.short} was deleted meanwhile, with the session that led to it.")


def require(txn: ReadTxn, commit: Commit) -> None:
    """Raises ObjectMissing or ObjectCorrupt unless all of a commit but its KV can be read."""
    runs(txn, commit)
    messages(txn, commit)
    block_list(txn, commit)
    window_list(txn, commit)
    events(txn, commit)
    txn.get(commit.recipe)


def history(txn: ReadTxn, commit: Commit) -> Iterator[Commit]:
    """The commit and its first parents, newest first."""
    while True:
        yield commit
        if not commit.parents:
            return
        commit = read(txn, commit.parents[0])


def _state(commit: Commit) -> StateRefs:
    if commit.state is None:
        raise ObjectCorrupt(f"Commit {commit.short} carries no state.", digest=commit.digest)
    return commit.state


def _message(txn: ReadTxn, entry: tree.Entry) -> Message:
    role, start, end, time_ms = entry.value
    return Message(role, bytes(txn.get(entry.ref).payload).decode(), start, end, time_ms)


def _decode(item: Object) -> Commit:
    meta: dict[str, Any] = dict(item.meta)
    if meta["v"] > VERSION:
        raise ValueError(f"it was written by a newer Perdure (commit version {meta['v']})")
    refs = list(item.refs)
    n_parents = meta["parents"]
    optional = refs[4 : len(refs) - n_parents]
    # Version 1 named nothing and had at most a boundary.
    has = dict(zip(meta.get("has", OPTIONAL[: len(optional)]), optional, strict=True))
    state = StateRefs(
        token_log=refs[0],
        blocks=refs[1],
        message_table=refs[2],
        boundary=has.get("boundary"),
        logits=meta["logits"],
        pending=tuple(meta["pending"]),
        lineage=meta["lineage"],
        seed=meta["seed"],
        journal=(meta["journal"][0], meta["journal"][1]),
        kv_bytes=meta["kv_bytes"],
        windows=has.get("windows"),
        layout=has.get("layout"),
        events=has.get("events"),
        episodes=has.get("episodes"),
        episode_kv=has.get("episode_kv"),
        trace=has.get("trace"),
        checkpoints=tuple(Checkpoint(*mark) for mark in meta.get("checkpoints", ())),
        archived=meta.get("archived", 0),
        opened=has.get("opened"),
        ledger=has.get("ledger"),
        refused=has.get("refused"),
        mounts=tuple(meta.get("mounts", ())),
        request=has.get("request"),
        about=meta.get("about", {}),
    )
    return Commit(
        digest=item.digest,
        parents=tuple(refs[len(refs) - n_parents :]),
        recipe=refs[3],
        kind=meta["kind"],
        reason=meta["reason"],
        author=meta["author"],
        time_ms=meta["time"],
        tokens=meta["tokens"],
        messages=meta["messages"],
        turn=meta["turn"],
        title=meta["title"],
        metrics=meta["metrics"],
        state=state,
    )
