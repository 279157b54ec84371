"""The working tier: where the entries of a bounded working set lie, and when blocks leave it. No tensors here.

Keys lie at the slots of a buffer, and a key's slot is its RoPE position: attention sees the slots in use as one
contiguous sequence, however long the conversation is (StreamingLLM, arXiv 2309.17453, section 3.2). In order:

    [sinks | summary] [window] [recalled] [what the turn has added since]
    first             oldest   pasted_at                             end
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from ..config import BLOCK_TOKENS, PREFILL_GRID, MemoryOptions
from ..errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Placement:
    """Slots of a working set after some tokens.

    `first` is the first slot in use, `kept` the entries of sinks and summary there, `oldest` the first token of the window
    behind them; `recalled` slots stand before token `pasted_at`.
    """

    first: int = 0
    kept: int = 0
    oldest: int = 0
    recalled: int = 0
    pasted_at: int = 0

    def slot(self, token: int) -> int:
        """The slot of a token of the window."""
        after = self.recalled if token >= self.pasted_at else 0
        return self.first + self.kept + token - self.oldest + after

    def entries(self, seen: int) -> int:
        """How many entries attention reads after `seen` tokens."""
        return self.kept + seen - self.oldest + self.recalled

    @property
    def whole(self) -> bool:
        """Whether every token is still in the window, at the slot of its own number."""
        return not (self.first or self.kept or self.oldest or self.recalled)


WHOLE = Placement()
"""Every token at the slot of its own number."""


class Budget(NamedTuple):
    """How large a working set may become. Counts are tokens, or entries per layer and KV head.

    At least `window` tokens stay exact, at most `window` + `block`; `sinks` of the first tokens and `entries` others are
    kept of what leaves; up to `recall` tokens come back for a turn. `limit` is the position that none may reach.
    """

    window: int
    block: int
    sinks: int
    entries: int
    recall: int
    limit: int

    def due(self, place: Placement, seen: int, incoming: int) -> int | None:
        """The token up to which the window must be evicted before `incoming` more come, or None."""
        upto = place.oldest
        while seen - upto + incoming > self.window + self.block and upto + self.block <= seen:
            upto += self.block
        return upto if upto > place.oldest else None

    def shift(self, place: Placement, seen: int, upto: int, incoming: int) -> int:
        """By how much all keys must be moved down when the window is evicted up to a token; mostly 0."""
        if place.slot(seen) + self.block + incoming + self.recall <= self.limit:
            return 0
        return place.slot(upto) - self.kept(place, upto)

    def kept(self, place: Placement, upto: int) -> int:
        """How many entries stand before the window after an eviction up to a token."""
        return min(place.kept + upto - place.oldest, self.sinks + self.entries)

    @property
    def most(self) -> int:
        """Entries of the largest working set, with what a forward adds."""
        return self.window + self.block + self.sinks + self.entries + self.recall + PREFILL_GRID


def budget(options: MemoryOptions, *, context: int, token_bytes: int, system: int) -> Budget | None:
    """What the options mean for a model with positions up to `context`, KV of `token_bytes` and a system prompt.

    None for a model so small that nothing sensible fits. Raises InvalidInput where a chosen size does not fit.
    """
    window = _window(options, context, token_bytes)
    block = options.block or max(BLOCK_TOKENS, window // 2 // BLOCK_TOKENS * BLOCK_TOKENS)
    entries = min(512, context // 16) if options.summary is None else options.summary
    recall = min(1024, context // 8) if options.recall_tokens is None else options.recall_tokens
    chosen = Budget(
        window,
        block,
        min(max(4, system), block) if options.sinks is None else options.sinks,
        entries if options.backend == "heavy-hitters" else 0,
        0 if options.recall == "off" else recall,
        context,
    )
    if chosen.most > context:
        if options == replace(options, window=None, block=None, budget_bytes=None, sinks=None, summary=None):
            return None
        raise InvalidInput(_too_large(chosen, context))
    if chosen.sinks > block:
        raise InvalidInput(f"{chosen.sinks} sinks do not fit a block of {block} tokens; give fewer, or a larger block.")
    return chosen._replace(limit=min(context, 2 * chosen.most))


def _window(options: MemoryOptions, context: int, token_bytes: int) -> int:
    if options.window is not None:
        return options.window
    tokens = min(context // 2, MOST)
    if options.budget_bytes is not None and token_bytes:
        tokens = (options.budget_bytes // token_bytes - (options.summary or 0)) * 2 // 3
    return max(BLOCK_TOKENS, tokens // BLOCK_TOKENS * BLOCK_TOKENS)


def _too_large(chosen: Budget, context: int) -> str:
    return (
        f"A window of {chosen.window} tokens in blocks of {chosen.block}, {chosen.sinks} sinks, {chosen.entries} summary "
        f"entries and {chosen.recall} recalled tokens need {chosen.most} positions; the model has {context}. "
        "Make the window smaller."
    )


MOST = 16_384
"""The largest window that is chosen without being asked for."""
