"""The tools: what each is for, in an agent's words, and what it does. The same over stdio and HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...errors import Conflict, InvalidInput, RevisionNotFound, SessionNotFound
from ...memory.amending import named
from .. import recalling
from . import results
from .arguments import (
    DEFAULT_SESSION,
    AddArguments,
    Arguments,
    DiffArguments,
    ForgetArguments,
    ForkArguments,
    ListArguments,
    SearchArguments,
)
from .desk import Desk, Watch
from .results import Added, Compared, Forgotten, Forked, Listed, Outcome, Searched


class Tool(NamedTuple):
    """One tool. `changes`: it writes; `destroys`: what it takes away is not seen any more."""

    name: str
    title: str
    description: str
    takes: type[Arguments]
    gives: type[Outcome]
    run: Callable[[Desk, Any, Watch], Outcome]
    changes: bool = True
    destroys: bool = False


def search(desk: Desk, given: SearchArguments, watch: Watch) -> Searched:
    for name in given.sessions or ():
        _require(desk, name)
    found = recalling.search(
        desk.history,
        desk.memories,
        given.query,
        sessions=given.sessions or (),
        k=given.limit,
        threshold=given.threshold,
    )
    return Searched(memories=[results.found(item) for item in found])


def add(desk: Desk, given: AddArguments, watch: Watch) -> Added:
    if not given.text.strip():
        raise InvalidInput("There is no text to remember; give some.")
    created = not desk.history.exists(given.session)
    if created and not (given.create or given.session == DEFAULT_SESSION):
        raise SessionNotFound(
            f"There is no session {given.session[:80]!r}; set create to make it, or take one that session_list names."
        )
    done = desk.add(given.session, given.title, given.text, watch)
    return Added(session=given.session, memories=done.episodes, tokens=done.tokens, commit=done.commit.hex, created=created)


def forget(desk: Desk, given: ForgetArguments, watch: Watch) -> Forgotten:
    if given.session is not None:
        _require(desk, given.session)
    holder = _holder(desk, given.id, given.session)
    before = desk.history.info(holder).head
    gone = desk.forget(holder, given.id)
    now = desk.history.info(holder).head
    return Forgotten(id=gone.id, session=holder, forgotten=gone.text, commit=now.hex, previous=before.hex)


def sessions(desk: Desk, given: ListArguments, watch: Watch) -> Listed:
    infos = sorted(desk.history.sessions(), key=lambda info: (-info.updated_ms, info.name))
    return Listed(sessions=[results.row(info) for info in infos[: given.limit]], total=len(infos))


def fork(desk: Desk, given: ForkArguments, watch: Watch) -> Forked:
    _require(desk, given.session)
    return Forked(session=results.row(desk.history.fork(given.session, given.name, given.at)), bytes_copied=0)


def diff(desk: Desk, given: DiffArguments, watch: Watch) -> Compared:
    return results.compared(desk.history.diff(given.base, given.head), given.characters)


def _require(desk: Desk, name: str) -> None:
    """A revision may be a tag or a hash as well; here only sessions are meant."""
    if not desk.history.exists(name):
        raise SessionNotFound(f"There is no session {name[:80]!r}; session_list names those that exist.")


def _holder(desk: Desk, digits: str, session: str | None) -> str:
    """The one session that is to forget a memory."""
    held = recalling.beginning(desk.history, digits, session)
    if not held:
        where = "" if session is None else f" in session {session!r}"
        raise RevisionNotFound(f"There is no memory {digits[:40]!r}{where}; memory_search finds them.")
    for name, entries in held.items():
        named(entries, digits, f"session {name!r}")
    if len(held) > 1:
        raise Conflict(f"Several sessions remember {digits}: {', '.join(sorted(held))}. Say which one in session.")
    return next(iter(held))


TOOLS = (
    Tool(
        "memory_search",
        "Search memory",
        "Search what was remembered in earlier conversations and documents, by meaning and by words, in all sessions or "
        "some of them. Call it before answering anything that may have been said or stored before. Returns the best "
        "fitting passages with their ids, scores and sessions; nothing where nothing is near enough.",
        SearchArguments,
        Searched,
        search,
        changes=False,
    ),
    Tool(
        "memory_add",
        "Remember a text",
        "Have a session remember a text for good, so that memory_search and the session's own answers find it later: "
        "facts, decisions, notes, documents. The same text under the same title is remembered once. The first call may "
        "take some seconds, since a language model is loaded.",
        AddArguments,
        Added,
        add,
    ),
    Tool(
        "memory_forget",
        "Forget a memory",
        "Have a session forget one memory, by the id that memory_search gives. From then on neither searches nor answers "
        "find it; the session's earlier commits still have it.",
        ForgetArguments,
        Forgotten,
        forget,
        destroys=True,
    ),
    Tool(
        "session_list",
        "List sessions",
        "List the sessions: conversations with their memory, the most recently changed first.",
        ListArguments,
        Listed,
        sessions,
        changes=False,
    ),
    Tool(
        "session_fork",
        "Fork a session",
        "Make a new session that stands where another one does, or stood at an earlier commit or turn, with all that was "
        "said and remembered until then. Nothing is copied and the other session does not change: fork before trying "
        "something that may have to be undone.",
        ForkArguments,
        Forked,
        fork,
    ),
    Tool(
        "session_diff",
        "Compare two sessions",
        "Compare two sessions or revisions: how much of the conversation they share, and which messages only one of them "
        "has.",
        DiffArguments,
        Compared,
        diff,
        changes=False,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}
