"""Responses and their ids: a response is the commit of its turn, which keeps the id and what was asked.

An id names the session (by its uid) that holds the commit, so it is found again in any process, and gone with the session.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import Conflict, PerdureError
from ...memory.records import Commit, Message
from ...runtime.calls import CallFormat
from ...runtime.records import Receipt
from .hub import Hub
from .items import message_items, read
from .ports import RepositoryPort
from .response_events import Body, Teller

RESPONSE, COMPLETION = "resp_", "chatcmpl-"
NOTED = {RESPONSE: "response", COMPLETION: "completion"}
"""Beginnings of ids, and under which name a commit keeps such an id."""

_ID = re.compile(r"(resp_|chatcmpl-)([0-9a-f]+)_[0-9a-f]{24}")
TURNS = ("turn", "recover")


class ResponseNotFound(PerdureError):
    """No session of this store holds a response of that id."""

    code = "response_not_found"
    status = 404

    def __init__(self, name: str, param: str | None = None) -> None:
        super().__init__(f"There is no response {name[:80]}; it was not stored, or it was deleted, or its session was.")
        self.param = param


class ResponseInUse(Conflict):
    """Later answers build on this one."""

    code = "response_in_use"


class Stored(NamedTuple):
    """A response in the store, or an answer of a chat. `request` is what its commit keeps of the request."""

    name: str
    session: str
    commit: Commit
    request: Mapping[str, Any]

    @property
    def note(self) -> Mapping[str, Any]:
        note: Mapping[str, Any] = self.request["note"]
        return note

    @property
    def receipt(self) -> Receipt:
        """What the turn cost, as far as its commit tells."""
        parent = self.commit.parents[0].hex()
        return Receipt(self.session, self.commit.hex, parent, finish_reason=self.commit.reason, **self.commit.metrics)


def new_name(uid: str, kind: str = RESPONSE) -> str:
    """An id for a response, or another answer, of the session with this uid."""
    return f"{kind}{uid}_{secrets.token_hex(12)}"


def new_note(name: str, echo: Mapping[str, Any], called: list[str]) -> dict[str, Any]:
    """What a commit keeps for its response; `called` are the ids of the calls whose outputs it answers."""
    return {"response": name, "created": int(time.time()), "called": called, "echo": dict(echo)}


def find(hub: Hub, name: str, param: str | None = None) -> Stored:
    """A finished response; one that a killed process left unfinished is finished first. Raises ResponseNotFound."""
    found = located(hub, name) if name.startswith(RESPONSE) else None
    if found is None:
        raise ResponseNotFound(name, param)
    return found


def located(hub: Hub, name: str) -> Stored | None:
    """The answer with this id, of a chat or a response, if it is in the store."""
    repository = hub.runtime.repository
    known = _ID.fullmatch(name)
    session = repository.uids().get(known[2]) if known else None
    if session is None:
        return None
    found = _in_session(repository, session, name)
    if found is None and _left_unfinished(hub, session, name):
        with hub.writing(session):
            found = _in_session(repository, session, name)
    return found


def take_back(hub: Hub, stored: Stored) -> None:
    """Set a session to before its last answer. Raises ResponseInUse where anything follows it."""
    with hub.writing(stored.session) as session:
        if session.head.digest != stored.commit.digest:
            # What was learned or remembered since would be taken back as well.
            name = stored.name
            raise ResponseInUse(f"Something follows {name} in session {stored.session}; delete that first, or the session.")
        session.reset(stored.commit.parents[0].hex())


def events(stored: Stored, runtime_calls: CallFormat | None, messages: list[Message]) -> tuple[list[Body], Body]:
    """All events of a stored response, and its body."""
    teller = Teller(stored.name, stored.note)
    told = list(teller.begin())
    names = [tool["function"]["name"] for tool in stored.request["tools"]]
    for part in read(runtime_calls if names else None, messages[-1].content, names):
        told += teller.part(part)
    commit = stored.commit
    memory = {"session": stored.session, "parent": commit.parents[0].hex(), "commit": commit.hex}
    told += teller.end(stored.receipt, memory=memory)
    return told, teller.body


def input_items(stored: Stored, form: CallFormat | None, messages: list[Message], before: int) -> list[Body]:
    """The items that a response answers, oldest first; `before` messages stood before them."""
    called = iter(stored.note["called"])
    stem = stored.name.removeprefix("resp_")
    return list(_items(stem, form, messages[before:-1], stored.note["echo"]["instructions"], called))


def _items(
    stem: str, form: CallFormat | None, messages: list[Message], instructions: str | None, called: Iterator[str]
) -> Iterator[Body]:
    for number, message in enumerate(messages):
        if (message.role, message.content) != ("system", instructions):
            yield from message_items(f"{stem}_in{number}", message, form, called)


def _in_session(repository: RepositoryPort, session: str, name: str) -> Stored | None:
    return next((each for each in noted(repository, session, _kind(name)) if each.name == name), None)


def noted(repository: RepositoryPort, session: str, kind: str) -> Iterator[Stored]:
    """The answers of a session that have an id of this kind, oldest first."""
    for commit in repository.log(session):
        request = repository.request(commit) if commit.kind in TURNS else {}
        name = (request.get("note") or {}).get(NOTED[kind])
        if name is not None:
            yield Stored(name, session, commit, request)


def _kind(name: str) -> str:
    return RESPONSE if name.startswith(RESPONSE) else COMPLETION


def _left_unfinished(hub: Hub, session: str, name: str) -> bool:
    if name in hub.live:
        return False
    turn = hub.runtime.repository.unfinished(session)
    return turn is not None and ((turn.request or {}).get("note") or {}).get(NOTED[_kind(name)]) == name
