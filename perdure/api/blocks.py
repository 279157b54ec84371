"""The KV blocks of a session: with whom they are shared, who wrote them, and in which numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..memory.blockmap import TIERS, holders
from . import views

if TYPE_CHECKING:
    from ..memory.blockmap import Block, Group
    from ..memory.records import Commit
    from ..memory.repository import Repository

MOST = 1 << 31
"""Above every token's number, and above how many blocks there may be."""

NAMES = 100
"""Sessions that have a block too are named up to so many, and counted."""


class Held(NamedTuple):
    """Blocks of one group of layers, and how many of them, from the first on, each other session has too."""

    group: Group
    sharing: Mapping[str, int]


def held(store: Repository, commit: Commit, name: str) -> list[Held]:
    """The groups of a commit of a session. Raises ObjectMissing or ObjectCorrupt."""
    return [Held(group, store.block_sharing(name, group)) for group in store.block_groups(commit)]


def listed(
    store: Repository,
    commit: Commit,
    groups: Sequence[Held],
    *,
    start: int = 0,
    end: int = MOST,
    limit: int = MOST,
    also: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Where the KV of tokens [start, end) lies, as JSON: `limit` blocks of each group.

    `also` is by group how many blocks, from the first on, a session has that was asked about.
    """
    written, shapes, ends = _Written(), [], []
    for each in groups:
        within = [block for block in each.group.blocks if block.end > start and block.start < end]
        shapes.append(_group(store, commit, each, within[:limit], None if also is None else also[each.group.name], written))
        ends += [within[limit].start] if len(within) > limit else []
    return {
        "tokens": commit.tokens,
        "tiers": list(TIERS),
        "commits": written.listed,
        "groups": shapes,
        "has_more": bool(ends),
        "next": min(ends, default=None),
    }


def _group(
    store: Repository, commit: Commit, each: Held, blocks: Sequence[Block], also: int | None, written: _Written
) -> dict[str, Any]:
    group, writers = each.group, store.block_writers(commit, each.group.name)
    numbers = {block.digest: written.number(writers[block.digest]) for block in blocks if block.digest in writers}
    columns = views.group(group, blocks, holders(each.sharing, len(group.blocks)), also, numbers)
    return {**columns, "shared": shared(each), **packed(store, commit, group)}


def shared(each: Held) -> list[dict[str, Any]]:
    """The sessions that begin with the same blocks, those first that have most of them."""
    most = sorted(each.sharing.items(), key=lambda item: (-item[1], item[0]))
    return [{"session": name, "blocks": count} for name, count in most[:NAMES]]


def packed(store: Repository, commit: Commit, group: Group) -> dict[str, Any]:
    """In what type the blocks of a group keep their numbers, and how these are packed: null where there are none."""
    present = next((each for each in group.blocks if each.nbytes), None)
    header = None if present is None or not group.layers else store.header(present.digest)
    dtype = store.recipe(commit)["dtype"]
    return {"codec": None if header is None else header.get("codec"), "dtype": None if header is None else dtype}


class _Written:
    """The commits that wrote some blocks, each told once and known by its number."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}

    def number(self, commit: Commit) -> int:
        if commit.hex not in self._numbers:
            self._numbers[commit.hex] = len(self.listed)
            self.listed.append(views.written(commit))
        return self._numbers[commit.hex]
