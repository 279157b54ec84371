"""Answers that follow a grammar: which tokens may come next (llguidance).

A grammar is text, llguidance's form of Lark or its JSON, and the journal keeps it with the other settings. Every token is
journaled before it is shown, so that a recovery repeats an answer without asking the grammar again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput

if TYPE_CHECKING:
    from llguidance import LLTokenizer

WHITESPACE = r"(\n[ \t]{0,16}|[ ])?"
"""What may stand between the parts of a document: enough for any layout, and never without end."""

JSON_OBJECT: Mapping[str, Any] = {"type": "object"}


def json_grammar(schema: Mapping[str, Any]) -> str:
    """The grammar of JSON documents that a schema admits. Raises InvalidInput for one that is no JSON."""
    from llguidance import LLMatcher

    try:
        stated = json.dumps(schema, allow_nan=False)
        text: str = LLMatcher.grammar_from_json_schema(stated, overrides={"whitespace_pattern": WHITESPACE})
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The schema is no JSON: {_sentence(str(error))}") from error
    return text


def require(grammar: str) -> None:
    """Raises InvalidInput, with the library's reason, for a grammar that cannot be followed."""
    from llguidance import LLMatcher

    wrong, reasons = LLMatcher.validate_grammar_with_warnings(grammar)
    if wrong:
        raise InvalidInput(f"The schema cannot be followed: {_sentence(reasons[0])}")


class Grammars:
    """A tokenizer's view of grammars. `stops` are the tokens that end an answer. Safe to use from several threads."""

    def __init__(self, tokenizer: Any, stops: Iterable[int]) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._stops = sorted(stops)

    def start(self, grammar: str) -> Grammar:
        """The beginning of an answer. Raises InvalidInput for a grammar that cannot be followed."""
        return Grammar(self._tokenizer, grammar)

    @cached_property
    def _tokenizer(self) -> LLTokenizer:
        from llguidance import LLTokenizer

        if not self._stops:
            raise InvalidInput("This model has no token that ends an answer, so it cannot follow a grammar.")
        return LLTokenizer(self._backend.to_str(), eos_token=self._stops)


class Grammar:
    """How far one answer has come in its grammar."""

    def __init__(self, tokenizer: LLTokenizer, grammar: str) -> None:
        from llguidance import LLMatcher

        self._matcher = LLMatcher(tokenizer, grammar, log_level=0)
        if self._matcher.is_error():
            raise InvalidInput(f"The schema cannot be followed: {_sentence(self._matcher.get_error())}")

    def allowed(self, size: int) -> NDArray[np.bool_]:
        """bool [size]: the tokens that may come next; those that end the answer only where it may end."""
        mask = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        self._check()
        bits = np.unpackbits(mask, bitorder="little").astype(np.bool_)[:size]
        return np.pad(bits, (0, size - len(bits)))

    def take(self, token: int) -> None:
        """Go on after a token that was allowed."""
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise InvalidInput(f"The answer cannot go on in its grammar: {_sentence(self._matcher.get_error())}")


def _sentence(reason: str) -> str:
    """The library's reason, short enough for a message: its later lines point into the grammar."""
    first = " ".join(reason.split("\n")[0].split())[:200]
    return f"{first.rstrip('.')}."
