"""The engine: forwards over a session's state, on the canonical grid, one at a time."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any, NamedTuple

import torch
from blake3 import blake3
from torch import Tensor

from ..memory.events import CLOSE, CLOSING, OPEN, Event
from ..memory.tokenlog import DECODE, PREFILL, Span, grid, steps
from .composing import Opened, acting
from .state.base import Chunk, State, StateAdapter
from .state.cache import inputs_of

Brought = Sequence[Chunk] | Opened


class Boundary(NamedTuple):
    """What the model says after the last token it absorbed.

    `hidden` [1, 1, hidden] feeds the output head, or is None for a family whose logits are not a plain function of it;
    `logits` [vocab] are float32.
    """

    hidden: Tensor | None
    logits: Tensor

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the float32 logits."""
        return blake3(self.logits.contiguous().numpy().tobytes()).digest()


class Script(NamedTuple):
    """What a session went through: its tokens, what happened between forwards, and what events brought with them.

    That is the chunks of a recall and the opened fast weights of an "open".
    """

    tokens: Sequence[int]
    events: Sequence[Event] = ()
    brought: Callable[[Event], Brought] = lambda _: ()


class Engine:
    """Runs one model for all sessions of a process. Thread safe: a lock makes forwards take turns."""

    def __init__(self, model: Any, adapter: StateAdapter, threads: int) -> None:
        self._model = model
        self._head = model.get_output_embeddings()
        self._lock = threading.Lock()
        self._threads = threads
        self._keeps_one = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.adapter = adapter
        self._projects = self._head_is_plain()

    def prefill(self, state: State, tokens: Sequence[int], stop: Callable[[], bool] = lambda: False) -> Boundary | None:
        """Absorb tokens in this engine's forwards; None when `stop` said so between two (or nothing was given)."""
        boundary = None
        start = state.seen
        for span in self.forwards(start, start + len(tokens)):
            if stop():
                return None
            last = span.end == start + len(tokens)
            boundary = self._forward(state, tokens[span.start - start : span.end - start], wants_logits=last)
        return boundary

    def decode(self, state: State, token: int) -> Boundary:
        """Absorb one sampled token."""
        return self.feed(state, [token])

    def absorb(self, state: State, tokens: Sequence[int]) -> None:
        """Absorb tokens in one forward, and spare the output head."""
        self._forward(state, tokens, wants_logits=False)

    def feed(self, state: State, tokens: Sequence[int]) -> Boundary:
        """Absorb tokens in one forward, whatever the grid."""
        boundary = self._forward(state, tokens, wants_logits=True)
        if boundary is None:
            raise RuntimeError("a forward that was asked for logits gave none")
        return boundary

    def happen(self, state: State, event: Event, brought: Brought = ()) -> None:
        """Let an event happen to a state, between two forwards."""
        if event.kind in (OPEN, CLOSE):
            state.opened = brought if isinstance(brought, Opened) else None
            state.happened += 1
            return
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            state.unpark()
            state.apply(event, () if isinstance(brought, Opened) else brought)

    def replay(
        self, state: State, script: Script, forwards: Iterable[Span], before: Callable[[Event], None] = lambda _: None
    ) -> Boundary | None:
        """Run forwards of a log again over its tokens, its events between them.

        The state must hold everything before the first forward, and what had happened until then. `before` is told of
        each event before it happens. What was pasted is withdrawn after the last forward, if it was then.
        """
        boundary = None
        for span in forwards:
            self._catch_up(state, script, span.start, before)
            if (self.adapter.fixed or script.events) and state.seen != span.start:
                raise RuntimeError(
                    f"a state that has absorbed {state.seen} tokens was to be given those from {span.start} on"
                )
            state.seen = span.start
            boundary = self._forward(state, script.tokens[span.start : span.end], wants_logits=True)
        self._catch_up(state, script, state.seen, before, closing=True)
        return boundary

    def _catch_up(
        self, state: State, script: Script, position: int, before: Callable[[Event], None], *, closing: bool = False
    ) -> None:
        """Let the events up to a position happen; with `closing` those of them that end a turn."""
        for event in script.events[state.happened :]:
            if event.position > position or (closing and event.kind not in CLOSING):
                return
            before(event)
            self.happen(state, event, script.brought(event))

    def project(self, hidden: Tensor) -> Boundary:
        """The boundary that belongs to a stored hidden state: one projection, no forward pass."""
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            return Boundary(hidden, self._logits(hidden))

    def forwards(self, start: int, end: int) -> Iterator[Span]:
        """The forwards in which tokens [start, end) of a prompt are absorbed."""
        return grid(start, end) if self.feeding == PREFILL else steps(start, end)

    @property
    def feeding(self) -> str:
        """How a prompt's tokens stand in the token log: by the grid, or one by one where a family goes on only so."""
        return PREFILL if self.adapter.multi_token else DECODE

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The model for oneself, without gradients, for what is no forward of a session."""
        with self._lock, torch.no_grad():
            torch.set_num_threads(self._threads)
            yield

    def at(self, threads: int) -> Engine:
        """The same model and lock with another number of threads, for a session that was computed with it."""
        twin = copy(self)
        twin._threads = threads
        return twin

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def model(self) -> Any:
        """The model, for measuring; forwards of sessions go through the methods here."""
        return self._model

    @property
    def device(self) -> Any:
        return self._model.device

    @property
    def family(self) -> str:
        return str(self._model.config.get_text_config(decoder=True).model_type)

    @property
    def dtype(self) -> torch.dtype:
        return self.adapter.dtype

    def _forward(self, state: State, tokens: Sequence[int], *, wants_logits: bool) -> Boundary | None:
        end = state.seen + len(tokens)
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            state.unpark()
            state.reserve(end)
            out = self._run(state, tokens, state.position)
            state.seen = end
            if not wants_logits:
                return None
            if not self._projects:
                return Boundary(None, out.logits[0, -1].float().cpu())
            # Strides that still tell of the other tokens would send the head the slow way: 75 ms instead of 4.
            hidden = out.last_hidden_state[:, -1:].clone(memory_format=torch.contiguous_format)
            return Boundary(hidden, self._logits(hidden))

    def _run(self, state: State, tokens: Sequence[int], start: int) -> Any:
        with acting(self._model.base_model, state.opened):
            if self._projects:
                return state.run(self._model.base_model, inputs_of(self._model.base_model, tokens, start))
            inputs = inputs_of(self._model, tokens, start)
            return state.run(self._model, {**inputs, "logits_to_keep": 1} if self._keeps_one else inputs)

    def _logits(self, hidden: Tensor) -> Tensor:
        """The head, and the scaling or capping that some families put behind it (Granite, Gemma 2, Griffin, xLSTM)."""
        config = self._model.config.get_text_config(decoder=True)
        logits = self._head(hidden.to(self._head.weight))
        if scaling := getattr(config, "logits_scaling", None):
            logits = logits / scaling
        if cap := _soft_cap(config):
            logits = torch.tanh(logits / cap) * cap
        last: Tensor = logits[0, -1].float().cpu()
        return last

    def _head_is_plain(self) -> bool:
        """Compare the whole model's logits with `_logits` of the base model's last hidden state, bit by bit."""
        if self._head is None or self._model.base_model is self._model:
            return False
        tokens = [1, 2, 3]
        state = self.adapter.new()
        self._projects = False
        whole = self._forward(state, tokens, wants_logits=True)
        state.crop(0)
        self._projects = True
        try:
            plain = self._forward(state, tokens, wants_logits=True)
        except (AttributeError, TypeError, ValueError, RuntimeError):
            plain = None
        finally:
            state.release()
        return whole is not None and plain is not None and torch.equal(whole.logits, plain.logits)


def _soft_cap(config: Any) -> float | None:
    names = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
    return next((value for name in names if (value := getattr(config, name, None))), None)
