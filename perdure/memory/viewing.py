"""What a session holds inside, for whoever looks at it: each answer is read in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores.base import Digest
from . import blockmap, commits, context, graph, inspecting, norms, tiers, tokenlog
from .context import Passage
from .reading import Reader, head_ref, layers_of
from .records import Checkpoint, Commit


class Viewer(Reader):
    """A reader of what commits keep in each tier, and of how they are related."""

    def working(self, commit: Commit) -> inspecting.Working:
        """The working tier alone, which opens no memory."""
        with self.store.read() as txn:
            return inspecting.working(commit, commits.events(txn, commit), layers_of(txn, commit))

    def context(self, commit: Commit) -> context.Context:
        """What the model sees after a commit, part by part. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            return context.read(txn, commit, layers_of(txn, commit))

    def passages(self, commit: Commit, start: int, end: int) -> list[Passage]:
        """Tokens [start, end) of a commit's log, cut where messages end."""
        with self.store.read() as txn:
            return [] if commit.state is None else context.passages(txn, commit.state.message_table, start, end)

    def part(self, commit: Commit, start: int, end: int) -> list[int]:
        """Tokens [start, end) of a commit's log."""
        with self.store.read() as txn:
            return [] if commit.state is None else tokenlog.part(txn, commit.state.token_log, start, end)

    def block_groups(self, commit: Commit) -> list[blockmap.Group]:
        """Where a commit's KV lies, by groups of layers. Raises ObjectMissing or ObjectCorrupt."""
        with self.store.read() as txn:
            return blockmap.groups(txn, commit, layers_of(txn, commit))

    def block_writers(self, commit: Commit, group: str) -> dict[Digest, Commit]:
        """Which commit of a conversation's history first had each of its blocks."""
        with self.store.read() as txn:
            return blockmap.writers(txn, commit, group)

    def block_sharing(self, name: str, group: blockmap.Group) -> dict[str, int]:
        """How many blocks, from the first on, each other session has of those of a group."""
        with self.store.read() as txn:
            return blockmap.sharing(txn, name, group.root, group.name)

    def header(self, digest: Digest) -> Mapping[str, Any] | None:
        """The meta of a stored object; None where it is damaged or not there."""
        try:
            with self.store.read() as txn:
                return dict(txn.get(digest).meta)
        except (ObjectMissing, ObjectCorrupt):
            return None

    def marked(self, commit: Commit) -> list[tuple[Commit, Checkpoint]]:
        """The commits up to this one that a snapshot of their last token is stored of, newest first."""
        with self.store.read() as txn:
            return list(norms.marked(txn, commit))

    def strips(self, marked: Iterable[tuple[Commit, Checkpoint]]) -> list[norms.Strip]:
        """The norms of the states of recurrent and convolution layers in some of these snapshots."""
        with self.store.read() as txn:
            return [norms.strip(txn, commit, mark, layers_of(txn, commit)) for commit, mark in marked]

    def family(self, name: str) -> list[Commit]:
        """The commits of a session and of all that was forked from it, none before those that go back to it."""
        with self.store.read() as txn:
            head_ref(txn, name)
            standing = dict.fromkeys(graph.family(txn, name).values())
            return graph.ordered(txn, [commits.read(txn, head) for head in standing])

    def walk(self, starts: Iterable[Commit], limit: int | None = None) -> list[Commit]:
        """Commits and all that they go back to, the newest first and none before those that go back to it."""
        with self.store.read() as txn:
            return graph.ordered(txn, starts, limit)

    def nodes(self, name: str | None, listed: Iterable[Commit]) -> list[graph.Node]:
        """Some commits with what they added, and what stands at them of a session's family (None: of all sessions)."""
        with self.store.read() as txn:
            return list(graph.nodes(txn, listed, graph.family(txn, name) if name is not None else graph.heads(txn)))

    def tiers(self, base: Commit, head: Commit) -> tiers.Tiers:
        """What sets two commits apart, tier by tier."""
        with self.store.read() as txn:
            return tiers.compared(txn, base, head, [layers_of(txn, base), layers_of(txn, head)])
