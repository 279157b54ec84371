"""The engine: forwards over sessions' states, on the canonical grid, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Module

from ..memory.events import CLOSE, CLOSING, OPEN, Event
from ..memory.summary import Memory
from ..memory.tokenlog import DECODE, PREFILL, Span, grid, steps
from .batching import Batcher, FairLock, Work
from .company import Company, company
from .composing import Opened
from .forwards import Boundary, Forwards, Item
from .lookahead import Ahead, Lookahead, find_out
from .state.base import Chunk, State, StateAdapter

Brought = Sequence[Chunk] | Opened | Memory


class Script(NamedTuple):
    """What a session went through: its tokens, what happened between forwards, and what events brought with them.

    That is the chunks of a recall, the opened fast weights of an "open" and the parts of a "join".
    """

    tokens: Sequence[int]
    events: Sequence[Event] = ()
    brought: Callable[[Event], Brought] = lambda _: ()


class Engine(Forwards):
    """Runs one model for all sessions of a process. Thread safe: forwards take turns, and sessions that decode at the same
    time share one where that gives each the bits that it has alone.

    `notes` are what a user should know of it.
    """

    def __init__(self, model: Any, adapter: StateAdapter, threads: int, *, batches: bool = True) -> None:
        super().__init__(model, adapter, threads)
        self._lock = FairLock()
        self._batches = batches
        self.notes: list[str] = []
        self._projects = self._head_is_plain()
        self._batchers: dict[int, Batcher[Item, Boundary]] = {}
        self._companies: dict[int, Company] = {}
        self._lookaheads: dict[int, Lookahead] = {}
        self._batcher = self._batcher_of(threads)

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

    def decode(self, state: State, token: int, ahead: Ahead | None = None) -> Boundary:
        """Absorb one sampled token, together with those of other sessions that are there at the same time.

        With `ahead` its drafts go through the same forward where nobody shares it; `advance` takes the first of them over.
        """
        return self._batcher.do(id(state), (state, token) if ahead is None else (state, token, ahead))

    def decode_ahead(self, state: State, tokens: Sequence[int], layers: Sequence[Module]) -> list[Boundary]:
        """What the model says after each of several tokens, in one forward whose `layers` take them one by one. Only the
        first is absorbed; of the others nothing counts before `advance`.
        """
        with self._working():
            return self._several(state, tokens, layers)

    def advance(self, state: State) -> None:
        """Absorb the token after the last one that the forward of a draft has computed already."""
        state.seen += 1

    @property
    def lookahead(self) -> Lookahead:
        """What is known of forwards over drafts; `look_ahead` finds it out."""
        return self._lookaheads.setdefault(self._threads, Lookahead())

    def look_ahead(self) -> None:
        """Find out which drafts may share a forward, in about `lookahead.TRIAL` forwards; nothing where that is known."""
        if self.lookahead.sizes is None:
            find_out(self, self.lookahead)

    def decode_together(self, items: Sequence[Item], layers: Sequence[Module] | None = None) -> list[Boundary]:
        """Absorb one token each of up to `together` states in one forward, whose `layers` take them one by one (None: those
        that must, or bits would differ). After an exception no state has absorbed its token.
        """
        if layers is None:
            layers = self._companies[self._threads].apart if self.together > 1 else ()
        with self._working():
            self._prepare()
            return self._joint(items, layers)

    @property
    def together(self) -> int:
        """How many sessions may share a forward; the first call finds it out, in a few short forwards."""
        return self._batcher.limit

    def absorb(self, state: State, tokens: Sequence[int]) -> None:
        """Absorb tokens in one forward, and spare the output head."""
        self._forward(state, tokens, wants_logits=False)

    def feed(self, state: State, tokens: Sequence[int]) -> Boundary:
        """Absorb tokens in one forward, whatever the grid."""
        boundary = self._forward(state, tokens, wants_logits=True)
        if boundary is None:
            raise RuntimeError("a forward that was asked for logits gave none")
        return boundary

    def settle(self, state: State, script: Script) -> None:
        """Let what happened after a state's last token, and before any next one, happen to it."""
        self._catch_up(state, script, state.seen, lambda _: None)

    def happen(self, state: State, event: Event, brought: Brought = ()) -> None:
        """Let an event happen to a state, between two forwards."""
        if event.kind in (OPEN, CLOSE):
            state.opened = brought if isinstance(brought, Opened) else None
            state.happened += 1
            return
        with self._working():
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
        with self._working():
            return Boundary(hidden, self._logits(hidden)[0])

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
        twin._batcher = twin._batcher_of(threads)
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

    @contextmanager
    def _working(self) -> Iterator[None]:
        with self._lock, torch.inference_mode():
            torch.set_num_threads(self._threads)
            yield

    def _forward(self, state: State, tokens: Sequence[int], *, wants_logits: bool) -> Boundary | None:
        with self._working():
            return self._single(state, tokens, wants_logits=wants_logits)

    def _batch(self, items: Sequence[Item]) -> list[Boundary | Exception]:
        """What each of several tokens gives, in one forward where all of them can. The engine is taken."""
        with torch.inference_mode():
            torch.set_num_threads(self._threads)
            self._prepare()
            if len(items) == 1:
                return [self._undisturbed(*items[0])]
            self.lookahead.shared()
            with suppress(Exception):
                return [*self._joint(items, self._companies[self._threads].apart)]
            return [self._outcome(item[0], item[1]) for item in items]

    def _undisturbed(self, state: State, token: int, ahead: Ahead | None = None) -> Boundary | Exception:
        """What a token gives that shares the forward with its own drafts at most. How long that takes is noted.

        Without drafts where the forward before was another session's: those two had better share.
        """
        began = time.perf_counter()
        drafted = self._drafted(state, token, ahead) if ahead is not None and self.lookahead.follows(state) else None
        outcome = drafted or self._outcome(state, token)
        rows = 1 if drafted is None or ahead is None else 1 + len(ahead.found)
        self.lookahead.note(rows, time.perf_counter() - began, state)
        return outcome

    def _drafted(self, state: State, token: int, ahead: Ahead) -> Boundary | None:
        with suppress(Exception):
            found = self._several(state, [token, *ahead.drafts], self.lookahead.apart)
            ahead.found.extend(found[1:])
            return found[0]
        return None

    def _batcher_of(self, threads: int) -> Batcher[Item, Boundary]:
        """Sessions of so many threads share forwards with each other."""
        return self._batchers.setdefault(threads, Batcher(self._lock, Work(self._batch, self._companions)))

    def _companions(self) -> int:
        """How many sessions of this number of threads may share a forward, and in the notes if it is one alone."""
        found = self._companies[self._threads] = company(self) if self._batches else Company(1)
        note = f"Sessions of models of type {self.family!r} share no forwards: they are answered in turns, token by token."
        if self._batches and found.most == 1 and note not in self.notes:
            self.notes.append(note)
        return found.most

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
