"""Writers: from facts in words to factors that act beside frozen weights, and what those are worth."""

from ...config import known_writer
from ..chat import ChatFormat
from ..engine import Engine
from .base import Example, Lesson, Progress, Writer, Written
from .closed_form import ClosedForm, Delta
from .distill import Distill, Settings
from .judging import Worth, judge
from .kv_tokens import KVTokens

BY_NAME = {writer.name: writer for writer in (KVTokens, Distill, ClosedForm, Delta)}


def writer_for(engine: Engine, chat: ChatFormat, name: str | None = None) -> Writer:
    """The writer of this name, or the best for the family: keys and values where attention can be listened to.

    Raises InvalidInput for an unknown one, and for one that the family cannot take.
    """
    return BY_NAME[known_writer(name or (KVTokens.name if engine.adapter.hears else Distill.name))](engine, chat)


__all__ = [
    "BY_NAME",
    "ClosedForm",
    "Delta",
    "Distill",
    "Example",
    "KVTokens",
    "Lesson",
    "Progress",
    "Settings",
    "Worth",
    "Writer",
    "Written",
    "judge",
    "writer_for",
]
