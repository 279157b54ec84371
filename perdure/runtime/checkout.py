"""A branch checked out: its head, what that is gone on with, its working state in memory, and what it may recall."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ..config import CheckpointOptions, MemoryOptions
from ..errors import InvalidInput
from ..memory.checkpoints import TURN
from ..memory.recipe import Recipe
from ..memory.records import Commit, Message
from ..memory.repository import Repository
from ..memory.scratch import Scratch
from ..memory.sessionlog import UnfinishedTurn
from ..memory.summary import Summary
from ..memory.working import Budget
from ..memory.workingcopy import WorkingCopy
from ..stores.base import Digest
from .alone import Alone
from .archive import make_alone
from .chat import ChatFormat
from .engine import Engine
from .memories import Memories, View
from .models import LoadedModel
from .opening import execution, restored, rewound
from .pasting import Pastes
from .records import ModelInfo
from .restoration import Restoration
from .sizing import most_bytes
from .speculation import Habit
from .state.base import State
from .turn import Cost
from .warm import Warm

if TYPE_CHECKING:
    from .runtime import Runtime


class Checkout:
    """Warm while the working state is in memory, cold otherwise: then it is restored when it is next asked for.

    `tools` are the functions that the present turn offers, `offered` those of the turn before.
    `habit` is what is guessed of its tokens, where that is wanted.
    `head` is the commit it stands at; `notes` are sentences about what was mended, for the next receipt.
    """

    def __init__(self, runtime: Runtime, copy: WorkingCopy | Scratch, *, as_text: bool = False) -> None:
        self._runtime = runtime
        self._as_text = as_text
        self._warm: Warm | None = None
        self._inside = False
        self._debt = Cost()
        self._alone: Alone | None = None
        self._view: View | None = None
        self.habit: Habit | None = Habit() if runtime.speculate else None
        self.loaded: LoadedModel = runtime.loaded
        self.repository: Repository = runtime.repository
        self.copy = copy
        self.notes: list[str] = []
        self.tools: list[Mapping[str, Any]] = []
        self.offered: list[Mapping[str, Any]] = []
        self.recipe: Recipe
        self.engine: Engine
        self._adopt()

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
    def chat_format(self) -> ChatFormat:
        """How the present turn's conversation is written."""
        return self.loaded.chat.offering(self.tools)

    def offer(self, tools: Sequence[Mapping[str, Any]]) -> None:
        """Have the prompt of the coming turn offer these functions. Raises InvalidInput where the template offers none."""
        if tools and self.loaded.chat.calls is None:
            raise InvalidInput(f"The chat template of {self.model.name} offers the model no functions; leave tools out.")
        self.tools = list(tools)

    @property
    def warm(self) -> Warm:
        """The working state, restored from the store when it is not in memory, on the device when it is.

        Raises Overloaded or OverBudget where there is no room for it.
        """
        self._come_in()
        if self._warm is None:
            self._warm = restored(self, self._debt)
        return self._warm

    def states(self) -> Iterator[State]:
        """What of it may leave the device while it is not in use."""
        warm, alone = self._warm, self._alone
        if warm is not None:
            yield warm.state
        if alone is not None:
            yield from alone.states()

    @property
    def stored(self) -> bool:
        """Whether the store has all that the working state is made of, so that it may be dropped between turns."""
        return self.name is not None

    @property
    def loaded_bytes(self) -> int | None:
        """Bytes of the working state in memory; None while there is none. Only while nobody uses the session."""
        return None if self._warm is None else sum(state.resident + state.away for state in self.states())

    def drop(self) -> None:
        """Let go of the working state (called by the residence, while nobody uses it)."""
        if self._alone is not None:
            self._alone.close()
            self._alone = None
        if self._warm is not None:
            self._warm.state.release()
            self._warm = None
        if self.habit is not None:
            self.habit.forget()

    def give_up(self) -> None:
        """Whoever waits for room for this session waits no longer. Safe from any thread."""
        self._runtime.residence.give_up(self)

    def _come_in(self) -> None:
        if not self._inside:
            self._runtime.residence.enter(self, self.need(0))
            self._inside = True

    def rest(self) -> None:
        """Nobody uses the working state until it is asked for again."""
        if self._inside:
            self._inside = False
            self._runtime.residence.leave(self)

    def need(self, more: int) -> int:
        """Bytes that the working state may take when `more` tokens have been added to the head's."""
        runtime = self._runtime
        if not runtime.residence.tracks:
            return 0
        budget, adapter = runtime.budget(0), self.engine.adapter
        tokens = self.head.tokens + more
        need = most_bytes(adapter, tokens, more, budget)
        if budget is None or runtime.memory.recall != "kv" or (self._alone is None and tokens <= budget.window):
            return need
        # Pieces of text that are encoded alone stand behind the system prompt.
        begins = self._warm.messages[:1] if self._warm is not None else []
        system = sum(message.end for message in begins if message.role == "system")
        return need + most_bytes(adapter, system + runtime.memory.episode_tokens, 0, None)

    # reading

    def messages(self) -> list[Message]:
        """The conversation so far, an interrupted answer included once the session has been opened for writing."""
        warm = self._warm
        if warm is not None:
            return list(warm.messages)
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

    # what it may recall

    @property
    def memories(self) -> Memories | None:
        """What finds memories; None where nothing is to be recalled."""
        return None if self.recalling.recall == "off" else self._runtime.memories

    @property
    def about(self) -> Mapping[str, Any]:
        """What a user said of the session itself (StateRefs.about)."""
        return self.head.state.about if self.head.state else {}

    @property
    def recalling(self) -> MemoryOptions:
        """The runtime's options, with what this session has of its own: `recall` "off", `threshold`."""
        return replace(self._runtime.memory, **self.about.get("memory", {}))

    @property
    def view(self) -> View:
        """What this session may recall."""
        if self._view is None or self._view.root != (self.head.state.episodes if self.head.state else None):
            self._view = self._runtime.memories.view(self.head)
        return self._view

    @property
    def alone(self) -> Alone | None:
        """Encodes pieces of text for this session's memory; None where no KV of them is kept."""
        made = self._alone is None
        if made:
            self._alone = make_alone(self)
        self._come_in()
        if made and self._alone is not None:
            self._runtime.residence.expect_more(self, self.need(0))
        return self._alone

    @property
    def pastes(self) -> Pastes:
        """Reads what recalls paste."""
        return Pastes(self.repository, self.engine, self.origin)

    @property
    def origin(self) -> Digest:
        """What the lineage ids of this session's state begin with."""
        return self.repository.origin(self.recipe)

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

    # moving

    def mark(self, kind: str) -> None:
        """Take a snapshot of a recurrent state at this position (called by the turn); of a bounded one at turn ends.

        None is taken while memories are pasted or fast weights act: they are not part of what is kept.
        """
        state = self.warm.state
        if kind == TURN or (self.engine.adapter.fixed and not state.place.recalled and state.opened is None):
            self.warm.mark(kind, self.head.turn + 1, self.checkpoints)

    def rewind(self, tokens: int) -> int:
        """Go back to where a forward ended within the present state; returns how many tokens were computed again."""
        self._warm, replayed = rewound(self, tokens)
        return replayed

    def release(self) -> None:
        """Give the writer's lease back and stay warm."""
        self.copy.release()
        self.rest()

    def _adopt(self) -> None:
        """Choose what the head is gone on with."""
        self._stale = False
        self.recipe, self.engine, self._stale = execution(self._runtime, self.head, as_text=self._as_text)
        self.offered = list(self.repository.request(self.head).get("tools", ()))

    def _enter(self) -> UnfinishedTurn | None:
        """Take the lease, notice moves by others, restore; returns what a killed process left unfinished."""
        if self.copy.acquire():
            self._cool()
        # From here on nobody drops the working state.
        self._come_in()
        tail = self.copy.tail() if self._warm is None else None
        if tail is not None and tail.target is not None:
            self.copy.apply(tail)
        self.notes.extend(self.copy.notes)
        self.copy.notes = []
        if self._warm is None:
            self._adopt()
            self._runtime.residence.expect(self, self.need(0))
            self._warm = restored(self, self._debt)
        return None if tail is None else tail.turn

    def _take_debt(self) -> Cost:
        """The cost of restoring since the last turn, which the next turn's receipt shows."""
        taken, self._debt = self._debt, Cost()
        taken.restored = self.warm.state.seen
        return taken

    def _take_notes(self) -> list[str]:
        taken, self.notes = self.notes, []
        return taken

    def _cool(self) -> None:
        """Forget the working state and give its memory back."""
        self._inside = False
        self._runtime.residence.forget(self)
        self.drop()
