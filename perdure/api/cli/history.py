"""Commands over the history. They need no model: the repository alone, and no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...errors import InvalidInput
from .. import showing, wiring
from ..graph import graph as commit_graph
from ..graph import shape as graph_shape
from ..lanes import WIDEST
from . import shapes
from .boundary import say
from .graph_render import LANES, graph_lines
from .options import DEFAULT_SESSION, REVISION_HELP, Debug, InSession, Json, Store, Yes
from .output import confirm, print_json, print_table, stdout
from .render import commit_line, decorations, diff_text, reflog_table, session_table
from .screen import screen
from .show_render import shown_lines
from .state import layer_table, state_shape, stored_text

if TYPE_CHECKING:
    from ...memory import Commit, Repository

Revision = Annotated[str, typer.Argument(metavar="REV", help=REVISION_HELP)]
SessionName = Annotated[str, typer.Argument(metavar="SESSION", help="The session's name.")]


@contextmanager
def repository(store: Path | None, *, create: bool = False) -> Iterator[Repository]:
    """The store's history, and what opening it had to mend on stderr."""
    with wiring.open_repository(store, create=create) as opened:
        for note in opened.notes:
            say(note)
        yield opened


def ls(store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """List the sessions."""
    found = []
    if wiring.store_path(store).exists():
        with repository(store) as history:
            found = history.sessions()
    if json:
        print_json({"sessions": [shapes.session(info) for info in found]})
    elif found:
        print_table(session_table(found))
    else:
        say(f"No sessions in {wiring.store_path(store)} yet; `perdure chat` starts one.")


def show(
    rev: Revision = DEFAULT_SESSION,
    session: InSession = None,
    state: Annotated[bool, typer.Option("--state", help="Show what each layer of the model keeps instead.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Show the whole conversation, not its last turn alone.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a revision: its facts, what was said in its turn, what that cost, and the size of each tier of memory.

    With --state: what each layer of the model keeps there.
    """
    with repository(store) as history:
        within = base_session(rev, session)
        commit = history.resolve(rev, within)
        if state:
            _show_state(history, commit, json=json)
            return
        seen = showing.shown(history, commit, within or rev)
        waiting = _waiting(history, commit, within if rev == "HEAD" else rev)
    for sentence in (waiting, seen.unread):
        if sentence:
            say(sentence)
    if json:
        print_json({**shapes.commit(commit), "conversation": shapes.messages(seen.messages), **showing.shape(seen)})
        return
    out = screen()
    out.lines(shown_lines(seen, out, full=full))


def _waiting(history: Repository, commit: Commit, name: str | None) -> str | None:
    """A sentence about a turn that is not in any commit yet, when the commit is a session's head."""
    if name is None or not history.exists(name) or history.info(name).head.digest != commit.digest:
        return None
    turn = history.unfinished(name)
    if turn is None:
        return None
    asked = " ".join(turn.messages[-1][1].split())[:60] if turn.messages else ""
    return (
        f"{name} has an answer that is not committed ({len(turn.tokens)} tokens, to {asked!r}): it is being given now, "
        f"or was interrupted and comes back with the next `perdure chat -s {name}`."
    )


def _show_state(history: Repository, commit: Commit, *, json: bool) -> None:
    layers, marks = history.layers(commit), history.present(commit)
    if json:
        print_json({**shapes.commit(commit), "state": state_shape(commit, layers, marks)})
    elif layers:
        print_table(layer_table(commit, layers))
        typer.echo(stored_text(commit, marks))
    else:
        say(f"Commit {commit.short} holds no state yet: no turn has been taken.")


def log(
    session: Annotated[str, typer.Argument(metavar="SESSION", help="A session, or any revision.")] = DEFAULT_SESSION,
    limit: Annotated[int | None, typer.Option("--limit", "-n", metavar="N", min=1, help="Show at most N.")] = None,
    reflog: Annotated[bool, typer.Option("--reflog", help="Show where the session has pointed instead.")] = False,
    merged: Annotated[bool, typer.Option("--merged", help="List the commits too that were merged in.")] = False,
    graph: Annotated[
        bool, typer.Option("--graph", help="Draw how branches part and merge; takes in what was merged.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="List the commits of all sessions and tags.")] = False,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List a session's commits, newest first.

    With --graph: turns are ● (*), merges ◆ (M), changes of memory ◇ (@), beginnings ○ (o); then come the hash, the turn, all
    tokens, the bytes of state that the commit added, its age, the sessions and tags that stand there, and its title.
    """
    if reflog and (graph or every or merged):
        raise InvalidInput("--reflog lists where one session has stood; it goes with none of --graph, --all and --merged.")
    if graph or every:
        _print_graph(store, None if every else session, session, limit, graph=graph, json=json)
        return
    with repository(store) as history:
        if reflog:
            entries = history.reflog(session)[::-1][:limit]
            moves = [shapes.move(entry) for entry in entries]
            print_json({"session": session, "moves": moves}) if json else print_table(reflog_table(entries))
            return
        commits = history.ancestry(session, limit=limit) if merged else history.log(session, limit=limit)
        marks = decorations(history)
    if json:
        print_json({"revision": session, "commits": [shapes.commit(commit) for commit in commits]})
        return
    for commit in commits:
        stdout().print(commit_line(commit, marks))


def _print_graph(store: Path | None, rev: str | None, name: str, limit: int | None, *, graph: bool, json: bool) -> None:
    """Commits of a revision (None: of all) with what merges brought, drawn or listed."""
    with repository(store) as history:
        found = commit_graph(history, rev, limit, WIDEST if json else LANES)
    if json:
        drawn = [{**shapes.commit(each.node.commit), **graph_shape(each)} for each in found]
        print_json({"revision": name if rev is not None else None, "commits": drawn})
    elif graph:
        out = screen()
        out.lines(graph_lines(found, out))
    else:
        for node, _ in found:
            marks = [*node.branches, *(f"tag: {tag}" for tag in node.tags)]
            stdout().print(commit_line(node.commit, {node.commit.digest: marks}))


def fork(
    src: Annotated[str, typer.Argument(metavar="SRC", help="The session to fork.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The name of the fork.")],
    at: Annotated[str | None, typer.Option("--at", metavar="REV", help="Fork there instead of at SRC's head.")] = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Start a session where another one stands. Nothing is copied."""
    with repository(store) as history:
        info = history.fork(src, new, at)
    if json:
        print_json(shapes.session(info))
    else:
        typer.echo(f"{info.name} is at {info.head.short} (turn {info.head.turn}, {info.head.tokens} tokens).")


def diff(
    base: Annotated[str, typer.Argument(metavar="A", help=REVISION_HELP)],
    head: Annotated[str, typer.Argument(metavar="B", help="The revision to compare with A.")],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two revisions: what they share, and what each says alone."""
    with repository(store) as history:
        found = history.diff(base, head)
    if json:
        print_json(shapes.diff(found))
    else:
        stdout().print(diff_text(found, base, head))


def reset(
    session: SessionName,
    rev: Annotated[str, typer.Argument(metavar="REV", help=f"{REVISION_HELP} HEAD is the session's own.")],
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Move a session to another revision. `perdure log --reflog` remembers where it was."""
    with repository(store) as history:
        before = history.info(session).head
        info = history.reset(session, rev)
    if json:
        print_json({**shapes.session(info), "previous": before.hex})
    else:
        typer.echo(
            f"{session} is at {info.head.short} (turn {info.head.turn}); "
            f"`perdure reset {session} {before.short}` takes it back."
        )


def tag(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The tag's name; without it, list.")] = None,
    rev: Annotated[str, typer.Argument(metavar="REV", help=REVISION_HELP)] = "HEAD",
    delete: Annotated[bool, typer.Option("--delete", "-d", help="Delete the tag.")] = False,
    session: InSession = None,
    store: Store = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the tags, or give a commit a name that stays."""
    if delete and name is None:
        raise InvalidInput("Say which tag to delete: `perdure tag --delete NAME`.")
    with repository(store) as history:
        if name is None:
            _print_tags(history, json=json)
        elif delete:
            history.untag(name)
            print_json({"deleted": name}) if json else typer.echo(f"Tag {name} is gone; its commit stays until gc.")
        else:
            made = history.tag(name, rev, base_session(rev, session))
            print_json(shapes.tag(made)) if json else typer.echo(f"{name} is {made.commit.short}.")


def rm(session: SessionName, yes: Yes = False, store: Store = None, json: Json = False, debug: Debug = False) -> None:
    """Remove a session. Blocks that nothing else uses go with the next gc."""
    with repository(store) as history:
        info = history.info(session)
        confirm(f"Remove session {session} ({info.head.turn} turns, {info.head.tokens} tokens)?", yes=yes)
        history.remove(session)
    print_json({"removed": session, "head": info.head.hex}) if json else typer.echo(f"Removed {session}.")


def base_session(rev: str, session: str | None) -> str | None:
    """The session that HEAD, ~N and @turn:N start from."""
    if session is None and (rev == "HEAD" or rev.startswith(("HEAD~", "HEAD@", "~", "@"))):
        return DEFAULT_SESSION
    return session


def _print_tags(history: Repository, *, json: bool) -> None:
    tags = history.tags()
    if json:
        print_json({"tags": [shapes.tag(found) for found in tags]})
        return
    for found in tags:
        stdout().print(commit_line(found.commit, {}, name=found.name))
