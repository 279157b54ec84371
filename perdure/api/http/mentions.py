"""What a request reads or changes, for the audit log, where neither its path nor the answer's headers say so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_MENTIONED: ContextVar[list[str] | None] = ContextVar("perdure.mentioned", default=None)


def mention(ids: Iterable[str]) -> None:
    """These ids belong to what the present request is about. Nothing where no request is answered."""
    noted = _MENTIONED.get()
    if noted is not None:
        noted.extend(ids)


@contextmanager
def mentioned() -> Iterator[list[str]]:
    """The ids that are mentioned while the context lasts, in this task and in threads that work for it."""
    noted: list[str] = []
    token = _MENTIONED.set(noted)
    try:
        yield noted
    finally:
        _MENTIONED.reset(token)
