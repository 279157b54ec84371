"""Responses and their ids: a response is the commit of its turn, which keeps the id and what was asked.

An id names the session (by its uid) that holds the commit, so it is found again in any process, and gone with the session.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...errors import PerdureError
from ...memory.records import Commit, Message
from ...runtime.calls import CallFormat
from ...runtime.records import Receipt
from .hub import Hub
from .items import message_items, read
from .ports import RepositoryPort
from .response_events import Body, Teller

_ID = re.compile(r"resp_([0-9a-f]+)_[0-9a-f]{24}")
TURNS = ("turn", "recover")


class ResponseNotFound(PerdureError):
    """No session of this store holds a response of that id."""

    code = "response_not_found"
    status = 404

    def __init__(self, name: str, param: str | None = None) -> None:
        super().__init__(f"There is no response {name[:80]}; it was not stored, or it was deleted, or its session was.")
        self.param = param


class Stored(NamedTuple):
    """A response in the store. `request` is what its commit keeps of the request."""

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


def new_name(uid: str) -> str:
    """An id for a response of the session with this uid."""
    return f"resp_{uid}_{secrets.token_hex(12)}"


def new_note(name: str, echo: Mapping[str, Any], called: list[str]) -> dict[str, Any]:
    """What a commit keeps for its response; `called` are the ids of the calls whose outputs it answers."""
    return {"response": name, "created": int(time.time()), "called": called, "echo": dict(echo)}


def find(hub: Hub, name: str, param: str | None = None) -> Stored:
    """A finished response; one that a killed process left unfinished is finished first. Raises ResponseNotFound."""
    repository = hub.runtime.repository
    known = _ID.fullmatch(name)
    session = repository.uids().get(known[1]) if known else None
    if session is None:
        raise ResponseNotFound(name, param)
    found = _in_session(repository, session, name)
    if found is None and _left_unfinished(hub, session, name):
        with hub.writing(session):
            found = _in_session(repository, session, name)
    if found is None:
        raise ResponseNotFound(name, param)
    return found


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
    for commit in repository.log(session):
        request = repository.request(commit) if commit.kind in TURNS else {}
        if request.get("note", {}).get("response") == name:
            return Stored(name, session, commit, request)
    return None


def _left_unfinished(hub: Hub, session: str, name: str) -> bool:
    if name in hub.live:
        return False
    turn = hub.runtime.repository.unfinished(session)
    return turn is not None and (turn.request or {}).get("note", {}).get("response") == name
