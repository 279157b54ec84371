"""Where a session's KV lies: its blocks by tokens, what each is to the model now, who wrote it, and who else has it.

Of the blocks themselves only the size on disk is read here, never their payload.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest, ReadTxn
from . import commits, inspecting, names, tree
from .memo import Memo
from .records import Commit, LayerKind

FULL, WINDOW = "full", "window"
GROUPS = (FULL, WINDOW)

IN_WINDOW, SINK, SUMMARISED, STORED = "window", "sink", "summary", "stored"
TIERS = (IN_WINDOW, SINK, SUMMARISED, STORED)
"""What a block's tokens are to the model: exact in the window, the first that always stay, of some choice in the summary,
or nothing any more, as they are only on disk.
"""


_KNOWN: Memo[tuple[Digest, Digest, str], int] = Memo(65_536)
"""How many blocks a list and a commit share."""


class Block(NamedTuple):
    """Tokens [start, start + tokens) in one group of layers. `nbytes` is the size of the stored object; 0: not there."""

    number: int
    start: int
    tokens: int
    digest: Digest
    nbytes: int
    tier: str

    @property
    def end(self) -> int:
        return self.start + self.tokens


class Group(NamedTuple):
    """Layers whose keys and values are stored together, and all their blocks."""

    name: str
    layers: tuple[LayerKind, ...]
    root: Digest
    blocks: tuple[Block, ...]


def groups(txn: ReadTxn, commit: Commit, layers: Sequence[LayerKind]) -> list[Group]:
    """The groups that a commit has blocks in. Raises ObjectMissing or ObjectCorrupt."""
    found = []
    for name in GROUPS:
        root = root_of(commit, name)
        if root is not None:
            mine = tuple(each for each in layers if each.per_token and (each.window is not None) == (name == WINDOW))
            found.append(Group(name, mine, root, tuple(_blocks(txn, commit, name, mine))))
    return found


def root_of(commit: Commit, group: str) -> Digest | None:
    """The list of a commit's blocks in a group of layers; None where it has none."""
    if commit.state is None:
        return None
    return commit.state.windows if group == WINDOW else commit.state.blocks


def _blocks(txn: ReadTxn, commit: Commit, group: str, layers: Sequence[LayerKind]) -> Iterator[Block]:
    places = commits.window_list(txn, commit) if group == WINDOW else commits.block_list(txn, commit)
    tiers = _Sliding(commit, layers) if group == WINDOW else _Tiers.of(txn, commit)
    for number, (start, tokens, digest) in enumerate(places):
        yield Block(number, start, tokens, digest, txn.size(digest), tiers.of_span(start, start + tokens))


class _Sliding:
    """Sliding layers see the last tokens alone."""

    def __init__(self, commit: Commit, layers: Sequence[LayerKind]) -> None:
        self._floor = commit.tokens - max((each.window or 0 for each in layers), default=0) + 1

    def of_span(self, start: int, end: int) -> str:
        return IN_WINDOW if end > self._floor else STORED


class _Tiers(NamedTuple):
    """Where the window begins, how many sinks there are, and the tokens that the summary has entries of."""

    oldest: int
    sinks: int
    kept: NDArray[np.int32]

    @classmethod
    def of(cls, txn: ReadTxn, commit: Commit) -> _Tiers:
        tier = inspecting.working(commit, commits.events(txn, commit), ())
        return cls(tier.oldest, tier.sinks, inspecting.summarised(txn, commit) if tier.oldest else np.empty(0, np.int32))

    def of_span(self, start: int, end: int) -> str:
        if end > self.oldest:
            return IN_WINDOW
        if start < self.sinks:
            return SINK
        at, upto = np.searchsorted(self.kept, (start, end))
        return SUMMARISED if upto > at else STORED


def writers(txn: ReadTxn, commit: Commit, group: str) -> dict[Digest, Commit]:
    """Which commit of a conversation's history first had each of its blocks. Nodes that commits share are read once.

    Raises ObjectMissing or ObjectCorrupt where the history cannot be read.
    """
    seen: set[Digest] = set()
    found: dict[Digest, Commit] = {}
    for each in reversed(list(commits.history(txn, commit))):
        for entry in tree.unseen(txn, root_of(each, group), seen):
            found.setdefault(entry.ref, each)
    return found


def sharing(txn: ReadTxn, name: str, root: Digest, group: str) -> dict[str, int]:
    """How many blocks, from the first on, each other session has of those under `root`.

    Sessions that share none, and those that cannot be read, are left out. A block is computed from all tokens before it, so
    that what two sessions share is a beginning.
    """
    found: dict[str, int] = {}
    for ref_name, ref in txn.refs(names.HEADS):
        other = ref_name.removeprefix(names.HEADS)
        if other == name:
            continue
        try:
            shared = _KNOWN.of((root, ref.target, group), partial(_shared, txn, ref.target, root, group))
        except (ObjectMissing, ObjectCorrupt):
            continue
        if shared:
            found[other] = shared
    return found


def _shared(txn: ReadTxn, head: Digest, root: Digest, group: str) -> int:
    theirs = root_of(commits.read(txn, head), group)
    return 0 if theirs is None else tree.common(txn, root, theirs)


def holders(shared: Mapping[str, int], blocks: int) -> list[int]:
    """How many sessions refer to each of the first `blocks` blocks, the session itself among them."""
    ends = np.sort(np.fromiter(shared.values(), np.int64, len(shared)))
    counts: list[int] = (1 + len(ends) - np.searchsorted(ends, np.arange(blocks), side="right")).tolist()
    return counts
