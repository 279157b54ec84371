"""Prompts of a wanted length, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perdure.memory.records import Message
from perdure.runtime.chat import ChatFormat

VOCABULARY = (
    "river stone window market letter garden winter signal copper engine harbour paper museum orchard circle shadow "
    "captain village thunder candle mountain bridge station forest morning silver lantern meadow kitchen compass "
    "writes finds carries opens follows repairs remembers measures crosses paints sells gathers the a this every "
    "old quiet bright narrow distant heavy early seven under beside across before without toward and but because"
)
WORDS = tuple(VOCABULARY.split())


class Corpus:
    """Deterministic text, cut to a number of tokens by the model's own tokenizer."""

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        self.tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
        # A base model has no template of its own; Perdure's format has one for it.
        self._chat = ChatFormat(self.tokenizer)

    def ids(self, tokens: int, seed: int = 1) -> list[int]:
        """Exactly this many token ids; a longer list starts with the shorter ones."""
        found: list[int] = self.tokenizer.encode(text(tokens, seed), add_special_tokens=False)
        return found[:tokens]

    def message(self, tokens: int, seed: int = 1) -> str:
        """The longest text whose conversation, the chat template included, has at most this many tokens."""
        count = _largest(tokens, lambda words: self._rendered(text(words, seed)) <= tokens)
        return text(count, seed)

    def _rendered(self, content: str) -> int:
        return len(self._chat.prompt([Message("user", content)]))


def text(words: int, seed: int = 1) -> str:
    """This many words; more words of the same seed continue the shorter text."""
    draw = random.Random(seed)
    parts = (draw.choice(WORDS) + ("." if number % 12 == 11 else "") for number in range(words))
    return " ".join(parts)


def _largest(limit: int, fits: Callable[[int], bool]) -> int:
    """The largest number from 1 to `limit` that fits, for a test that fails from some number on."""
    low, high = 1, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
