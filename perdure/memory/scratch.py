"""The working copy of a session of which nothing is to be kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import Any

from ..config import BLOCK_TOKENS, PREFILL_GRID
from ..stores.base import Digest, Store, WriteTxn
from . import names, sessionlog, tree
from .draft import Committed, Draft, NewBlock, Recorder, now_ms
from .records import Commit, Message, StateRefs


class Scratch:
    """Stands in for a WorkingCopy where nothing is to be kept: turns are not journaled and no branch moves.

    A commit stores only whole prefill chunks, found again by lineage, under one of SLOTS rotating `cache/` refs that
    keep gc from dropping them at once; the commit that comes back names nothing in the store.
    """

    SLOTS = 64
    name = None
    uid = ""

    def __init__(self, store: Store, recipe: Mapping[str, str]) -> None:
        self._store = store
        self.notes: list[str] = []
        state = StateRefs(b"", b"", b"", None, b"", (), b"", 0, ("", 0), 0)
        self.head = Commit(b"", (), b"", "root", "", "", now_ms(), 0, 0, 0, "", state=state)
        self._recipe = recipe

    def acquire(self) -> bool:
        return False

    def release(self) -> None: ...

    def tail(self) -> sessionlog.Tail:
        return sessionlog.Tail(None, None, (), 0, False)

    def apply(self, tail: sessionlog.Tail) -> None: ...

    def begin_turn(
        self,
        messages: Sequence[Message],
        feed: Sequence[int],
        keep: int,
        sampling: Mapping[str, Any],
        recall: Mapping[str, Any] | None = None,
        opening: Mapping[str, Any] | None = None,
        request: Mapping[str, Any] | None = None,
    ) -> None: ...

    def token(self, token: int) -> None: ...

    def drop_turn(self) -> None: ...

    def commit(self, draft: Draft) -> Committed:
        whole = list(_whole_chunks(draft.blocks)) if self.head.tokens == 0 else []
        written = 0
        if any(block.digest is None for block in whole):
            with self._store.write() as txn:
                recorder = Recorder(txn)
                root = tree.build(recorder, _entries(recorder, draft, whole))
                _rotate(txn, whole[-1].lineage, root)
                written = recorder.bytes
        state = replace(self.head.state, lineage=draft.lineage) if self.head.state else None
        tokens = self.head.tokens + sum(len(run.tokens) for run in draft.runs)
        turn, messages = self.head.turn + draft.answers, self.head.messages + len(draft.messages)
        self.head = replace(self.head, tokens=tokens, turn=turn, messages=messages, state=state)
        return Committed(self.head, written)


def _entries(recorder: Recorder, draft: Draft, whole: Sequence[NewBlock]) -> list[tree.Entry]:
    """Everything that a later prompt with the same beginning can go on from."""
    end = sum(block.tokens for block in whole)
    windows = (draft.windows or ())[: len(whole)]
    marks = [new for new in draft.snapshots if new.mark.position % PREFILL_GRID == 0 and new.mark.position <= end]
    return [
        *(tree.Entry(block.tokens, recorder.put_block(block)) for block in [*whole, *windows]),
        *(tree.Entry(0, recorder.put_snapshot(new).digest) for new in marks),
    ]


def _whole_chunks(blocks: Sequence[NewBlock]) -> Iterator[NewBlock]:
    """The leading blocks of a fresh prompt that make up whole prefill chunks."""
    per_chunk = PREFILL_GRID // BLOCK_TOKENS
    whole = list(takewhile(lambda block: block.tokens == BLOCK_TOKENS, blocks))
    yield from whole[: len(whole) // per_chunk * per_chunk]


def _rotate(txn: WriteTxn, lineage: Digest, root: Digest) -> None:
    name = f"{names.CACHE}{lineage[0] % Scratch.SLOTS:02d}"
    present = txn.ref(name)
    if present is None or present.target != root:
        txn.set_ref(name, present.target if present else None, root, meta={}, reason="cache")
        txn.trim_reflog(name, now_ms() + 1)
