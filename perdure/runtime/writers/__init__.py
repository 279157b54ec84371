"""Writers: from facts in words to factors that act beside frozen weights, and what those are worth."""

from .base import Example, Lesson, Progress, Writer, Written
from .closed_form import ClosedForm, Delta
from .distill import Distill, Settings
from .judging import Worth, judge
from .kv_tokens import KVTokens

__all__ = [
    "ClosedForm",
    "Delta",
    "Distill",
    "KVTokens",
    "Example",
    "Lesson",
    "Progress",
    "Settings",
    "Worth",
    "Writer",
    "Written",
    "judge",
]
