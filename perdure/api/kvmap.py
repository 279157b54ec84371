"""The KV blocks of a session one by one: whether attention still reads them, and which sessions have them too."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from ..memory.inspecting import Working
    from ..memory.records import Commit, SessionInfo
    from ..stores.base import Digest

Place = Literal["sinks", "evicted", "window"]


class History(Protocol):
    """What is read of a store."""

    def sessions(self) -> list[SessionInfo]: ...

    def blocks(self, commit: Commit) -> list[tuple[int, int, Digest]]: ...

    def shared_blocks(self, commit: Commit, others: Iterable[Commit]) -> list[int]: ...


class Block(NamedTuple):
    """Tokens [start, start + tokens) of a session, and the other sessions whose states begin with the same blocks.

    `place`: "window" where any of its tokens are exact, else "sinks" where any of them stay, else "evicted".
    """

    start: int
    tokens: int
    digest: Digest
    place: Place
    sharers: tuple[str, ...]


def blocks(history: History, commit: Commit, tier: Working, session: str | None = None) -> list[Block]:
    """The blocks of a commit in order of position; `session` is not counted among those that share them."""
    others = [info for info in history.sessions() if info.name != session]
    counts = history.shared_blocks(commit, [info.head for info in others])
    sharing = sorted((-count, info.name) for count, info in zip(counts, others, strict=True) if count)
    names = [name for _, name in sharing]
    return [
        Block(start, tokens, digest, _place(start, start + tokens, tier), tuple(names[: bisect_left(sharing, (-at,))]))
        for at, (start, tokens, digest) in enumerate(history.blocks(commit))
    ]


def _place(start: int, end: int, tier: Working) -> Place:
    if end > tier.oldest:
        return "window"
    return "sinks" if start < tier.sinks else "evicted"


def shape(block: Block) -> dict[str, Any]:
    """The same as JSON."""
    sharers = {"sessions": list(block.sharers)}
    return {"start": block.start, "tokens": block.tokens, "object": block.digest.hex(), "place": block.place, **sharers}
