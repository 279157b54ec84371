"""A streamed answer, as the caller of `Session.stream` holds it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from .learning import learn
from .records import Chunk, Receipt
from .turn import Turn

if TYPE_CHECKING:
    from .session import Session


class Stream:
    """A streamed answer: iterate it for Chunks. Each token is in the journal before it is handed out.

    Exhausting it, closing it or leaving its context commits what was streamed; `receipt` and `text` are set then. What the
    turn taught is learned after that, where `MemoryOptions.learn` asks for it.
    """

    def __init__(self, session: Session, turn: Turn) -> None:
        self._session = session
        self._turn = turn
        self._cancelled = threading.Event()
        self._source = turn.run(self._cancelled.is_set)
        self._done = False

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        if self._done:
            raise StopIteration
        try:
            return next(self._source)
        except StopIteration:
            self._finish()
            raise
        except BaseException:
            self._fail()
            raise

    def cancel(self) -> None:
        """Ask for the end after the token in progress; may be called from another thread."""
        self._cancelled.set()

    def close(self) -> None:
        """End now and commit what was streamed. Idempotent."""
        if not self._done:
            self._source.close()
            if not self._turn.answer.reason:
                self._turn.answer.reason = "cancelled"
                self.cancel()
            self._finish()

    @property
    def text(self) -> str:
        return self._turn.answer.text

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(self._turn.answer.tokens)

    @property
    def receipt(self) -> Receipt:
        """What the turn cost. Raises InvalidInput while it is still running."""
        if self._turn.receipt is None:
            raise InvalidInput("The answer is still being streamed; its receipt comes with its end.")
        return self._turn.receipt

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _finish(self) -> None:
        self._done = True
        try:
            receipt = self._turn.finish("turn")
        finally:
            self._session.end_turn()
        if receipt.commit != receipt.parent:
            told = learn(self._session, self._turn.messages, self._cancelled.is_set)
            self._turn.receipt = replace(receipt, notes=(*receipt.notes, *told))

    def _fail(self) -> None:
        self._done = True
        self._session.fail_turn()
