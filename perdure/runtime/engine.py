"""The engine: forwards over a session's state, on the canonical grid, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, NamedTuple

import torch
from blake3 import blake3
from torch import Tensor

from ..errors import InvalidInput
from ..memory.tokenlog import Span, grid
from .adapter import State, StateAdapter

SELF_TEST_TOKENS = 16

SELF_TEST_ERROR = 0.1
"""Relative RMS difference that the self-test allows: bfloat16 differs by some 0.03 between two cuts, a lost state by 1."""


class Boundary(NamedTuple):
    """What the model says after the last token it absorbed.

    `hidden` [1, 1, hidden] feeds the output head, or is None for a family whose logits are not a plain projection of
    it; `logits` [vocab] are float32.
    """

    hidden: Tensor | None
    logits: Tensor

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the float32 logits."""
        return blake3(self.logits.contiguous().numpy().tobytes()).digest()


class Engine:
    """Runs one model for all sessions of a process. Thread safe: a lock makes forwards take turns."""

    def __init__(self, model: Any, adapter: StateAdapter, threads: int) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self._lock = threading.Lock()
        self._threads = threads
        self.adapter = adapter
        self._projects = self._head_is_plain()

    def prefill(self, state: State, tokens: Sequence[int], stop: Callable[[], bool] = lambda: False) -> Boundary | None:
        """Absorb tokens on the canonical grid; None when `stop` said so between two forwards (or nothing was given)."""
        boundary = None
        start = state.seen
        for span in grid(start, start + len(tokens)):
            if stop():
                return None
            last = span.end == start + len(tokens)
            boundary = self._forward(state, tokens[span.start - start : span.end - start], wants_logits=last)
        return boundary

    def decode(self, state: State, token: int) -> Boundary:
        """Absorb one sampled token."""
        boundary = self._forward(state, [token], wants_logits=True)
        if boundary is None:
            raise RuntimeError("a forward that was asked for logits gave none")
        return boundary

    def replay(self, state: State, tokens: Sequence[int], forwards: Iterable[Span]) -> Boundary | None:
        """Run forwards of a log again over its tokens; the state must hold everything before the first of them."""
        boundary = None
        for span in forwards:
            state.seen = span.start
            boundary = self._forward(state, tokens[span.start : span.end], wants_logits=True)
        return boundary

    def project(self, hidden: Tensor) -> Boundary:
        """The boundary that belongs to a stored hidden state: one projection, no forward pass."""
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            return Boundary(hidden, self._head(hidden)[0, -1].float().cpu())

    def at(self, threads: int) -> Engine:
        """The same model and lock with another number of threads, for a session that was computed with it."""
        twin = copy(self)
        twin._threads = threads
        return twin

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def stores_hidden(self) -> bool:
        """Whether logits are a plain projection of the last hidden state, so that the latter is all one must store."""
        return self._projects

    def _forward(self, state: State, tokens: Sequence[int], *, wants_logits: bool) -> Boundary | None:
        start, end = state.seen, state.seen + len(tokens)
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            state.reserve(end)
            out = self._run(state, list(tokens), start, end)
            state.seen = end
            if not wants_logits:
                return None
            if not self._projects:
                return Boundary(None, out.logits[0, -1].float().cpu())
            hidden = out.last_hidden_state[:, -1:].clone()
            return Boundary(hidden, self._head(hidden)[0, -1].float().cpu())

    def _run(self, state: State, tokens: list[int], start: int, end: int) -> Any:
        device = self._model.device
        arguments = {
            "input_ids": torch.tensor([tokens], device=device),
            "position_ids": torch.arange(start, end, device=device)[None],
            "past_key_values": state.cache(),
            "use_cache": True,
        }
        if self._projects:
            return self._model.base_model(**arguments)
        return self._model(**arguments, logits_to_keep=1)

    def self_test(self) -> None:
        """Prove that the model goes on correctly from a stored state: one prefill against two pieces and a step.

        Several families of transformers silently do not (a continuation that ignores its state). Raises InvalidInput.
        """
        tokens = list(range(3, 3 + SELF_TEST_TOKENS))
        state = self.adapter.new()
        whole = self._forward(state, tokens, wants_logits=True)
        state.crop(0)
        half = SELF_TEST_TOKENS // 2
        self._forward(state, tokens[:half], wants_logits=False)
        self._forward(state, tokens[half:-1], wants_logits=False)
        pieces = self._forward(state, tokens[-1:], wants_logits=True)
        state.release()
        if whole is None or pieces is None or not _agree(whole.logits, pieces.logits):
            name = type(self._model).__name__
            raise InvalidInput(f"{name} does not continue correctly from a stored state, so Perdure refuses to run it.")

    def _head_is_plain(self) -> bool:
        """Compare the whole model's logits with the head applied to the base model's last hidden state, bit by bit."""
        if self._head is None:
            return False
        tokens = [1, 2, 3]
        state = self.adapter.new()
        self._projects = False
        whole = self._forward(state, tokens, wants_logits=True)
        state.crop(0)
        self._projects = True
        plain = self._forward(state, tokens, wants_logits=True)
        state.release()
        return whole is not None and plain is not None and torch.equal(whole.logits, plain.logits)


def _agree(a: Tensor, b: Tensor) -> bool:
    return bool(((a - b).norm() <= SELF_TEST_ERROR * a.norm()).item())
