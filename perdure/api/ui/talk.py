"""What was said in a session, read from its end backwards, each answer with the commit that it made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...client import AsyncClient
from ...client.results import Commit, Message, Page

PAGE = 30
"""Messages that are read at once."""
COMMITS = 200
ANSWERS = ("turn", "recover")


class Said(NamedTuple):
    """A message, its place in the conversation, and the commit that it is the answer of."""

    number: int
    message: Message
    commit: Commit | None


class Talk:
    """A conversation as far as it has been read.

    `head` is the commit that it is at, `count` how many messages it has there, `first` the place of the first that was read.
    """

    def __init__(self, client: AsyncClient, name: str) -> None:
        self._client = client
        self._name = name
        self._commits: dict[int, Commit] = {}
        self._oldest: Commit | None = None
        self._read_all = False
        self.head = ""
        self.count = 0
        self.first = 0

    async def begin(self) -> list[Said]:
        """The last messages. Raises SessionNotFound."""
        session = await self._client.sessions.get(self._name)
        self._commits, self._oldest, self._read_all = {}, None, False
        self.head, self.count = session.head, session.messages
        self.first = session.messages
        return await self.earlier()

    async def earlier(self) -> list[Said]:
        """The messages before those that were read."""
        if not self.first:
            return []
        after = None if self.first == self.count else f"msg_{self.first}"
        page: Page[Message] = await self._client.sessions.messages(self._name, limit=PAGE, after=after, order="desc")
        found = sorted((each for each in page if place(each) < self.first), key=place)
        self.first = place(found[0]) if found else 0
        await self._read_commits(self.first)
        return self._said(found)

    async def later(self) -> list[Said] | None:
        """What was said since; None where the session was moved, so that all has to be read again."""
        session = await self._client.sessions.get(self._name)
        if session.head == self.head:
            return []
        newest: Page[Commit] = await self._client.sessions.log(self._name, limit=COMMITS)
        if self.head not in [each.id for each in newest]:
            return None
        after = f"msg_{self.count - 1}" if self.count else None
        page: Page[Message] = await self._client.sessions.messages(self._name, limit=1000, after=after, order="asc")
        self._note(reversed(newest.data))
        found = [each for each in page if self.count <= place(each) < session.messages]
        self.head, self.count = session.head, session.messages
        return self._said(found)

    def answered(self, turn: int) -> int | None:
        """The place of a turn's answer, where it has been read."""
        ends = (commit.messages - 1 for commit in self._commits.values() if commit.turn == turn)
        return next((end for end in ends if end >= self.first), None)

    async def _read_commits(self, first: int) -> None:
        """Read commits back to the one that holds no message from `first` on."""
        while not self._read_all and (self._oldest is None or self._oldest.messages > first):
            after = None if self._oldest is None else self._oldest.id
            page: Page[Commit] = await self._client.sessions.log(self._name, limit=COMMITS, after=after)
            for commit in page:
                if commit.kind in ANSWERS:
                    self._commits.setdefault(commit.messages, commit)
                self._oldest = commit
            self._read_all = not page.has_more

    def _note(self, commits: Iterable[Commit]) -> None:
        self._commits.update({each.messages: each for each in commits if each.kind in ANSWERS})

    def _said(self, found: Iterable[Message]) -> list[Said]:
        answers = {each: self._commits.get(place(each) + 1) if each.role == "assistant" else None for each in found}
        return [Said(place(each), each, commit) for each, commit in answers.items()]


def place(message: Message) -> int:
    """The number of a message in its conversation."""
    return int(message.id.removeprefix("msg_"))
