"""What a session holds in memory while it is warm: its state, its token log, its messages, its boundary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..errors import ObjectCorrupt
from ..memory.commits import BLOCK
from ..memory.records import Commit, Message
from ..memory.repository import Repository
from ..memory.tokenlog import DECODE, Run, Span, blocks, lineage, spans, tokens
from ..memory.workingcopy import NewBlock
from ..stores import codec
from ..stores.base import Digest
from .adapter import State
from .engine import Boundary, Engine


@dataclass(slots=True)
class Warm:
    """A session's working state. `committed` tokens of it are in the store; `tip` is their last lineage id.

    Prompts and answers append to `runs`; `known` maps the start of a block that was taken over from the store to it.
    """

    state: State
    runs: list[Run]
    messages: list[Message]
    committed: int
    tip: Digest
    boundary: Boundary | None = None
    known: dict[int, tuple[Digest, Digest]] = field(default_factory=dict)

    @property
    def tokens(self) -> list[int]:
        return tokens(self.runs)

    def fed(self, how: str, values: Sequence[int]) -> None:
        """Note tokens that the state has absorbed; decoded tokens extend a decode run."""
        if how == DECODE and self.runs and self.runs[-1].how == DECODE and self.runs[-1].start >= self.committed:
            last = self.runs.pop()
            values = (*last.tokens, *values)
        self.runs.append(Run(how, self.state.seen - len(values), tuple(values)))

    def new_runs(self) -> list[Run]:
        """The runs that no commit holds yet."""
        return [run for run in self.runs if run.start >= self.committed]

    def crop(self, end: int) -> None:
        """Forget everything after `end`, which must be where a forward ended."""
        self.state.crop(end)
        self.runs = [Run(r.how, r.start, r.tokens[: end - r.start]) for r in self.runs if r.start < end]
        self.boundary = None


def new_blocks(warm: Warm, recipe: Digest, meta: Mapping[str, Any]) -> tuple[list[NewBlock], Digest]:
    """The KV blocks of the tokens that no commit holds yet, and the lineage id of the last one."""
    start, end = warm.committed, warm.state.seen
    log, forwards = warm.tokens, [span for span in spans(warm.runs) if span.end > start]
    result, parent = [], warm.tip
    for block in blocks(start, end):
        parent = lineage(recipe, parent, log[block.start : block.end], _overlapping(forwards, block))
        digest = warm.known[block.start][1] if block.start in warm.known else None
        result.append(_block(warm.state, block, parent, digest, meta))
    return result, parent


def _overlapping(forwards: Sequence[Span], block: Span) -> list[Span]:
    return [span for span in forwards if span.start < block.end and span.end > block.start]


def _block(state: State, span: Span, parent: Digest, digest: Digest | None, meta: Mapping[str, Any]) -> NewBlock:
    def payload() -> memoryview:
        return raw(state.export(span.start, span.end))

    count = span.end - span.start
    described = {**meta, "start": span.start, "shape": list(state.shape(count))}
    return NewBlock(count, parent, described, payload, digest)


def raw(tensor: torch.Tensor) -> memoryview:
    """A tensor's bytes, without a copy where it is contiguous on the CPU."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data


def block_meta(state: State) -> dict[str, Any]:
    """What the header of each KV block of this state says, besides its place."""
    return {"dtype": str(state.dtype).removeprefix("torch."), "layout": "L2HTD", "codec": "raw"}


def pack_boundary(boundary: Boundary, position: int) -> tuple[Mapping[str, Any], bytes]:
    """(meta, payload) of the stored boundary: the hidden state where the head is a plain projection, else the logits."""
    tensor = boundary.logits if boundary.hidden is None else boundary.hidden
    codec = "logits" if boundary.hidden is None else "hidden"
    meta = {
        "pos": position,
        "codec": codec,
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
    }
    return meta, bytes(raw(tensor))


