"""What a model sees of a session, part by part: system prompt, sinks, recalled memories, summary, window, room."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ..memory.inspecting import Working
    from ..memory.records import Commit, LayerKind, Message

PARTS = ("system", "sinks", "recalled", "summary", "window", "free")


class Part(NamedTuple):
    """Tokens, or entries of each layer and head, and the bytes of their keys and values."""

    name: str
    tokens: int
    nbytes: int


class Context(NamedTuple):
    """What the last answer's attention read, in the order of `PARTS`; "recalled" was there for that answer alone.

    `limit` is how many tokens the model can see (None: not known, and then nothing is called free). `fixed` are the bytes of
    what does not grow with what is seen: sliding layers and recurrent states.
    """

    parts: tuple[Part, ...]
    limit: int | None
    fixed: int

    @property
    def used(self) -> int:
        return sum(part.tokens for part in self.parts if part.name != "free")


def context(
    commit: Commit, tier: Working, layers: Iterable[LayerKind], messages: Sequence[Message], limit: int | None
) -> Context:
    """The parts at a commit. "system" is what stands before the first answer where the template feeds both as one."""
    grown, fixed = _rates(layers, tier.tokens)
    first = messages[0].end if messages and messages[0].role == "system" else 0
    system = min(first, tier.sinks if tier.oldest else tier.tokens)
    recalled = int(commit.metrics.get("recalled", 0)) if commit.kind in ("turn", "recover") else 0
    counts = {
        "system": system,
        "sinks": max(0, tier.sinks - system),
        "recalled": recalled,
        "summary": tier.summary,
        "window": tier.window - (0 if tier.oldest else system),
    }
    free = 0 if limit is None else max(0, limit - sum(counts.values()))
    parts = (Part(name, count, count * grown) for name, count in {**counts, "free": free}.items())
    return Context(tuple(parts), limit, fixed)


def _rates(layers: Iterable[LayerKind], tokens: int) -> tuple[int, int]:
    """Bytes that each token adds to layers that see everything, and bytes of all others after so many tokens."""
    listed = list(layers)
    whole = [layer for layer in listed if layer.window is None]
    fixed = sum(layer.nbytes(tokens) for layer in listed if layer.window is not None)
    return sum(layer.per_token for layer in whole), fixed + sum(layer.fixed for layer in whole if tokens)


def shape(found: Context) -> dict[str, Any]:
    """The same as JSON."""
    parts = [{"name": part.name, "tokens": part.tokens, "bytes": part.nbytes} for part in found.parts]
    return {"used": found.used, "limit": found.limit, "parts": parts, "fixed_bytes": found.fixed}
