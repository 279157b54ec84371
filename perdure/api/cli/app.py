"""The root command and its list of commands."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated

import typer

from ... import __version__
from . import calibrate, chat, consolidate, history, keys, machine, mcp, memory, merge, profile, upkeep
from .boundary import EXIT_CODES, Commands

_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())

SPINS = "3000"
"""How often torch's threads look whether the others are done before they sleep. By themselves they do it 300,000 times, and
take the time from each other where another program keeps a core busy (docs/decisions/0028-threads-that-wait.md)."""

WAITING = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"}
"""What a user sets who knows better. It is read when torch is imported, which no command has done yet."""

app = typer.Typer(
    name="perdure",
    cls=Commands,
    help="Git for neural memory: chats that resume without recomputing, fork for free and survive kill -9.",
    epilog=_EPILOG,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

for function in (
    chat.chat,
    history.ls,
    history.show,
    history.log,
    history.fork,
    history.diff,
    merge.merge,
    history.reset,
    history.tag,
    history.rm,
    memory.inspect,
    memory.search,
    memory.remember,
    memory.trace,
    memory.memory,
    consolidate.consolidate,
    upkeep.export,
    upkeep.import_,
    upkeep.verify,
    upkeep.fsck,
    upkeep.gc,
    machine.pull,
    machine.models,
    calibrate.calibrate,
    machine.serve,
    mcp.mcp,
    machine.bench,
    keys.audit,
):
    app.command(function.__name__.rstrip("_"))(function)

app.add_typer(profile.app, name="profile")
app.add_typer(keys.app, name="keys")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"perdure {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """The console script: run one command and leave with its status."""
    if not WAITING & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS
    if isinstance(sys.stdout, TextIOWrapper):
        # A terminal of another encoding shows letters that it lacks by their numbers.
        sys.stdout.reconfigure(errors="backslashreplace")
    app(prog_name="perdure")
