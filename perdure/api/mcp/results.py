"""What the tools give back: structured content, and the same as text for models that read only that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ...memory.records import Commit, Diff, Message, SessionInfo
    from ..recalling import Found

SHOWN = 200
"""Characters of a memory that was forgotten, in the text of the answer."""


class Outcome(BaseModel):
    """What a tool did. `text` says it in words."""

    model_config = ConfigDict(frozen=True)

    def text(self) -> str:
        raise NotImplementedError

    def ids(self) -> list[str]:
        """What it read or changed, beside what was named in the call."""
        return []


class MemoryFound(BaseModel):
    """One memory, and how well it fits."""

    id: str = Field(description="What memory_forget takes.")
    text: str
    score: float = Field(description="How well it fits; from 0, the higher the better.")
    sessions: list[str] = Field(description="The sessions that remember it.")
    source: str = Field(description="The title of the document it is from; empty for what was said in a conversation.")
    role: str = Field(description="Who said it: user, assistant, or document.")
    turn: int
    pinned: bool = Field(description="Whether it is recalled in every turn.")
    created_at: int = Field(description="When, in seconds since 1970.")


class Searched(Outcome):
    memories: list[MemoryFound] = Field(description="The best first.")

    def text(self) -> str:
        if not self.memories:
            return "Nothing that is remembered is near enough; try other words, or a lower threshold."
        return "\n\n".join(_found(each) for each in self.memories)

    def ids(self) -> list[str]:
        return [each.id for each in self.memories]


class Added(Outcome):
    session: str
    memories: int = Field(description="How many memories it became; 0 where all of it was remembered already.")
    tokens: int
    commit: str = Field(description="The commit of the session that remembers it.")
    created: bool = Field(description="Whether the session was made for it.")

    def text(self) -> str:
        if not self.memories:
            return f"Session {self.session} remembers all of it already."
        made = "the new session" if self.created else "session"
        return f"Remembered as {counted(self.memories, 'memory', 'memories')} in {made} {self.session}."


class Forgotten(Outcome):
    id: str
    session: str
    forgotten: str = Field(description="What the memory said.")
    commit: str = Field(description="The commit of the session that no longer has it.")
    previous: str = Field(description="The commit before, which still has it.")

    def text(self) -> str:
        return f"Session {self.session} forgot {self.id}: {cut(self.forgotten, SHOWN)}"

    def ids(self) -> list[str]:
        return [self.session, self.id]


class SessionRow(BaseModel):
    """One session."""

    name: str
    model: str
    turns: int
    messages: int
    tokens: int
    head: str = Field(description="The commit that it is at.")
    title: str = Field(description="What its last commit is called.")
    forked_from: str | None
    updated_at: int = Field(description="When it last changed, in seconds since 1970.")


class Listed(Outcome):
    sessions: list[SessionRow] = Field(description="The most recently changed first.")
    total: int = Field(description="How many sessions there are.")

    def text(self) -> str:
        if not self.sessions:
            return "There are no sessions yet; memory_add makes one."
        left = self.total - len(self.sessions)
        more = [f"... and {left} more; raise limit to see them."] if left else []
        return "\n".join([*map(_row, self.sessions), *more])


class Forked(Outcome):
    session: SessionRow
    bytes_copied: int = Field(description="Always 0: both share everything up to here.")

    def text(self) -> str:
        row = self.session
        return f"{row.name} is a fork of {row.forked_from} at {row.head[:10]} (turn {row.turns}, {row.tokens} tokens)."


class MessageShown(BaseModel):
    role: str
    content: str
    whole: bool = Field(description="False where the content was cut.")


class Compared(Outcome):
    base: str = Field(description="The commit of the one.")
    head: str = Field(description="The commit of the other.")
    ancestor: str | None = Field(description="The last commit that both go back to.")
    common_messages: int = Field(description="How many messages both begin with.")
    common_tokens: int
    base_messages: list[MessageShown] = Field(description="What only base says after that.")
    head_messages: list[MessageShown] = Field(description="What only head says after that.")

    def text(self) -> str:
        shared = f"Both begin with the same {counted(self.common_messages, 'message', 'messages')}."
        sides = (("base", self.base_messages), ("head", self.head_messages))
        return "\n\n".join([shared, *(_side(name, said) for name, said in sides)])


def found(item: Found) -> MemoryFound:
    episode = item.episode
    return MemoryFound(
        id=episode.id,
        text=episode.text,
        score=round(item.hit.score, 4),
        sessions=list(item.sessions),
        source=episode.source,
        role=episode.role,
        turn=episode.turn,
        pinned=episode.pinned,
        created_at=episode.time_ms // 1000,
    )


def row(info: SessionInfo) -> SessionRow:
    head: Commit = info.head
    return SessionRow(
        name=info.name,
        model=info.model,
        turns=head.turn,
        messages=head.messages,
        tokens=head.tokens,
        head=head.hex,
        title=head.title,
        forked_from=info.forked_from,
        updated_at=info.updated_ms // 1000,
    )


def compared(diff: Diff, characters: int) -> Compared:
    return Compared(
        base=diff.base.hex,
        head=diff.head.hex,
        ancestor=None if diff.ancestor is None else diff.ancestor.hex,
        common_messages=diff.common_messages,
        common_tokens=diff.common_tokens,
        base_messages=_shown(diff.base_messages, characters),
        head_messages=_shown(diff.head_messages, characters),
    )


def cut(text: str, characters: int) -> str:
    """The beginning of a text; 0: all of it."""
    return text if not characters or len(text) <= characters else f"{text[:characters]}..."


def counted(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _shown(messages: Iterable[Message], characters: int) -> list[MessageShown]:
    shown = [(each.role, each.content, cut(each.content, characters)) for each in messages]
    return [MessageShown(role=role, content=part, whole=part == content) for role, content, part in shown]


def _found(memory: MemoryFound) -> str:
    source = memory.source or f"{memory.role}, turn {memory.turn}"
    head = f"[{memory.id}] score {memory.score:.2f}, {source}, remembered by {', '.join(memory.sessions)}"
    return f"{head}\n{memory.text}"


def _row(row: SessionRow) -> str:
    origin = f", forked from {row.forked_from}" if row.forked_from else ""
    title = f": {row.title}" if row.title else ""
    return f"{row.name} ({counted(row.turns, 'turn', 'turns')}, {row.tokens} tokens{origin}){title}"


def _side(name: str, messages: list[MessageShown]) -> str:
    if not messages:
        return f"Only {name} says: nothing."
    return "\n".join([f"Only {name} says:", *(f"{each.role}: {each.content}" for each in messages)])
