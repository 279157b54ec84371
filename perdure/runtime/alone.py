"""Pieces of text encoded alone, so that they can be put back anywhere and forgotten without a trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..memory.tokenlog import derived, lineage
from ..stores.base import Digest
from .encoding import block_meta, raw
from .engine import Engine
from .state.base import FULL, Group, State

ALONE = b"alone"


class Alone:
    """Encodes pieces behind a `header`: the system prompt and the words that introduce what is remembered.

    A piece's KV is a function of recipe, header and its own tokens: equal pieces have equal bits, and are stored once.
    """

    def __init__(self, engine: Engine, recipe: Digest, header: Sequence[int]) -> None:
        self._engine = engine
        self._recipe = recipe
        self.header = tuple(header)
        self._base: State | None = None

    def lineage(self, tokens: Sequence[int]) -> Digest:
        """The lineage id of a piece's KV."""
        forwards = self._engine.forwards
        before = lineage(self._recipe, b"", self.header, list(forwards(0, len(self.header))))
        start = len(self.header)
        return derived(lineage(self._recipe, before, tokens, list(forwards(start, start + len(tokens)))), ALONE)

    def encode(self, tokens: Sequence[int]) -> tuple[Mapping[str, Any], bytes]:
        """(meta, payload) of the KV of a piece, as a block that begins behind the header."""
        state, start = self._fresh(), len(self.header)
        end = start + len(tokens)
        for span in self._engine.forwards(start, end):
            self._engine.absorb(state, tokens[span.start - start : span.end - start])
        meta = block_meta(state, Group(FULL), start, len(tokens))
        payload = bytes(raw(state.export(Group(FULL), start, end)))
        self._done(state)
        return meta, payload

    def states(self) -> Iterator[State]:
        """What it holds in memory."""
        base = self._base
        if base is not None:
            yield base

    def close(self) -> None:
        """Give the memory back."""
        if self._base is not None:
            self._base.release()
            self._base = None

    def _fresh(self) -> State:
        """A state that has absorbed the header."""
        if self._base is None:
            self._base = self._engine.adapter.new()
            self._engine.prefill(self._base, self.header)
        return self._base.fork() if self._engine.adapter.fixed else self._base

    def _done(self, state: State) -> None:
        if state is self._base:
            state.crop(len(self.header))
        else:
            state.release()
