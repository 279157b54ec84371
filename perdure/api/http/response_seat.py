"""Where a response is written: after another one, in a conversation, in a session of its own, or nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from ...errors import SessionBusy
from ...memory.records import Message
from .jobs import Jobs
from .ports import RuntimePort, SessionPort
from .response_log import Stored, new_name, new_note
from .responses_schemas import ResponseRequest, echo
from .seat import Seat, Seating, Target
from .warm import WarmSessions


class Place(NamedTuple):
    """What a response follows: another one, a conversation, or nothing. Of one that is not `stored` nothing is kept."""

    after: Stored | None
    conversation: str | None
    stored: bool

    def target(self) -> Target:
        """The session whose name has to be free: the conversation, or a new one."""
        if not self.stored or self.after is not None:
            return Target(None)
        return Target(self.conversation or f"resp-{secrets.token_hex(8)}", create=self.conversation is None)


class ResponseSeating(Seating):
    """A response that follows another goes on in its session where nothing came after it, else in a fork."""

    def __init__(self, runtime: RuntimePort, warm: WarmSessions, body: ResponseRequest, place: Place, jobs: Jobs) -> None:
        super().__init__(runtime, warm, body, place.target())
        self._body = body
        self._place = place
        self._jobs = jobs

    def _find(self) -> Seat:
        place = self._place
        if not place.stored:
            return self._unstored()
        if place.after is not None:
            return self._following(place.after)
        if place.conversation is not None:
            self._jobs.make_way(place.conversation)
        name = str(self._name)
        session = self._held = self._warm.open(name, create=self._target.create, mounts=self._options.mounts)
        session.acquire()
        stored = self._runtime.repository.messages(name)
        return self._seat(session, "delta" if stored else "started", stored)

    def _unstored(self) -> Seat:
        """The whole conversation is said again where nothing is kept; what was computed for it is reused by its content."""
        repository, place = self._runtime.repository, self._place
        stored: list[Message] = []
        if place.after is not None:
            stored = repository.messages(place.after.commit.hex)
        elif place.conversation is not None:
            stored = repository.messages(place.conversation)
        session = self._held = self._runtime.ephemeral()
        said = (*stored, *self._said(stored))
        note = new_note(new_name(secrets.token_hex(8)), echo(self._body, self._runtime.model.name), self._body.called())
        return Seat(session, None, said, "stateless", note=note)

    def _following(self, after: Stored) -> Seat:
        stored = self._runtime.repository.messages(after.commit.hex)
        session = self._at(after)
        if session is not None:
            return self._seat(session, "extended", stored)
        fork = self._fork(None, after.session, after.session, after.commit)
        note = f"Another answer follows that response already, so this one went to the new session {self._name}."
        return self._seat(fork, "forked", stored, note)

    def _at(self, after: Stored) -> SessionPort | None:
        """The session of a response, held, if it still stands there and nobody else uses it."""
        self._jobs.make_way(after.session)
        try:
            self._warm.reserve(after.session)
        except SessionBusy:
            return None
        session = None
        try:
            session = self._warm.open(after.session, create=False)
            session.acquire()
            if session.head.turn == after.commit.turn:
                self._name, self._held = after.session, session
                return session
        except SessionBusy:
            self._warm.discard(after.session, session)
            return None
        except BaseException:
            self._warm.discard(after.session, session)
            raise
        self._warm.give_back(after.session, session)
        return None

    def _seat(self, session: SessionPort, how: str, stored: list[Message], *notes: str) -> Seat:
        name = str(self._name)
        answer = new_name(self._runtime.repository.info(name).uid)
        note = new_note(answer, echo(self._body, self._runtime.model.name), self._body.called())
        return Seat(session, name, self._said(stored), how, notes, note)

    def _said(self, stored: list[Message]) -> tuple[Message, ...]:
        return instructed(self._body.instructions, stored, self._incoming)


def instructed(told: str | None, stored: Sequence[Message], incoming: Sequence[Message]) -> tuple[Message, ...]:
    """The new messages, led by the instructions where the conversation was not given the same last."""
    given = next((message.content for message in reversed(stored) if message.role == "system"), None)
    return (Message("system", told), *incoming) if told and told != given else tuple(incoming)
