"""A session: the turns that move a branch on, and its travels through its own history."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from ..config import MOST_TOKENS, Sampling, SamplingChanges, changed
from ..errors import InvalidInput, SessionBusy
from ..memory.draft import REFUSE
from ..memory.fastweights import Record, Refusal
from ..memory.records import Commit, Message, Problem
from ..memory.remembering import NewEpisode
from ..memory.scratch import Scratch
from ..memory.workingcopy import WorkingCopy
from ..stores.base import Digest
from .checkout import Checkout
from .committing import draft_of
from .gating import Weighed, weighed
from .planning import Plan, plain, planned
from .probing import Probed, probe
from .records import Receipt, Reply
from .recovery import recover
from .sampling import check
from .session_memory import SessionMemory
from .stream import Stream
from .turn import PLAINLY, Cost, Turn, settings_dict
from .verify import verify

if TYPE_CHECKING:
    from .runtime import Runtime

ROLES = frozenset({"system", "user", "assistant", "tool"})


class Session(Checkout):
    """One conversation. Not for use by several threads at once: a turn in progress makes the others SessionBusy.

    The writer's lease is taken by the first turn and held until `release` or `close`; other processes get SessionBusy
    meanwhile. `head` is the commit this session stands at.
    """

    def __init__(
        self, runtime: Runtime, copy: WorkingCopy | Scratch, *, system: str | None = None, as_text: bool = False
    ) -> None:
        super().__init__(runtime, copy, as_text=as_text)
        self._turn_lock = threading.Lock()
        self._system = system

    # talking

    def chat(
        self,
        message: str | Message | Sequence[Message],
        *,
        recall: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
        note: Mapping[str, Any] | None = None,
        **changes: Unpack[SamplingChanges],
    ) -> Reply:
        """Say something and wait for the whole answer. Raises as `stream` does."""
        stream = self.stream(message, recall=recall, tools=tools, note=note, **changes)
        with stream:
            for _ in stream:
                pass
        return Reply(stream.text, stream.receipt, stream.tokens)

    def stream(
        self,
        message: str | Message | Sequence[Message],
        *,
        recall: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
        note: Mapping[str, Any] | None = None,
        **changes: Unpack[SamplingChanges],
    ) -> Stream:
        """Say something and read the answer as it is made. The message is on disk when this returns.

        `tools` are the functions that the prompt offers, in OpenAI's form; calls of them are text in the answer, which
        `loaded.chat.calls` reads. `note` is kept with the commit, and a recovery keeps it too.

        Without `recall` nothing that left the window is put back for this turn, and no fast weights are opened.
        Settings that are None come from the runtime. Raises InvalidInput, PromptTooLong, SessionBusy, RecipeMismatch,
        Overloaded or OverBudget with nothing changed.
        """
        said = _messages(message)
        request = {"tools": [dict(tool) for tool in tools], "note": dict(note or {})}
        settings = changed(self._runtime.sampling, changes)
        return self._begin(said, settings, request, lambda said: planned(self, said, recall=recall))

    def complete(self, prompt: str, **changes: Unpack[SamplingChanges]) -> Stream:
        """Go on with a plain text, without the chat template, in an ephemeral session that is empty.

        Control tokens in the text are what they stand for. Raises as `stream` does.
        """
        if self.name is not None or self.warm.messages:
            raise InvalidInput("A plain text is gone on with in an empty ephemeral session only; use stream for a chat.")
        said = _messages(prompt)
        return self._begin(said, changed(self._runtime.sampling, changes), PLAINLY, lambda _: plain(self, prompt))

    def _begin(
        self, said: list[Message], settings: Sampling, request: Mapping[str, Any], plan: Callable[[list[Message]], Plan]
    ) -> Stream:
        if not self._turn_lock.acquire(blocking=False):
            raise SessionBusy(f"Session {self.name!r} is answering already; wait for that answer or cancel it.")
        try:
            self.acquire()
            cost = self._take_debt()
            system = self._system or self.about.get("system")
            if system is not None and not self.warm.messages and said[0].role != "system":
                said = [Message("system", system), *said]
            check(self.loaded, settings)
            self.offer(request["tools"])
            made = plan(said)
            settings = replace(settings, max_tokens=min(settings.max_tokens, self._answer_room(made)))
            self._runtime.residence.expect(self, self._turn_need(made, settings.max_tokens))
            records = made.recall_record(), made.opening_record()
            self.copy.begin_turn(said, made.feed, made.keep, settings_dict(settings), *records, request)
            self._reserve(len(made.feed) + min(settings.max_tokens, 512))
            self._runtime.residence.make_room(self)
        except BaseException:
            self.rest()
            self._turn_lock.release()
            raise
        return Stream(self, Turn(self, made, said, settings, cost, request))

    def _answer_room(self, made: Plan) -> int:
        """How many tokens an answer may have: any number where old ones make room for them."""
        endless = self.budget is not None
        return MOST_TOKENS if endless else self.loaded.info.context_length - made.keep - len(made.feed)

    def _turn_need(self, made: Plan, answer: int) -> int:
        """Bytes that the working state may take by the end of a turn."""
        return self.need(max(0, made.keep + len(made.feed) + answer - self.head.tokens))

    def _reserve(self, tokens: int) -> None:
        """Make room for the turn at once, as far as the budget goes."""
        budget, state = self.budget, self.warm.state
        if budget is not None:
            tokens = max(0, min(tokens, budget.most - state.place.entries(state.seen)))
        state.reserve(state.seen + tokens)

    def end_turn(self) -> None:
        """Let the next turn begin (called by a Stream when it is over)."""
        self.rest()
        self._turn_lock.release()

    def fail_turn(self) -> None:
        """A turn raised: withdraw it from the journal and forget the working state, which may be half changed."""
        self._cool()
        try:
            self.copy.drop_turn()
        finally:
            self._turn_lock.release()

    def commit_turn(self, kind: str, said: list[Message], turn: Turn) -> Receipt:
        """Write the turn's commit and describe it."""
        began = time.perf_counter()
        parent, cost = self.head.hex, turn.cost
        try:
            draft = draft_of(self, kind, said, turn)
            written = self.copy.commit(draft).bytes_written
        except BaseException:
            self._cool()
            raise
        warm = self.warm
        self.offered = list(turn.request["tools"])
        warm.messages = [*warm.messages, *said]
        warm.tip = self.head.state.lineage if self.head.state else warm.tip
        warm.saved()
        if self._view is not None and not (turn.rewrites or self.stale):
            self._view = self._runtime.memories.view(self.head, self._view)
        self._as_text = self._stale = False
        cost.commit_ms = 1e3 * (time.perf_counter() - began)
        cost.bytes_written = written
        return self._receipt(cost, parent, turn.answer.reason, self._take_notes())

    def withdraw_turn(self, turn: Turn) -> Receipt:
        """Forget a turn that was cancelled before its prompt was absorbed: the session stays where it was."""
        self._cool()
        self.copy.drop_turn()
        return self._receipt(turn.cost, self.head.hex, "cancelled", self._take_notes())

    def _receipt(self, cost: Cost, parent: str, reason: str, notes: list[str]) -> Receipt:
        session = self.name or ""
        return Receipt(session, self.head.hex, parent, **asdict(cost), finish_reason=reason, notes=tuple(notes))

    # what it remembers

    @property
    def memory(self) -> SessionMemory:
        """What this session remembers beyond its window: searched, added to, edited."""
        return SessionMemory(self)

    def amend(self, new: Sequence[NewEpisode], changes: Mapping[Digest, NewEpisode | None], title: str) -> Commit:
        """Commit a change of what is remembered. Raises SessionBusy while a turn is in progress."""
        with self._between_turns() as copy:
            base = None if changes else self.view
            written = copy.remember(new, changes, title=title, author=self._runtime.author).commit
            self._view = self._runtime.memories.view(written, base)
            return written

    def teach(self, new: Sequence[Record], gone: Collection[Digest], title: str, refused: Sequence[Refusal] = ()) -> Commit:
        """Commit a change of this session's ledger. Raises SessionBusy while a turn is in progress."""
        with self._between_turns() as copy:
            return copy.teach(new, gone, refused, title=title, author=self._runtime.author).commit

    def mount(self, names: Sequence[str]) -> Commit:
        """Have the ledgers of these branches, and no others, count in this session.

        Raises SessionNotFound for one that is not there, SessionBusy while a turn is in progress.
        """
        for name in names:
            self.repository.info(name)
        with self._between_turns() as copy:
            if tuple(names) == (self.head.state.mounts if self.head.state else ()):
                return self.head
            title = f"mount {', '.join(names)}"[:72] if names else "mount nothing"
            return copy.mount(names, title=title, author=self._runtime.author).commit

    # what it would know of a question

    def probe(self, text: str, top: int = 12) -> Probed:
        """What a question would read of the summary, and the `top` entries that it reads most; nothing changes.

        Raises SessionBusy while a turn is in progress, PromptTooLong, Overloaded or OverBudget.
        """
        with self._between_turns():
            return probe(self, text, top)

    def weigh(self, text: str) -> Weighed:
        """What the gate decides of the fast-weight records that a question is about; nothing changes.

        Raises SessionBusy while a turn is in progress, ModelNotFound where there is no sentence encoder.
        """
        with self._between_turns():
            return weighed(self, _messages(text))

    @contextmanager
    def _between_turns(self) -> Iterator[WorkingCopy]:
        if not isinstance(self.copy, WorkingCopy):
            raise InvalidInput("An ephemeral session keeps nothing, so it remembers nothing; open a named session.")
        if not self._turn_lock.acquire(blocking=False):
            raise SessionBusy(f"Session {self.name!r} is answering; wait for that answer or cancel it.")
        try:
            self.acquire()
            yield self.copy
        finally:
            self.rest()
            self._turn_lock.release()

    # time travel

    def fork(self, name: str, at: str | None = None) -> Session:
        """A new session that stands where this one does (or at a revision of it). No KV is copied."""
        if self.name is None:
            raise InvalidInput("An ephemeral session has no branch to fork from; open a named session.")
        self.repository.fork(self.name, name, at)
        return self._runtime.session(name, create=False)

    def reset(self, rev: str) -> None:
        """Go back (or elsewhere) to a revision. The reflog remembers where the branch was."""
        if self.name is None:
            raise InvalidInput("An ephemeral session keeps no history to reset.")
        target = self.repository.resolve(rev, self.name)
        self.acquire()
        if isinstance(self.copy, WorkingCopy):
            self.copy.reset(target, f"reset to {rev}")
        self._cool()
        self._adopt()

    def undo(self) -> None:
        """Take back the last turn, or the last change of what is remembered or known if that came later."""
        last, back = self.head, 1
        while last.kind == REFUSE:
            last, back = self.repository.resolve(last.parents[0].hex()), back + 1
        if not last.parents:
            raise InvalidInput(f"Session {self.name!r} has no turn to take back.")
        self.reset(f"HEAD~{back}")

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        """Re-hash all that the head refers to, replay it from its tokens, and compare KV and boundary logits bit by bit."""
        return verify(self, progress)

    # opening and closing

    def acquire(self) -> None:
        """Take the writer's lease now: notice moves by others and finish what a killed process left unfinished.

        Raises SessionBusy. The next turn would do the same; a server does it before it reads the history.
        """
        unfinished = self._enter()
        if unfinished is not None:
            recover(self, unfinished)

    def recover(self) -> None:
        """Take in now what the journal has beyond the branch (an interrupted turn), if nobody else is writing."""
        if not isinstance(self.copy, WorkingCopy):
            return
        tail = self.copy.tail()
        if tail.turn is None and tail.target in (None, self.head.digest):
            return
        try:
            self.acquire()
        except SessionBusy:
            return
        self.release()

    def close(self) -> None:
        """Give everything back. The session can be opened again."""
        self.copy.release()
        self._cool()
        self._runtime.forget(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()


def _messages(given: str | Message | Sequence[Message]) -> list[Message]:
    items = [Message("user", given)] if isinstance(given, str) else [given] if isinstance(given, Message) else list(given)
    if not items:
        raise InvalidInput("There is no message to answer; give at least one.")
    for item in items:
        if item.role not in ROLES:
            raise InvalidInput(f"{item.role!r} is no role; use {', '.join(sorted(ROLES))}.")
        if not isinstance(item.content, str) or "\ud800" <= max(item.content, default=" ") <= "\udfff":
            raise InvalidInput(f"The {item.role} message is not valid text.")
    if items[-1].role == "user" and not items[-1].content.strip():
        raise InvalidInput("The prompt is empty; say something.")
    return items
