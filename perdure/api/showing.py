"""What `perdure show` tells of a commit, read from a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ObjectCorrupt, ObjectMissing
from . import reports, taught, views

if TYPE_CHECKING:
    from ..memory import Repository
    from ..memory.graph import Node
    from ..memory.inspecting import Memory
    from ..memory.recipe import Recipe
    from ..memory.records import Commit, Message


class Shown(NamedTuple):
    """A commit (`node`: what stands at it, what it added) and what is known of it.

    The first `earlier` messages were there before it. `memory`, `known` and `snapshots` (the bytes of each) are what its
    memory held; where some of that cannot be read, both are None and `unread` says why.
    """

    commit: Commit
    node: Node
    recipe: Recipe | None
    messages: tuple[Message, ...]
    earlier: int
    memory: Memory | None
    known: taught.Tier | None
    snapshots: tuple[int, ...]
    unread: str


def shown(history: Repository, commit: Commit, name: str) -> Shown:
    """What there is to say of a commit of a session. Raises ObjectMissing or ObjectCorrupt where its messages are lost."""
    parent = history.resolve(commit.parents[0].hex()) if commit.parents else None
    messages = tuple(history.messages_of(commit))
    memory, known, unread = _memory(history, commit, name)
    (node,) = history.nodes(None, [commit])
    return Shown(
        commit,
        node,
        _recipe(history, commit),
        messages,
        parent.messages if parent is not None and parent.messages <= len(messages) else 0,
        memory,
        known,
        tuple(mark.nbytes for mark in history.present(commit)),
        unread,
    )


def _memory(history: Repository, commit: Commit, name: str) -> tuple[Memory | None, taught.Tier | None, str]:
    try:
        return history.inspect(commit), taught.tier(history, taught.ledgers(history, name, commit)), ""
    except (ObjectMissing, ObjectCorrupt) as error:
        return None, None, f"What memory held there cannot be read: {error}"


def _recipe(history: Repository, commit: Commit) -> Recipe | None:
    try:
        return history.recipe(commit)
    except (ObjectMissing, ObjectCorrupt):
        return None


def shape(seen: Shown) -> dict[str, Any]:
    """What this adds to a commit's JSON."""
    memory = None
    if seen.memory is not None and seen.known is not None:
        memory = reports.memory(seen.memory, seen.known)
    return {
        **views.node(seen.node),
        "earlier_messages": seen.earlier,
        "recipe_parts": None if seen.recipe is None else seen.recipe.to_meta(),
        "memory": memory,
        "snapshots": list(seen.snapshots),
    }
