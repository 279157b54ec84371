"""`perdure chat`: one prompt, a script of lines, or a conversation on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ...config import MemoryOptions, Sampling
from ...errors import InvalidInput, PerdureError
from .boundary import INTERRUPTED, say
from .conversation import Conversation, Quit
from .machine import running
from .memory_options import takes_memory_options
from .mounting import mount_all, require_profiles
from .options import DEFAULT_SESSION, EMBEDDED_MODEL, STORED, CheckpointBytes, Debug, Model, Speculate, Store, Weights
from .turn import Turn

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession


@takes_memory_options
def chat(
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="Say this and leave. Without it stdin is the prompt.")
    ] = None,
    session: Annotated[
        str, typer.Option("--session", "-s", metavar="SESSION", help="The session to continue or to start.")
    ] = DEFAULT_SESSION,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    system: Annotated[str | None, typer.Option("--system", help="The system prompt of a new session.")] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", metavar="N", help="End an answer there.")] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", metavar="T", help="0 is greedy.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Fix the draw.")] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Have the session know from now on what this profile knows; may be given again.",
            show_default=False,
        ),
    ] = None,
    as_text: Annotated[
        bool, typer.Option("--as-text", help="Where the state does not fit this model, compute it again from its text.")
    ] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Take each line of stdin as one input; /commands work.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No receipts, no echo.")] = False,
    checkpoint_bytes: CheckpointBytes = None,
    memory: MemoryOptions | None = None,
    speculate: Speculate = True,
    store: Store = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object for each answer.")] = False,
    debug: Debug = False,
) -> None:
    """Talk to a session. It is there again next time, exactly as it was left.

    With PROMPT, or with a prompt on stdin: one answer. On a terminal: a conversation, with /help for its commands.
    The answer goes to stdout, the receipt to stderr. Ctrl-C ends an answer and keeps what was said of it.
    """
    turn = Turn(max_tokens=max_tokens, temperature=temperature, seed=seed, quiet=quiet, json=json)
    check_sampling(turn)
    interactive = prompt is None and not lines and sys.stdin.isatty()
    if prompt is None and not lines and not interactive:
        prompt = sys.stdin.read().strip()
    if prompt is not None and not prompt.strip():
        raise InvalidInput("The prompt is empty; give one as an argument, on stdin, or chat on a terminal.")
    require_profiles(store, session, profile or ())
    options = {"weights": weights, "checkpoint_bytes": checkpoint_bytes, "memory": memory, "speculate": speculate}
    with running(model, store, **options) as runtime:
        opened = runtime.session(session, create=True, system=system, as_text=as_text)
        with closing(Conversation(runtime.repository, opened, turn)) as conversation:
            mount_all(opened, profile or ())
            if prompt is not None:
                one_shot(conversation, prompt)
            elif interactive:
                talk(conversation)
            else:
                script(conversation, sys.stdin)


def check_sampling(turn: Turn) -> None:
    """Refuse numbers that cannot be used before a model is loaded for them."""
    given = {name: value for name, value in turn.sampling().items() if value is not None}
    Sampling(**given)  # type: ignore[arg-type]


def one_shot(conversation: Conversation, prompt: str) -> None:
    if conversation.say(prompt) == "cancelled":
        raise typer.Exit(INTERRUPTED)


def script(conversation: Conversation, source: Iterable[str]) -> None:
    """Each line is one input. The first one that fails ends the script."""
    for line in source:
        if not line.strip():
            continue
        conversation.echo(line.strip())
        try:
            ended = conversation.handle(line.strip())
        except Quit:
            return
        if ended == "cancelled":
            raise typer.Exit(INTERRUPTED)


def talk(conversation: Conversation) -> None:
    """A conversation on a terminal. What fails is said, and the conversation goes on."""
    conversation.greet()
    prompt = prompt_session(conversation)
    while True:
        try:
            line = prompt.prompt(f"{conversation.name}> ").strip()
            if line:
                conversation.handle(line)
        except KeyboardInterrupt:
            continue
        except (EOFError, Quit):
            return
        except PerdureError as error:
            say(str(error))


def prompt_session(conversation: Conversation) -> PromptSession[str]:
    """Enter sends, Alt-Enter starts a new line, the arrows find what this session was told before."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return PromptSession(history=InMemoryHistory(conversation.said()), key_bindings=keys)
