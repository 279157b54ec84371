"""Commands over what a session remembers beyond its window. Only `remember` and editing load the language model."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ...config import MemoryOptions
from ...errors import InvalidInput
from .. import heeding, inspection, recalling, reports, wiring
from ..inspection import Tier
from . import shapes
from .boundary import INTERRUPTED, say
from .history import Revision, repository
from .inspect_render import inspected_lines
from .machine import running
from .memory_options import takes_memory_options
from .memory_render import found_text, memories
from .options import DEFAULT_SESSION, EMBEDDED_MODEL, STORED, Debug, Json, Model, Store, Weights
from .output import Step, print_json, stdout
from .screen import screen
from .trace_render import trace_lines
from .turn import cancelled_by_ctrl_c

if TYPE_CHECKING:
    from ...memory.episodes import Episode
    from ...runtime.session_memory import Added

Of = Annotated[str, typer.Option("--session", "-s", metavar="SESSION", help="The session that remembers.")]
Threshold = Annotated[
    float | None,
    typer.Option(
        "--threshold", metavar="X", min=0, max=1, show_default=False, help="Leave out what scores less; else 0.38."
    ),
]
Best = Annotated[int, typer.Option("-k", metavar="N", min=1, max=1000, help="Show at most N.")]

Action = Literal["edit", "pin", "unpin", "forget"]


def inspect(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="A session, or any revision.")] = DEFAULT_SESSION,
    tier: Annotated[Tier | None, typer.Option("--tier", help="Show one tier in full.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="REV", help="As it was there.")] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what the model sees of a session, as one bar, and what each tier of its memory holds.

    With --tier working: each KV block, and which sessions share it. With --tier summary: how much it holds in each layer and
    head. With --tier fast-weights: each record and where it was said, even if that was deleted since, and each layer of the
    model that is fast weights by nature.
    """
    with repository(store) as history:
        seen = inspection.inspected(history, session, at, tier)
        told = {**shapes.commit(seen.commit), **inspection.shape(history, seen)} if json else {}
    if json:
        print_json(told)
        return
    out = screen()
    out.lines(inspected_lines(seen, out))


