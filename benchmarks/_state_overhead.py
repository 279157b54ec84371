"""What snapshots cost while a recurrent model talks, and what going back to earlier turns costs afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perdure.config import CheckpointOptions
from perdure.memory.commits import SNAPSHOT
from perdure.runtime import Runtime
from perdure.runtime.encoding import pack_snapshot
from perdure.runtime.session import Session
from perdure.runtime.state.base import Snapshot

from ._corpus import Corpus
from ._measure import Clock, Sample
from ._state_kit import NEWEST, Dtype, beside, make, runtime

REALISTIC: dict[str, Any] = {"hidden_size": 768, "intermediate_size": 1536, "num_hidden_layers": 24, "state_size": 16}
"""The width and depth of mamba-130m; the vocabulary is small, which makes turns faster and shares of them larger."""

PROMPT = ANSWER = 64
BACK = (1, 10, 50)
VARIANTS: dict[str, CheckpointOptions | None] = {"snapshots": None, "newest only": NEWEST, "none": None}
"""`none` takes no snapshot at all: such a session cannot be resumed without computing it again."""


class Talk:
    """A session of one variant: the time of its turns, and of the marks in them."""

    def __init__(self, first: Runtime, variant: str, store: Path, corpus: Corpus) -> None:
        self.rt = beside(first, store, checkpoints=VARIANTS[variant])
        self.session = self.rt.session("s")
        self._corpus = corpus
        self._marking = 0.0
        self._mark = self.session.mark
        self.session.mark = (lambda _: None) if variant == "none" else self._timed  # type: ignore[method-assign]

    def _timed(self, kind: str) -> None:
        clock = Clock()
        self._mark(kind)
        self._marking += clock.ms

    def turn(self, number: int) -> Sample:
        message = self._corpus.message(PROMPT, seed=number)
        self._marking = 0.0
        clock = Clock()
        receipt = self.session.chat(message, max_tokens=ANSWER).receipt
        elapsed = clock.ms
        if receipt.generated != ANSWER:
            raise RuntimeError(f"An answer ended after {receipt.generated} tokens instead of {ANSWER}.")
        return {
            "turn_ms": elapsed,
            "commit_ms": receipt.commit_ms,
            "mark_ms": self._marking,
            "bytes_written": float(receipt.bytes_written),
            "tokens": float(receipt.prefilled + receipt.generated),
        }

    def kept(self) -> Sample:
        marks = self.rt.repository.present(self.session.head)
        return {"kept": float(len(marks)), "kept_bytes": float(sum(mark.nbytes for mark in marks))}


class Recurrent:
    """One recurrent model of realistic width, and the runtimes over it."""

    def __init__(self, folder: Path, dtype: Dtype) -> None:
        self.folder, self.dtype = folder, dtype
        loaded = make("mamba", folder, dtype=dtype, **REALISTIC)
        self.corpus = Corpus(folder / "model")
        self.first = runtime(loaded, folder / "first")
        self.first.close()

    def rounds(self, rep: int, turns: int, variants: tuple[str, ...]) -> Iterator[tuple[str, Sample]]:
        """(variant, sample) of each turn: a turn of each variant, then the next of each, in changing order."""
        talks = {v: Talk(self.first, v, self.folder / f"{v}-{rep}", self.corpus) for v in variants}
        for number in range(turns):
            order = variants[number % len(variants) :] + variants[: number % len(variants)]
            for variant in order:
                yield variant, talks[variant].turn(number)
        for variant, talk in talks.items():
            if variant == "snapshots":
                yield "snapshots kept", talk.kept()
                for _ in range(turns):
                    yield "one snapshot", _one(talk)
            talk.rt.close()


def _one(talk: Talk) -> Sample:
    """A snapshot's way into the store, step by step. `write_ms` is a durable transaction of its own."""
    clock = Clock()
    found = talk.session.warm.state.snapshot()
    copied = clock.ms
    if found is None:
        raise RuntimeError("a recurrent model without a snapshot")
    clock = Clock()
    meta, payload = pack_snapshot(_moved(found), talk.session.engine, "raw")
    packed = clock.ms
    clock = Clock()
    with talk.rt.repository.store.write() as txn:
        digest = txn.put(SNAPSHOT, payload, meta=meta)
    written = clock.ms
    with talk.rt.repository.store.write() as txn:
        txn.delete(digest)
    return {"copy_ms": copied, "pack_ms": packed, "write_ms": written, "bytes": float(len(payload))}


def _moved(snapshot: Snapshot) -> Snapshot:
    """The same numbers under another position, so that the store has not got it already."""
    return Snapshot(snapshot.position + 1_000_000, snapshot.tensors, snapshot.meta)


class Rewinds:
    """A session of many turns, and the way back to earlier ones."""

    def __init__(self, first: Runtime, store: Path, corpus: Corpus, *, prompt: int, answer: int) -> None:
        self.rt = beside(first, store)
        self.session: Session = self.rt.session("s")
        for number in range(max(BACK) + 5):
            self.session.chat(corpus.message(prompt, seed=number), max_tokens=answer)
        self.head = self.session.head

    def back(self, turns: int) -> Sample:
        """Reset to so many turns back, the state in memory again; then forward to the head, which is not timed."""
        clock = Clock()
        self.session.reset(f"HEAD~{turns}")
        warm = self.session.warm
        elapsed = clock.ms
        sample = {
            "rewind_ms": elapsed,
            "replayed": float(self.session._debt.replayed),
            "tokens": float(warm.state.seen),
            "forgotten": float(self.head.tokens - warm.state.seen),
        }
        self.session.reset(self.head.hex)
        _ = self.session.warm
        self.session._take_debt()
        return sample