def unpack_boundary(engine: Engine, meta: Mapping[str, Any], payload: bytes) -> Boundary:
    """The boundary that `pack_boundary` wrote. A hidden state costs one projection, never a forward pass."""
    flat = torch.from_numpy(np.frombuffer(payload, dtype=np.uint8).copy())
    tensor = flat.view(getattr(torch, meta["dtype"])).reshape(meta["shape"])
    return engine.project(tensor) if meta["codec"] == "hidden" else Boundary(None, tensor)


class Restoration:
    """Fills a state from a commit's blocks and recomputes what is damaged, through the very forwards that made it.

    `bytes` were read, `replayed` tokens were computed again, `notes` say what was mended.
    """

    def __init__(self, repository: Repository, engine: Engine, commit: Commit) -> None:
        self._repository = repository
        self._engine = engine
        self._commit = commit
        self.bytes = 0
        self.replayed = 0
        self.notes: list[str] = []

    def run(self) -> Warm:
        commit = self._commit
        state = self._engine.adapter.new(commit.tokens)
        report = self._repository.restore(commit, lambda start, n, data: _load(state, start, n, data))
        self.bytes = report.bytes
        runs = self._repository.runs(commit)
        if report.damaged:
            self._heal(state, runs, report.damaged)
        state.seen = commit.tokens
        tip = commit.state.lineage if commit.state else b""
        return Warm(state, runs, [], commit.tokens, tip)

    def boundary(self, warm: Warm) -> Boundary | None:
        """The stored boundary if it reproduces the logits' digest, else the last forward again."""
        commit, state = self._commit, warm.state
        if not commit.tokens or commit.state is None:
            return None
        stored = self._repository.boundary(commit)
        if stored is not None:
            boundary = unpack_boundary(self._engine, *stored)
            if boundary.digest == commit.state.logits:
                return boundary
        self.notes.append("The boundary logits were damaged or missing; they were computed again.")
        last = list(spans(warm.runs))[-1]
        self.replayed += last.end - last.start
        boundary_again = self._engine.replay(state, warm.tokens, [last])
        state.seen = commit.tokens
        return boundary_again

    def _heal(self, state: State, runs: list[Run], damaged: list[tuple[int, int, Digest]]) -> None:
        """Run every forward that touched a damaged block again, once and in order, and put the blocks back."""
        log, forwards = tokens(runs), list(spans(runs))
        again = [span for span in forwards if any(_touches(span, start, n) for start, n, _ in damaged)]
        self._engine.replay(state, log, again)
        self.replayed += sum(span.end - span.start for span in again)
        chain = self._lineages(log, forwards)
        for start, n, digest in damaged:
            meta = {**block_meta(state), "start": start, "shape": list(state.shape(n))}
            payload = bytes(raw(state.export(start, start + n)))
            same = self._repository.heal(meta, payload, digest, chain[start])
            how = "bit-identical" if same else "not bit-identical"
            self.notes.append(f"Tokens {start} to {start + n - 1} were damaged on disk and computed again ({how}).")

    def _lineages(self, log: Sequence[int], forwards: Sequence[Span]) -> dict[int, Digest]:
        """The lineage id of each block of the commit, by the block's start."""
        recipe, parent, chain = self._repository.recipe(self._commit).digest, b"", {}
        for start, n, _ in self._repository.blocks(self._commit):
            block = Span(start, start + n)
            parent = chain[start] = lineage(recipe, parent, log[start : block.end], _overlapping(forwards, block))
        return chain


def _touches(span: Span, start: int, n: int) -> bool:
    return span.start < start + n and span.end > start


def _load(state: State, start: int, n: int, payload: memoryview) -> None:
    if len(payload) != state.nbytes(n):
        raise ObjectCorrupt(f"A KV block of {n} tokens has {len(payload)} bytes instead of {state.nbytes(n)}.")
    state.load(start, n, payload)


def digest_of_block(state: State, meta: Mapping[str, Any], start: int, n: int) -> Digest:
    """The digest that the KV of tokens [start, start + n) has as a stored block."""
    described = {**meta, "start": start, "shape": list(state.shape(n))}
    return codec.encode(BLOCK, (), described, raw(state.export(start, start + n)))[0]
