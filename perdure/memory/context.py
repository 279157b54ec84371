"""What the model sees after a commit, part by part, in the order in which attention reads it. No model and no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from ..stores.base import Digest, ReadTxn
from . import commits, inspecting, tree
from .events import RECALL, Event, in_force
from .inspecting import Working
from .records import Commit, LayerKind

SYSTEM, SINKS, SUMMARY, WINDOW, RECALLED = "system", "sinks", "summary", "window", "recalled"


class Part(NamedTuple):
    """`tokens` entries per layer and KV head, whose keys and values have `nbytes` bytes.

    They are of tokens [start, end) of the log: of each where the part is `exact`, of a choice of them in a summary. What
    is recalled has no place in the log.
    """

    name: str
    tokens: int
    nbytes: int
    start: int
    end: int
    exact: bool


class Context(NamedTuple):
    """`parts` in the order of attention, `fixed` bytes of states that do not grow, and what summarised (`backend`).

    `entry` are the bytes that one more token has in all layers that attend to everything.
    """

    working: Working
    parts: tuple[Part, ...]
    fixed: int
    backend: str
    entry: int


def context(commit: Commit, events: Sequence[Event], layers: Sequence[LayerKind], system: int) -> Context:
    """What is seen after a commit whose system prompt has `system` tokens."""
    tier = inspecting.working(commit, events, layers)
    sinks = tier.sinks if tier.oldest else 0
    prompt = min(system, sinks if tier.oldest else commit.tokens)
    window = max(tier.oldest, 0 if tier.oldest else prompt)
    places = (
        (SYSTEM, prompt, 0, prompt),
        (SINKS, sinks - prompt if tier.oldest else 0, prompt, max(prompt, sinks)),
        (SUMMARY, tier.summary, max(prompt, sinks), window),
        (WINDOW, commit.tokens - window, window, commit.tokens),
    )
    parts = [
        Part(name, tokens, _nbytes(layers, commit.tokens, tokens, start, end), start, end, name != SUMMARY)
        for name, tokens, start, end in places
    ]
    pasted = sum(tokens for event in in_force(events) if event.kind == RECALL for _, tokens, _ in event.detail["chunks"])
    parts.append(Part(RECALLED, pasted, _grown(layers, pasted), commit.tokens, commit.tokens, True))
    fixed = sum(layer.fixed for layer in layers) if commit.tokens else 0
    return Context(tier, tuple(parts), fixed, inspecting.backend(events, tier), _grown(layers, 1))


class Passage(NamedTuple):
    """Tokens [start, end) of messages of these roles: of several where a template wrote them at once, of none between."""

    roles: tuple[str, ...]
    start: int
    end: int


def passages(txn: ReadTxn, root: Digest, start: int, end: int) -> list[Passage]:
    """Tokens [start, end) of the log, cut where messages end. `root` is the conversation's message table."""
    spans: dict[tuple[int, int], list[str]] = {}
    for entry in tree.iterate(txn, root):
        role, first, last, _ = entry.value
        if first < end and last > start:
            spans.setdefault((max(first, start), min(last, end)), []).append(role)
    return list(_without_gaps(spans, start, end))


def _without_gaps(spans: Mapping[tuple[int, int], Sequence[str]], start: int, end: int) -> Iterator[Passage]:
    at = start
    for (first, last), roles in sorted(spans.items()):
        if first > at:
            yield Passage((), at, first)
        if last > at:
            yield Passage(tuple(roles), max(first, at), last)
        at = max(at, last)
    if at < end:
        yield Passage((), at, end)


def system_tokens(txn: ReadTxn, root: Digest) -> int:
    """How many tokens a conversation's system prompt has; 0 where it begins with none. `root` is its message table."""
    first = next(tree.iterate(txn, root), None)
    return int(first.value[2]) if first is not None and first.value[0] == "system" else 0


def read(txn: ReadTxn, commit: Commit, layers: Sequence[LayerKind]) -> Context:
    """The same from a store. Raises ObjectMissing or ObjectCorrupt."""
    system = 0 if commit.state is None else system_tokens(txn, commit.state.message_table)
    return context(commit, commits.events(txn, commit), layers, system)


def _nbytes(layers: Iterable[LayerKind], seen: int, tokens: int, start: int, end: int) -> int:
    """Bytes of a part: layers that attend to everything hold its entries, sliding ones the last tokens of the log."""
    layers = list(layers)
    slides = sum(
        layer.per_token * max(0, end - max(start, seen - layer.window + 1)) for layer in layers if layer.window is not None
    )
    return _grown(layers, tokens) + slides


def _grown(layers: Iterable[LayerKind], tokens: int) -> int:
    return tokens * sum(layer.per_token for layer in layers if layer.window is None)
