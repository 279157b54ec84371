"""Taking over a stored beginning into a fresh state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..memory.tokenlog import DECODE
from .encoding import load_block, unpack_snapshot
from .engine import Engine
from .state.base import FULL, WINDOW, Group, State


class Taking:
    """A fresh state as the prefix search sees it (`memory.prefix.Taker`)."""

    def __init__(self, state: State, engine: Engine) -> None:
        self._state = state
        self._engine = engine
        groups = {group.name: group for group in engine.adapter.groups}
        self._window = groups.get(WINDOW)
        self.steps = engine.feeding == DECODE
        self.windows = self._window is not None
        self.fixed = engine.adapter.fixed

    def floor(self, tokens: int) -> int:
        return self._window.floor(tokens) if self._window else 0

    def block(self, start: int, tokens: int, payload: memoryview) -> None:
        load_block(self._state, Group(FULL), start, tokens, payload)

    def window(self, start: int, tokens: int, payload: memoryview) -> None:
        if self._window is not None:
            load_block(self._state, self._window, start, tokens, payload)

    def snapshot(self, meta: Mapping[str, Any], payload: memoryview) -> None:
        self._state.put_back(unpack_snapshot(meta, bytes(payload), self._engine))
