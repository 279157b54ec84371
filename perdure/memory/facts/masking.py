"""Texts without the name that they speak of, so that what is compared is what is said or asked of somebody."""

from __future__ import annotations

import re
from functools import lru_cache

from .base import fold
from .lexicon import words
from .names import speaks_of

SOMEONE = "someone"
_PARTICLES = words("van von de der den del della da di du la le bin ibn al el af av zu ter ten dr mr mrs ms")


def masked(subject: str, text: str) -> str | None:
    """The text with "someone" in the place of a named subject; None where it does not speak of the subject at all."""
    if not speaks_of(subject, text):
        return None
    return _pattern(subject).sub(SOMEONE, text) if subject[:1].isupper() else text


@lru_cache(maxsize=512)
def _pattern(subject: str) -> re.Pattern[str]:
    """The whole name, or any of its parts."""
    parts = [part for part in subject.split() if len(fold(part)) > 1 and part.casefold() not in _PARTICLES]
    names = "|".join(map(re.escape, [subject, *parts]))
    return re.compile(rf"\b(?:{names})\b", re.IGNORECASE)
