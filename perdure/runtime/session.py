"""A session: the working copy of one branch, warm or cold, and the turns that move it on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..config import CheckpointOptions, Sampling
from ..errors import InvalidInput, SessionBusy
from ..memory import events
from ..memory.checkpoints import TURN
from ..memory.recipe import Recipe
from ..memory.records import Commit, Message, Problem
from ..memory.remembering import NewEpisode
from ..memory.repository import Repository
from ..memory.scratch import Scratch
from ..memory.summary import Summary
from ..memory.tokenlog import crop, spans
from ..memory.working import Budget
from ..memory.workingcopy import WorkingCopy
from ..stores.base import Digest
from .alone import Alone
from .archive import header, make_alone
from .committing import draft_of
from .engine import Engine, Script
from .memories import Memories, View
from .models import LoadedModel
from .pasting import Pastes
from .recollection import recollect
from .records import ModelInfo, Receipt, Reply
from .recovery import recover
from .restoration import Restoration
from .session_memory import SessionMemory
from .stream import Stream
from .turn import Cost, Plan, Turn, plan, settings_dict
from .verify import verify
from .warm import Warm

if TYPE_CHECKING:
    from .runtime import Runtime

ROLES = frozenset({"system", "user", "assistant", "tool"})
MANY = 1 << 30


class Session:
    """One conversation. Not for use by several threads at once: a turn in progress makes the others SessionBusy.

    The writer's lease is taken by the first turn and held until `release` or `close`; other processes get SessionBusy
    meanwhile. `head` is the commit this session stands at.
    """

    def __init__(
        self, runtime: Runtime, copy: WorkingCopy | Scratch, *, system: str | None = None, as_text: bool = False
    ) -> None:
        self._runtime = runtime
        self._turn_lock = threading.Lock()
        self._warm: Warm | None = None
        self._system = system
        self._as_text = as_text
        self.loaded: LoadedModel = runtime.loaded
        self.repository: Repository = runtime.repository
        self.copy = copy
        self.notes: list[str] = []
        self._debt = Cost()
        self._alone: Alone | None = None
        self._view: View | None = None
        self.recipe, self.engine = self._execution()

    @property
    def name(self) -> str | None:
        return self.copy.name

    @property
    def head(self) -> Commit:
        return self.copy.head

    @property
    def model(self) -> ModelInfo:
        return self.loaded.info

    @property
    def runtime(self) -> Runtime:
        """What this session runs in."""
        return self._runtime

    @property
    def stale(self) -> bool:
        """Whether the stored state is another model's, so that the conversation is computed again from its text."""
        return self._stale

    @property
    def checkpoints(self) -> CheckpointOptions:
        """Which snapshots of recurrent states are kept."""
        return self._runtime.checkpoints

    @property
    def seed(self) -> int:
        return self.head.state.seed if self.head.state else 0

    @property
    def warm(self) -> Warm:
        """The working state, restored from the store when it is not in memory."""
        if self._warm is None:
            self._warm = self._restore()
        return self._warm

    # talking

    def chat(
        self,
        message: str | Message | Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
        recall: bool = True,
    ) -> Reply:
        """Say something and wait for the whole answer. Raises as `stream` does."""
        stream = self.stream(
            message,
            max_tokens=max_tokens,
            temperature=temperature,
            top_p=top_p,
            top_k=top_k,
            seed=seed,
            stop=stop,
            recall=recall,
        )
        with stream:
            for _ in stream:
                pass
        return Reply(stream.text, stream.receipt, stream.tokens)

    def stream(
        self,
        message: str | Message | Sequence[Message],
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
        seed: int | None = None,
        stop: Sequence[str] | None = None,
        recall: bool = True,
    ) -> Stream:
        """Say something and read the answer as it is made. The message is on disk when this returns.

        Without `recall` nothing that left the window is put back for this turn. Settings that are None come from the
        runtime. Raises InvalidInput, PromptTooLong, SessionBusy or RecipeMismatch with nothing changed.
        """
        said = _messages(message)
        given = {"max_tokens": max_tokens, "temperature": temperature, "top_p": top_p, "top_k": top_k, "seed": seed}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if stop is not None:
            changes["stop"] = tuple(stop)
        return self._begin(said, replace(self._runtime.sampling, **changes), recall)

    def _begin(self, said: list[Message], settings: Sampling, recall: bool) -> Stream:
        if not self._turn_lock.acquire(blocking=False):
            raise SessionBusy(f"Session {self.name!r} is answering already; wait for that answer or cancel it.")
        try:
            self._enter()
            cost = self._take_debt()
            if self._system is not None and not self.warm.messages:
                said = [Message("system", self._system), *said]
            made = plan(self, said, recollect(self, said) if recall else None)
            settings = replace(settings, max_tokens=min(settings.max_tokens, self._answer_room(made)))
            self.copy.begin_turn(said, made.feed, made.keep, settings_dict(settings), made.recall_record())
            self._reserve(len(made.feed) + min(settings.max_tokens, 512))
        except BaseException:
            self._turn_lock.release()
            raise
        return Stream(self, Turn(self, made, said, settings, cost))

    def _answer_room(self, made: Plan) -> int:
        """How many tokens an answer may have: any number where old ones make room for them."""
        endless = self.budget is not None
        return MANY if endless else self.loaded.info.context_length - made.keep - len(made.feed)

    def _reserve(self, tokens: int) -> None:
        """Make room for the turn at once, as far as the budget goes."""
        budget, state = self.budget, self.warm.state
        if budget is not None:
            tokens = max(0, min(tokens, budget.most - state.place.entries(state.seen)))
        state.reserve(state.seen + tokens)

    def end_turn(self) -> None:
        """Let the next turn begin (called by a Stream when it is over)."""
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

    def mark(self, kind: str) -> None:
        """Take a snapshot of a recurrent state at this position (called by the turn); of a bounded one at turn ends.

        None is taken while memories are pasted: they are not part of what is kept.
        """
        if kind == TURN or (self.engine.adapter.fixed and not self.warm.state.place.recalled):
            self.warm.mark(kind, self.head.turn + 1, self.checkpoints)

    @property
    def memories(self) -> Memories | None:
        """What finds memories; None where nothing is to be recalled."""
        return None if self._runtime.memory.recall == "off" else self._runtime.memories

    @property
    def view(self) -> View:
        """What this session may recall."""
        if self._view is None or self._view.root != (self.head.state.episodes if self.head.state else None):
            self._view = self._runtime.memories.view(self.head)
        return self._view

    @property
    def alone(self) -> Alone | None:
        """Encodes pieces of text for this session's memory; None where no KV of them is kept."""
        if self._alone is None:
            self._alone = make_alone(self)
        return self._alone

    @property
    def memory(self) -> SessionMemory:
        """What this session remembers beyond its window: searched, added to, edited."""
        return SessionMemory(self)

    @property
    def pastes(self) -> Pastes:
        """Reads what recalls paste."""
        return Pastes(self.repository, self.engine, self.recipe.digest)

    def system_message(self) -> Message | None:
        """The system prompt, once the conversation has begun."""
        first = self.warm.messages[:1]
        return first[0] if first and first[0].role == "system" else None

    @property
    def budget(self) -> Budget | None:
        """How large the working set may become; None for a model whose keys cannot be moved."""
        system = self.system_message()
        return self._runtime.budget(0 if system is None else system.end)

    @property
    def summary(self) -> Summary:
        """What summarises tokens that are evicted from now on."""
        return self._runtime.summary

    def rewind(self, tokens: int) -> int:
        """Go back to where a forward ended within the present state; returns how many tokens were computed again."""
        warm = self.warm
        if self.name is None:
            return self._rewind_unstored(warm, tokens)
        restoration = Restoration(self.repository, self.engine, self.head, tokens)
        if warm.state.holds(tokens):
            self._warm = restoration.cut(warm.state)
        else:
            self._warm = restoration.run()
            warm.state.release()
        self._warm.messages = warm.messages
        self.notes.extend(restoration.notes)
        return restoration.replayed

    def _rewind_unstored(self, warm: Warm, tokens: int) -> int:
        """The same for an ephemeral session, whose state is nowhere else: what cannot be cut is computed again."""
        kept = events.crop(warm.events, tokens)
        self._warm = Warm(warm.state, crop(warm.runs, tokens), warm.messages, 0, b"", events=kept)
        if warm.state.holds(tokens):
            warm.state.crop(tokens)
            warm.state.happened = len(kept)
            return 0
        warm.state.crop(0)
        script = Script(self._warm.tokens, kept, self.pastes.chunks)
        self.engine.replay(warm.state, script, spans(self._warm.runs))
        return tokens

    # reading

    def messages(self) -> list[Message]:
        """The conversation so far, an interrupted answer included once the session has been opened for writing."""
        if self._warm is not None:
            return list(self._warm.messages)
        return self.repository.messages_of(self.head) if self.head.messages else []

    def log(self) -> list[Commit]:
        """Commits from the head back, newest first."""
        return self.repository.log(self.head.hex)

    def logits(self) -> Tensor:
        """The boundary logits [vocab], float32: what the model says after the last token it absorbed."""
        warm = self.warm
        if warm.boundary is None and warm.state.seen == self.head.tokens:
            restoration = Restoration(self.repository, self.engine, self.head)
            warm.boundary = restoration.boundary(warm)
            self.notes.extend(restoration.notes)
        if warm.boundary is None:
            raise InvalidInput(f"Session {self.name!r} has absorbed no tokens yet, so there are no logits.")
        return warm.boundary.logits.clone()

    # time travel

    def fork(self, name: str, at: str | None = None) -> Session:
        """A new session that stands where this one does (or at a revision of it). No KV is copied."""
        if self.name is None:
            raise InvalidInput("An ephemeral session has no branch to fork from; open a named session.")
        self.repository.fork(self.name, name, at)
        return self._runtime.session(name, create=False)

    def amend(self, new: Sequence[NewEpisode], changes: Mapping[Digest, NewEpisode | None], title: str) -> Commit:
        """Commit a change of what is remembered. Raises SessionBusy while a turn is in progress."""
        if not isinstance(self.copy, WorkingCopy):
            raise InvalidInput("An ephemeral session keeps nothing, so it remembers nothing; open a named session.")
        if not self._turn_lock.acquire(blocking=False):
            raise SessionBusy(f"Session {self.name!r} is answering; wait for that answer or cancel it.")
        try:
            self._enter()
            base = None if changes else self.view
            written = self.copy.remember(new, changes, title=title, author=self._runtime.author).commit
            self._view = self._runtime.memories.view(written, base)
            return written
        finally:
            self._turn_lock.release()

    def reset(self, rev: str) -> None:
        """Go back (or elsewhere) to a revision. The reflog remembers where the branch was."""
        if self.name is None:
            raise InvalidInput("An ephemeral session keeps no history to reset.")
        target = self.repository.resolve(rev, self.name)
        self._enter()
        if isinstance(self.copy, WorkingCopy):
            self.copy.reset(target, f"reset to {rev}")
        self._cool()
        self.recipe, self.engine = self._execution()

    def undo(self) -> None:
        """Take back the last turn, or the last change of what is remembered if that came later."""
        if not self.head.parents:
            raise InvalidInput(f"Session {self.name!r} has no turn to take back.")
        self.reset("HEAD~1")

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        """Re-hash all that the head refers to, replay it from its tokens, and compare KV and boundary logits bit by bit."""
        return verify(self, progress)

    def release(self) -> None:
        """Give the writer's lease back and stay warm."""
        self.copy.release()

    def close(self) -> None:
        """Give everything back. The session can be opened again."""
        self.copy.release()
        self._cool()
        self._runtime.forget(self)

    def acquire(self) -> None:
        """Take the writer's lease now: notice moves by others and finish what a killed process left unfinished.

        Raises SessionBusy. The next turn would do the same; a server does it before it reads the history.
        """
        self._enter()

    def _cool(self) -> None:
        """Forget the working state and give its memory back."""
        if self._alone is not None:
            self._alone.close()
            self._alone = None
        if self._warm is not None:
            self._warm.state.release()
            self._warm = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    # opening

    def _execution(self) -> tuple[Recipe, Engine]:
        """The recipe and engine this session runs with: the runtime's, with the thread count its state was made with."""
        present, self._stale = self._runtime.recipe, False
        if not self.head.tokens:
            return present, self._runtime.engine
        stored = self.repository.recipe(self.head)
        if self._runtime.threads_are_free:
            present = present.replace(threads=stored["threads"])
        if not self._as_text:
            stored.require_same(present)
        elif stored.difference(present):
            self._stale = True
            return self._runtime.recipe, self._runtime.engine
        threads = present["threads"]
        return present, self._runtime.engine.at(int(threads)) if threads.isdigit() else self._runtime.engine

    def _enter(self) -> None:
        """Take the lease, notice moves by others, restore, and finish what a killed process left unfinished."""
        if self.copy.acquire():
            self._cool()
        tail = self.copy.tail() if self._warm is None else None
        if tail is not None and tail.target is not None:
            self.copy.apply(tail)
        self.notes.extend(self.copy.notes)
        self.copy.notes = []
        if self._warm is None:
            self.recipe, self.engine = self._execution()
            self._warm = self._restore()
        if tail is not None and tail.turn is not None:
            recover(self, tail.turn)

    def recover(self) -> None:
        """Take in now what the journal has beyond the branch (an interrupted turn), if nobody else is writing."""
        if not isinstance(self.copy, WorkingCopy):
            return
        tail = self.copy.tail()
        if tail.turn is None and tail.target in (None, self.head.digest):
            return
        try:
            self._enter()
        except SessionBusy:
            return
        self.copy.release()

    def _take_debt(self) -> Cost:
        """The cost of restoring since the last turn, which the next turn's receipt shows."""
        taken, self._debt = self._debt, Cost()
        taken.restored = self.warm.state.seen
        return taken

    def _restore(self) -> Warm:
        began = time.perf_counter()
        if self._stale or not self.head.tokens:
            warm = Warm(self.engine.adapter.new(), [], [], 0, b"", 0)
            if self._stale:
                self.notes.append("The conversation is computed again from its text with the present model.")
        else:
            restoration = Restoration(self.repository, self.engine, self.head)
            warm = restoration.run()
            self._debt.bytes_read += restoration.bytes
            self._debt.replayed += restoration.replayed
            self.notes.extend(restoration.notes)
        warm.messages = self.messages()
        remembered = self.repository.remembered(self.head)
        warm.archived = max((entry.end for entry in remembered), default=0)
        lost = [] if self._stale else self.repository.lost(remembered)
        if lost:
            self.notes.append(self.pastes.mend(lost, header(self.loaded.chat, warm.messages)))
        self._debt.restore_ms += 1e3 * (time.perf_counter() - began)
        return warm

    def _take_notes(self) -> list[str]:
        taken, self.notes = self.notes, []
        return taken


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
