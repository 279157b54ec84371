"""What a session holds as JSON, for both interfaces: its context, its blocks, its states, its graph, its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..memory.blockmap import TIERS
from ..memory.tiers import ADDED, CHANGED, REMOVED
from . import reports

if TYPE_CHECKING:
    from ..memory.blockmap import Block, Group
    from ..memory.context import Context, Part, Passage
    from ..memory.graph import Node
    from ..memory.inspecting import Working
    from ..memory.norms import Norm, Strip
    from ..memory.reading import Reader
    from ..memory.records import Commit, LayerKind
    from ..memory.tiers import Change, Changes, Tiers
    from ..memory.working import Budget
    from ..stores.base import Digest
    from .recalling import Chosen

Shape = dict[str, Any]

SHORT = 16
"""Digits of a digest in a map; a block that is asked for alone has all of them."""

CHANGES = 100
"""Changes of a tier that are told one by one; the others are counted."""


def part(each: Part) -> Shape:
    span = {"start": each.start, "end": each.end}
    return {"name": each.name, "tokens": each.tokens, "bytes": each.nbytes, "span": span, "exact": each.exact}


def passage(each: Passage) -> Shape:
    return {"roles": list(each.roles), "span": {"start": each.start, "end": each.end}}


def recalled(item: Chosen) -> Shape:
    """A memory that the last turn had before it."""
    known = item.episode
    return {
        "id": known.id if known else None,
        "digest": item.digest.hex(),
        "tokens": item.tokens,
        "text": known.text if known else None,
    }


def context(found: Context, chosen: Sequence[Chosen], budget: Budget | None, positions: int | None) -> Shape:
    """What the model sees beside its parts; `chosen` is what the last turn recalled, `positions` (None: not known) the
    most that the model can see.
    """
    return {
        "backend": found.backend,
        "fixed_bytes": found.fixed,
        "last_recalled": [recalled(each) for each in chosen],
        "free": free(found.working, budget, positions),
        "then": "end" if budget is None else "evict",
        "limits": _limits(budget, positions),
    }


def free(tier: Working, budget: Budget | None, positions: int | None) -> int | None:
    """How many tokens fit before some must leave the window, or before the model's positions end."""
    if positions is None:
        return None
    room = positions - tier.entries
    return max(0, room if budget is None else min(room, budget.window + budget.block - tier.window))


def _limits(budget: Budget | None, positions: int | None) -> Shape:
    """How large a context may become. Without a budget it ends with the model's positions."""
    sizes = {} if budget is None else budget._asdict()
    names = ("window", "block", "sinks", "entries", "recall")
    return {"context": positions, **{name: sizes.get(name) for name in names}}


def node(each: Node) -> Shape:
    """What a graph tells of a commit: the names that stand at it, and the bytes that it added."""
    stands = {"branches": list(each.branches), "tags": list(each.tags)}
    return {**stands, "bytes_added": each.nbytes, "added": dict(each.added)}


def written(commit: Commit) -> Shape:
    """The commit that wrote something."""
    return {"id": commit.hex, "turn": commit.turn, "kind": commit.kind, "created_at": commit.time_ms // 1000}


def layer(each: LayerKind) -> Shape:
    return {"layer": each.layer, "kind": each.kind, "bytes_per_token": each.per_token, "window": each.window}


def group(
    found: Group, listed: Sequence[Block], shared: Sequence[int], also: int | None, writer: Mapping[Digest, int]
) -> Shape:
    """Some blocks of a group in columns. `also` is how many blocks, from the first on, the other session has too."""
    columns: Shape = {
        "index": listed[0].number if listed else 0,
        "start": [each.start for each in listed],
        "tokens": [each.tokens for each in listed],
        "digest": [each.digest.hex()[:SHORT] for each in listed],
        "bytes": [each.nbytes for each in listed],
        "tier": [TIERS.index(each.tier) for each in listed],
        "commit": [writer.get(each.digest) for each in listed],
        "sessions": [shared[each.number] for each in listed],
    }
    if also is not None:
        columns["with"] = [int(each.number < also) for each in listed]
    return {
        "group": found.name,
        "layers": [layer(each) for each in found.layers],
        "total": len(found.blocks),
        "bytes": sum(each.nbytes for each in found.blocks),
        "columns": columns,
    }


def block(each: Block) -> Shape:
    return {
        "index": each.number,
        "span": {"start": each.start, "end": each.end},
        "digest": each.digest.hex(),
        "bytes": each.nbytes,
        "present": each.nbytes > 0,
        "tier": each.tier,
    }


def tensor(each: Norm) -> Shape:
    return {"layer": each.layer, "tensor": each.tensor, "shape": list(each.shape), "dtype": each.dtype}


def strip(each: Strip, tensors: Sequence[str]) -> Shape:
    """The norms after one commit, in the order of `tensors`; null where its snapshot has no such tensor."""
    norms = {norm.tensor: norm.norm for norm in each.norms}
    commit = each.commit
    return {
        **written(commit),
        "title": commit.title,
        "position": commit.tokens,
        "bytes": each.nbytes,
        "norms": [norms.get(name) for name in tensors],
    }


def tiers(store: Reader, found: Tiers) -> Shape:
    """What sets two commits apart, tier by tier, with the texts of what one of them lacks."""
    base, head = found.working
    shared, old, new = found.windows
    lost, gained = (set(mine) - set(other) for mine, other in (found.mounts, found.mounts[::-1]))
    return {
        "working": {
            "base": reports.working(base),
            "head": reports.working(head),
            "windows": {"shared": shared, "base": old, "head": new},
        },
        "episodic": _changes(found.episodes, _episodes(store, found.episodes)),
        "summary": {
            "same": found.summaries[0].digest == found.summaries[1].digest,
            **{side: reports.summary(each) for side, each in zip(("base", "head"), found.summaries, strict=True)},
        },
        "fast-weights": _changes(found.records, _records(store, found.records)),
        "mounts": {
            "added": [name for name in found.mounts[1] if name in gained],
            "removed": [name for name in found.mounts[0] if name in lost],
            "same": [name for name in found.mounts[1] if name not in gained],
        },
    }


def _changes(found: Changes, texts: Mapping[Digest, Shape]) -> Shape:
    return {
        **{how: found.count(how) for how in (ADDED, REMOVED, CHANGED)},
        "same": found.same,
        "changes": [_change(each, texts) for each in found.changes[:CHANGES]],
        "has_more": len(found.changes) > CHANGES,
    }


def _change(each: Change, texts: Mapping[Digest, Shape]) -> Shape:
    sides = {"base": each.base, "head": each.head}
    return {
        "id": each.id,
        "change": each.how,
        **{side: None if digest is None else texts.get(digest) for side, digest in sides.items()},
    }


def _told(found: Changes) -> list[Digest]:
    sides = [digest for each in found.changes[:CHANGES] for digest in (each.base, each.head)]
    return [digest for digest in sides if digest is not None]


def _episodes(store: Reader, found: Changes) -> dict[Digest, Shape]:
    return {
        each.digest: {"text": each.text, "role": each.role, "turn": each.turn, "pinned": each.pinned}
        for each in store.episodes(_told(found))
    }


def _records(store: Reader, found: Changes) -> dict[Digest, Shape]:
    return {
        each.digest: {"statement": each.statement, "value": each.value, "bytes": each.nbytes}
        for each in store.records(_told(found))
    }
