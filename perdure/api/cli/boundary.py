"""Between the commands and the shell: every failure becomes one sentence on stderr and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import typer
from typer.core import TyperGroup

from ...errors import PerdureError

OK, DEFECT, USAGE, NOT_FOUND, CONFLICT, STORE, BUG, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 3, 4, 5, 70, 130, 141

EXIT_CODES = {
    OK: "done",
    DEFECT: "verify or fsck found a defect that is not mended",
    USAGE: "a command, option, name, file or prompt that cannot be used as given",
    NOT_FOUND: "no such session, revision or model",
    CONFLICT: "the name is taken, the session is busy, or its state does not fit",
    STORE: "the store is missing, full, damaged or cannot be read",
    BUG: "a bug in Perdure; --debug shows the trace",
    INTERRUPTED: "interrupted with Ctrl-C, or a question was declined",
    PIPE_CLOSED: "the program that read the output went away",
}

debugging: ContextVar[bool] = ContextVar("debugging", default=False)

# The parent of BadParameter; typer gives it no public name of its own.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Commands(TyperGroup):
    """The root command. Its exit status is decided here, whether a shell or a test calls it."""

    def main(self, args: Sequence[str] | None = None, standalone_mode: bool = True, **extra: Any) -> Any:  # type: ignore[override]
        status = guarded(lambda: super(Commands, self).main(args, standalone_mode=False, **extra))
        if standalone_mode:
            sys.exit(status)
        return status

    def list_commands(self, ctx: Any) -> list[str]:
        """Commands in the order in which they were given, then groups of commands."""
        return sorted(super().list_commands(ctx), key=lambda name: isinstance(self.commands[name], TyperGroup))

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(PIPE_CLOSED) from None
        return result


def guarded(call: Callable[[], Any]) -> int:
    """Run a command and return its exit status."""
    token = debugging.set(False)
    try:
        result = call()
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        return explain(error)
    else:
        return result if isinstance(result, int) else OK
    finally:
        debugging.reset(token)


def explain(error: Exception) -> int:
    """Say what went wrong, in one sentence where nobody asked for more; the exit status that fits."""
    if debugging.get():
        traceback.print_exception(error)
    if isinstance(error, PerdureError):
        say(str(error))
        return error.exit_code
    if isinstance(error, _UsageError):
        say(f"{_sentence(error)} See `{_command_path(error)} --help`.")
        return USAGE
    what = f"{type(error).__name__}: {error}".rstrip(".: ")
    say(f"{what}. This is a bug in Perdure; run the command again with --debug to see the trace.")
    return BUG


def say(sentence: str) -> None:
    """One line on stderr."""
    line = " ".join(sentence.split())
    print(f"perdure: {line}", file=sys.stderr)


def _sentence(error: Exception) -> str:
    text = str(getattr(error, "format_message", error.__str__)())
    return text if text.rstrip().endswith((".", "?", ")")) else f"{text}."


def _command_path(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    return getattr(context, "command_path", None) or "perdure"
