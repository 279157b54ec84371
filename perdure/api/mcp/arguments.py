"""What the tools take, as an agent reads it: each argument with what it means and what may stand there."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DEFAULT_SESSION = "default"

Revision = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="A session's name, a tag, a commit's hash (8 digits or more), or one of these with ~N (N turns "
        "earlier) or @turn:N.",
    ),
]


class Arguments(BaseModel):
    """Arguments of one tool. What is not known is refused by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def ids(self) -> list[str]:
        """What they name: sessions, memories, revisions."""
        named = (getattr(self, field, None) for field in ("session", "sessions", "id", "base", "head", "name"))
        return [each for value in named if value for each in ([value] if isinstance(value, str) else value)]


class SearchArguments(Arguments):
    query: str = Field(max_length=10_000, description="What to look for, in words: a question or a few terms.")
    sessions: list[str] | None = Field(
        None, min_length=1, max_length=1000, description="Look only in what these sessions remember; else in all of them."
    )
    limit: int = Field(8, ge=1, le=100, description="The most memories to return.")
    threshold: float | None = Field(
        None, ge=0, le=1, description="Leave out what scores less, from 0 to 1; without it 0.38. Lower it to find more."
    )


class AddArguments(Arguments):
    text: str = Field(
        min_length=1,
        max_length=4_000_000,
        description="What to remember, in plain text or Markdown. Whole sentences that name who and what they are about "
        "are found best. Long texts become several memories.",
    )
    session: str = Field(
        DEFAULT_SESSION,
        description="The session that is to remember it; `default` is made when it is first needed.",
    )
    title: str = Field("note", min_length=1, max_length=200, description="What the text is called where it is shown.")
    create: bool = Field(False, description="Make the session if there is none of this name.")


class ForgetArguments(Arguments):
    id: str = Field(
        pattern="^[0-9a-fA-F]{4,64}$",
        description="The memory's id as memory_search gives it, or the 4 or more digits it begins with.",
    )
    session: str | None = Field(
        None, description="The session that is to forget it; needed only where several sessions remember it."
    )


class ListArguments(Arguments):
    limit: int = Field(50, ge=1, le=1000, description="The most sessions to return.")


class ForkArguments(Arguments):
    session: str = Field(description="The session to fork.")
    name: str = Field(description="What to call the fork: letters, digits, dot, dash and underscore.")
    at: str | None = Field(
        None, min_length=1, max_length=200, description="Fork there instead of at its end: a commit's hash, ~N or @turn:N."
    )


class DiffArguments(Arguments):
    base: Revision
    head: Revision
    characters: int = Field(2000, ge=0, le=1_000_000, description="The most of each message that is returned; 0: all of it.")
