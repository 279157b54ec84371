"""One answer on the terminal: streamed, cancellable, with its receipt."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .. import recalling
from . import shapes
from .memory_render import recall_line
from .output import print_json, stderr, styled, visible
from .record_render import opened_line
from .render import receipt_line

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ...runtime import Session, Stream
    from ...runtime.records import Receipt


@dataclass(frozen=True, slots=True)
class Turn:
    """How answers are drawn and shown."""

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    quiet: bool = False
    json: bool = False

    def sampling(self) -> dict[str, int | float | None]:
        return {"max_tokens": self.max_tokens, "temperature": self.temperature, "seed": self.seed}

    def take(self, session: Session, message: str) -> str:
        """Let the session answer, show it, and return why the answer ended."""
        options: dict[str, Any] = self.sampling()
        with session.stream(message, **options) as stream, cancelled_by_ctrl_c(stream.cancel):
            if self.json:
                for _ in stream:
                    pass
            else:
                write(stream)
        receipt = stream.receipt
        if self.json:
            print_json(shapes.answer(receipt.session, stream.text, receipt.to_dict()), one_line=True)
        else:
            self.show(receipt, session)
        return receipt.finish_reason

    def show(self, receipt: Receipt, session: Session) -> None:
        if self.quiet:
            return
        console = stderr()
        console.print(styled(receipt_line(receipt), "dim"))
        history = session.repository
        story = None if receipt.commit == receipt.parent else recalling.told(history, history.resolve(receipt.commit))
        if story is not None and story.chosen:
            console.print(styled(f"  {recall_line(story)}", "dim"))
        if story is not None and story.opened:
            console.print(styled(f"  {opened_line(story)}", "dim"))
        for note in receipt.notes:
            console.print(styled(f"  {note}", "dim"))


def write(stream: Stream) -> None:
    """Print the pieces as they come, and end the line."""
    last = ""
    pieces = iter(stream)
    with thinking():
        first = next(pieces, None)
    if first is not None:
        last = _put(first.text, last)
    for chunk in pieces:
        last = _put(chunk.text, last)
    if not last.endswith("\n"):
        sys.stdout.write("\n")
    sys.stdout.flush()


def _put(text: str, last: str) -> str:
    shown = visible(text)
    sys.stdout.write(shown)
    sys.stdout.flush()
    return shown or last


def thinking() -> AbstractContextManager[object]:
    """A spinner while the prompt is computed."""
    console = stderr()
    usable = console.is_terminal and not console.is_dumb_terminal and sys.stdout.isatty()
    return console.status("") if usable else nullcontext()


@contextmanager
def cancelled_by_ctrl_c(cancel: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C asks for the end, so that what was done by then is committed whole; a second one interrupts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupted(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        cancel()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
