"""One turn: plan what to feed, feed it, decode step by step with every token in the journal, commit."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from ..config import PREFILL_GRID, Sampling
from ..memory.checkpoints import GRID, PROMPT
from ..memory.draft import now_ms
from ..memory.events import CLOSE, WITHDRAW, Event
from ..memory.records import Message
from ..memory.tokenlog import DECODE, Span
from .answer import Answer
from .attending import Attention
from .forwards import Boundary
from .planning import Plan
from .records import Chunk, Receipt
from .reuse import Taking
from .room import make_room
from .sampling import Drawn, Sampler
from .speculation import Speculation

if TYPE_CHECKING:
    from .session import Session


ANSWER_ROOM = 128
"""Tokens of an answer for which room is made before memories are put back, so that most answers move nothing."""


@dataclass(slots=True)
class Cost:
    """What a turn has cost so far; becomes its receipt."""

    restored: int = 0
    reused: int = 0
    recalled: int = 0
    opened: int = 0
    prefilled: int = 0
    replayed: int = 0
    generated: int = 0
    drafted: int = 0
    accepted: int = 0
    restore_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    commit_ms: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0


PLAINLY: Mapping[str, Any] = {"tools": [], "note": {}}
"""How a turn is asked for that offers no functions and leaves no note."""


class Turn:
    """A turn in progress. `run` yields what the client may see; `finish` commits whatever has been streamed."""

    def __init__(
        self,
        session: Session,
        made: Plan,
        messages: Sequence[Message],
        settings: Sampling,
        cost: Cost,
        asked: Mapping[str, Any] = PLAINLY,
    ) -> None:
        self._session = session
        self._asked = asked
        self._plan = made
        self._messages = messages
        self._settings = settings
        self._unfed: int | None = None
        self._prefilled = False
        self._began_ms = now_ms()
        self.answer = Answer(session.loaded, settings)
        self.cost = cost
        self.receipt: Receipt | None = None
        self._attention = Attention()
        self._speculation = None if session.habit is None else Speculation(session.engine, session.habit)

    def run(self, cancelled: Callable[[], bool]) -> Generator[Chunk]:
        """Prefill, then decode. Every token is in the journal before it is yielded."""
        if not self.prefill(cancelled):
            self.answer.reason = "cancelled"
            return
        sampler = Sampler(self._session.loaded, self._settings, self._seed, self._session.warm.tokens)
        while not self.answer.reason:
            if cancelled():
                self.answer.reason = "cancelled"
                return
            token, score = self._sample(sampler)
            self._session.copy.token(token)
            text = self.take(token)
            if self.answer.ended_with is None:
                yield Chunk(text, token, score)
            self.feed_last()
        rest = self.answer.flush()
        if rest:
            yield Chunk(rest, -1)

    def prefill(self, cancelled: Callable[[], bool] = lambda: False) -> bool:
        """Absorb the prompt, taking over what other sessions have stored of it; False when cancelled on the way."""
        warm, engine = self._session.warm, self._session.engine
        if self._plan.keep < warm.state.seen:
            self.cost.replayed += self._session.rewind(self._plan.keep)
            self.cost.restored = self._plan.keep
            warm = self._session.warm
        began = time.perf_counter()
        feed = list(self._plan.feed)
        if not warm.state.seen:
            self._reuse(feed)
        end = self._plan.keep + len(feed)
        for span in self._forwards(warm.state.seen, end):
            if cancelled():
                return False
            part = feed[span.start - self._plan.keep : span.end - self._plan.keep]
            make_room(self._session, len(part))
            if self._pastes and span.start == self._plan.keep + self._plan.at:
                self._paste(end - span.start)
            if span.start == end - self._plan.opens:
                self._open()
            if span.end == end:
                warm.boundary = engine.feed(warm.state, part)
            else:
                engine.absorb(warm.state, part)
            warm.fed(engine.feeding, part)
            self.cost.prefilled += len(part)
            self._mark_on_grid()
        if feed:
            self._session.mark(PROMPT)
        self.cost.prefill_ms += 1e3 * (time.perf_counter() - began)
        self._prefilled = True
        return True

    @property
    def _pastes(self) -> bool:
        return self._plan.recall is not None and self._plan.recall.mode == "kv"

    def _forwards(self, start: int, end: int) -> Iterator[Span]:
        """The forwards of the prompt, cut where memories are put back and where fast weights open."""
        cuts = [self._plan.keep + self._plan.at] if self._pastes else []
        for cut in (*cuts, end - self._plan.opens, end):
            if start < cut:
                yield from self._session.engine.forwards(start, cut)
                start = cut

    def _paste(self, coming: int) -> None:
        """Put the memories back, where there is room for them and for what follows."""
        session, recall = self._session, self._plan.recall
        if recall is None:
            return
        make_room(session, coming + ANSWER_ROOM)
        event = recall.event(session.warm.state.seen)
        session.warm.happen(event, session.engine, session.pastes.brought(event))
        self.cost.recalled += sum(used for _, used, _ in event.detail["chunks"])

    def _open(self) -> None:
        """Let the fast weights act from here on."""
        if self._plan.opening is not None:
            event = self._plan.opening.event(self._session.warm.state.seen)
            self._session.warm.happen(event, self._session.engine, self._session.pastes.brought(event))
            self.cost.opened = len(self._plan.opening.records)

    def _withdraw(self) -> None:
        """Take the memories out again and close the fast weights, at the end of the turn."""
        warm = self._session.warm
        if warm.state.opened is not None:
            warm.happen(Event(warm.state.seen, CLOSE, {}), self._session.engine)
        if warm.state.place.recalled:
            warm.happen(Event(warm.state.seen, WITHDRAW, {}), self._session.engine)

    @property
    def trace(self) -> dict[str, Any] | None:
        """What the turn recalled and why, what attention it received, and which fast weights it opened."""
        recall, opening = self._plan.recall, self._plan.opening
        if recall is None and opening is None:
            return None
        recalled = {} if recall is None else {**recall.trace, **self._attention.account(recall)}
        return recalled if opening is None else {**recalled, "records": list(opening.trace)}

    def take(self, token: int) -> str:
        """Add a sampled token to the answer; it is fed to the model by `feed_last`, unless it ended the answer."""
        text = self.answer.push(token)
        if self.answer.ended_with is None:
            self._unfed = token
            self.cost.generated += 1
        return text

    def feed_last(self) -> None:
        """Let the state absorb the token that was taken last."""
        if self._unfed is None:
            return
        began = time.perf_counter()
        warm = self._session.warm
        make_room(self._session, 1)
        warm.boundary = self._absorbed(self._unfed)
        self._attention.note(warm.state)
        warm.fed(DECODE, [self._unfed])
        self._mark_on_grid()
        self._unfed = None
        self.cost.decode_ms += 1e3 * (time.perf_counter() - began)

    def _absorbed(self, token: int) -> Boundary:
        """What the model says after a token, which may have been guessed and computed with the one before."""
        warm, guessing = self._session.warm, self._speculation
        if guessing is None:
            return self._session.engine.decode(warm.state, token)
        room = 0 if self.answer.reason else self._settings.max_tokens - len(self.answer.tokens)
        boundary = guessing.feed(warm, token, room)
        self.cost.drafted, self.cost.accepted = guessing.drafted, guessing.accepted
        return boundary

    def forget_last(self) -> None:
        """The token that was taken last is fed by other means."""
        self._unfed = None

    def finish(self, kind: str) -> Receipt:
        """Commit the turn as far as it came; one that was cancelled before its first token is withdrawn."""
        if not self._prefilled or (self.answer.reason == "cancelled" and not self.answer.tokens):
            self.receipt = self._session.withdraw_turn(self)
            return self.receipt
        self.feed_last()
        self._withdraw()
        self.answer.flush()
        said = [*self._messages, Message("assistant", self.answer.text, time_ms=now_ms())]
        self.receipt = self._session.commit_turn(kind, self._placed(said), self)
        return self.receipt

    @property
    def messages(self) -> int:
        """How many messages the turn adds, the answer among them."""
        return len(self._messages) + 1

    @property
    def rewrites(self) -> bool:
        return self._plan.rewrites

    @property
    def request(self) -> dict[str, Any]:
        """What the turn was asked with, as its commit keeps it."""
        return {"sampling": settings_dict(self._settings), "seed": self._seed, **self._asked}

    @property
    def settings(self) -> Sampling:
        return self._settings

    @property
    def _seed(self) -> int:
        return self._session.seed if self._settings.seed is None else self._settings.seed

    def _sample(self, sampler: Sampler) -> Drawn:
        warm = self._session.warm
        if warm.boundary is None:
            raise RuntimeError("sampling needs the boundary logits")
        began = time.perf_counter()
        drawn = sampler.draw(warm.boundary.logits, warm.state.seen, self.answer.tokens)
        self.cost.decode_ms += 1e3 * (time.perf_counter() - began)
        return drawn

    def _mark_on_grid(self) -> None:
        if self._session.warm.state.seen % PREFILL_GRID == 0:
            self._session.mark(GRID)

    def _reuse(self, feed: list[int]) -> None:
        session, warm = self._session, self._session.warm
        if session.budget is not None:
            # More than the window holds would leave it at once, and nothing would be known of what it is worth.
            feed = feed[: session.budget.window + 1]
        found = session.repository.reuse(session.origin, feed, Taking(warm.state, session.engine), warm.state.open)
        if not found.tokens:
            return
        warm.state.seen = found.tokens
        warm.fed(session.engine.feeding, feed[: found.tokens])
        warm.known.update({block.start: (block.lineage, block.digest) for block in found.blocks})
        warm.known_windows.update({block.start: (block.lineage, block.digest) for block in found.windows})
        if found.snapshot is not None:
            session.mark(GRID)
        self.cost.reused += found.tokens
        self.cost.bytes_read += found.bytes

    def _placed(self, messages: Sequence[Message]) -> list[Message]:
        """Messages with the span of tokens that carries them: the prompt's for the user's, the rest for the answer."""
        middle = self._plan.keep + len(self._plan.feed)
        end = self._session.warm.state.seen
        spans = [(self._plan.keep, min(middle, end))] * (len(messages) - 1) + [(min(middle, end), end)]
        if self._plan.moved:
            old, new = self._plan.moved[: -(len(messages) - 1)], self._plan.moved[-(len(messages) - 1) :]
            self._move(old)
            spans = [*new, spans[-1]]
        return [
            Message(m.role, m.content, start, stop, m.time_ms or self._began_ms)
            for m, (start, stop) in zip(messages, spans, strict=True)
        ]

    def _move(self, spans: Sequence[tuple[int, int]]) -> None:
        """The last messages before this turn stand elsewhere now."""
        before = self._session.warm.messages
        moved = [
            replace(m, start=at, end=end) for m, (at, end) in zip(before[len(before) - len(spans) :], spans, strict=True)
        ]
        self._session.warm.messages = [*before[: len(before) - len(spans)], *moved]


def settings_dict(settings: Sampling) -> dict[str, object]:
    """Sampling settings as the journal keeps them."""
    return {**asdict(settings), "stop": list(settings.stop), "logit_bias": [list(pair) for pair in settings.logit_bias]}


def settings_from(stored: Mapping[str, Any]) -> Sampling:
    """Sampling settings out of the journal."""
    biases = tuple((token, bias) for token, bias in stored.get("logit_bias", ()))
    return Sampling(**{**stored, "stop": tuple(stored["stop"]), "logit_bias": biases})