def search(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What to look for, in words.")],
    session: Annotated[
        list[str] | None,
        typer.Option("--session", "-s", metavar="SESSION", help="Look in this session only; may be given again."),
    ] = None,
    k: Best = 8,
    threshold: Threshold = None,
    explain: Annotated[bool, typer.Option("--explain", help="Also show what was looked at and left out, and why.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Search what sessions remember, by meaning and by words. Loads the sentence encoder, no language model."""
    with repository(store) as history, closing(wiring.open_memories(history)) as searched:
        names = session or ()
        found = recalling.search(history, searched, query, sessions=names, k=k, threshold=threshold, explain=explain)
    if json:
        print_json({"query": query, "memories": [reports.found(item) for item in found]})
    elif found:
        stdout().print(found_text(found, explain=explain))
    else:
        say("Nothing that is remembered is near enough; --explain shows what was looked at.")


@takes_memory_options
def remember(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Text, Markdown or PDF; - reads standard input.", show_default=False),
    ],
    session: Of = DEFAULT_SESSION,
    name: Annotated[str | None, typer.Option("--name", metavar="TITLE", help="What the document is called.")] = None,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    memory: MemoryOptions | None = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Have a session remember documents, without saying them in its conversation.

    Ctrl-C keeps what was remembered by then; the same command goes on from there.
    """
    if name is not None and len(files) != 1:
        raise InvalidInput("--name is the title of one document; give the files one by one.")
    parts = [part for file in files for part in document(file, name)]
    enough = Event()
    with running(model, store, weights=weights, memory=memory) as runtime:
        opened = runtime.session(session, create=True)
        title = files[0] if len(files) == 1 else f"{len(files)} documents"
        with closing(opened), Step(f"remembering {title}") as progress, cancelled_by_ctrl_c(enough.set):
            opened.acquire()
            added = opened.memory.add(parts, progress=progress, cancelled=enough.is_set)
            recalls = opened.budget is not None and opened.memories is not None
    if not recalls:
        say(f"{session} can be searched for it, but answers recall nothing: {model} cannot, or --recall is off.")
    if json:
        print_json({"session": session, **shapes.added(added)})
    else:
        typer.echo(added_sentence(session, added))
    if not added.whole:
        raise typer.Exit(INTERRUPTED)


def document(file: str, name: str | None = None) -> list[tuple[str, str]]:
    """The parts of a file, or of standard input, as (title, text)."""
    if file == "-":
        return wiring.parse_document(sys.stdin.buffer.read(), name or "stdin")
    found = wiring.read_document(Path(file))
    if name is None:
        return found
    return [(title.replace(Path(file).name, name, 1), text) for title, text in found]


def added_sentence(session: str, added: Added) -> str:
    """What became of documents that were to be remembered."""
    if added.whole and not added.episodes:
        return f"{session} remembers all of it already."
    done = f"{session} took in {memories(added.episodes)}, {added.tokens} tokens; commit {added.commit.short}."
    return done if added.whole else f"Interrupted. {done} The same command goes on from there."


def trace(
    rev: Revision = DEFAULT_SESSION,
    session: Annotated[
        str | None, typer.Option("--session", "-s", metavar="SESSION", help="Whose HEAD and @turn:N.")
    ] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what an answer recalled and knew: the memories and fast weights it looked at, those it was given, and why."""
    with repository(store) as history:
        commit = recalling.last_turn(history, rev, session)
        story = recalling.told(history, commit)
        answer = [] if story is None else heeding.heeded(history, story)
    if json:
        told = None if story is None else {**reports.trace(story), "answer": [heeding.shape(item) for item in answer]}
        print_json({**shapes.commit(commit), "trace": told})
    elif story is None:
        say(f"Commit {commit.short} (turn {commit.turn}) recalled nothing and opened no fast weights.")
    else:
        out = screen()
        out.lines(trace_lines(story, answer, out))


def memory(
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="edit, pin, unpin or forget.")],
    name: Annotated[str, typer.Argument(metavar="ID", help="The memory's id, or the 4 or more digits it begins with.")],
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help="For edit: the new text, else from stdin.")] = None,
    session: Of = DEFAULT_SESSION,
    model: Model = EMBEDDED_MODEL,
    weights: Weights = STORED,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Change one thing that a session remembers: its text, whether it is recalled always, or that it is there at all.

    The change is a commit, which `perdure reset` takes back. Only edit loads the model.
    """
    if text is not None and action != "edit":
        raise InvalidInput(f"{action} takes no text; only edit does.")
    if action == "edit":
        episode = _edited(session, name, _new_text(text), model, store, weights)
    else:
        with repository(store) as history:
            episode = wiring.amend(history, session, name, action)
    if json:
        print_json({"session": session, "action": action, "memory": reports.episode(episode, [session])})
    else:
        typer.echo(_changed_sentence(session, action, episode))


def _new_text(text: str | None) -> str:
    if text is None and sys.stdin.isatty():
        raise InvalidInput("Give the new text as an argument or on stdin.")
    return sys.stdin.read() if text is None else text


def _edited(session: str, name: str, text: str, model: str, store: Path | None, weights: str) -> Episode:
    with running(model, store, weights=weights) as runtime, closing(runtime.session(session, create=False)) as opened:
        return opened.memory.edit(name, text.strip())


def _changed_sentence(session: str, action: str, episode: Episode) -> str:
    done = {"edit": "has a new text for", "pin": "always recalls", "unpin": "no longer always recalls", "forget": "forgot"}
    return f"{session} {done[action]} {episode.id}. `perdure reset {session} HEAD~1` takes it back."
