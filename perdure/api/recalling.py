"""What both interfaces ask of memory: a search over sessions, and the story of what a turn recalled and knew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..config import MemoryOptions
from ..errors import InvalidInput, ObjectCorrupt, ObjectMissing
from ..stores.base import Digest

if TYPE_CHECKING:
    from ..memory.episodes import Episode
    from ..memory.events import Event
    from ..memory.recall import Hit
    from ..memory.records import Commit, SessionInfo
    from ..memory.remembering import Entry
    from ..runtime.memories import Match, View

NO_ROOM = "there was no room for it"

REVISED = frozenset({"memory", "teach", "unteach", "refuse", "mount", "describe", "merge"})
"""Kinds of commits that no turn made."""


class History(Protocol):
    """What is read of a store."""

    def sessions(self) -> list[SessionInfo]: ...

    def info(self, name: str) -> SessionInfo: ...

    def resolve(self, rev: str, session: str | None = None) -> Commit: ...

    def events(self, commit: Commit) -> list[Event]: ...

    def remembered(self, commit: Commit, start: int = 0) -> list[Entry]: ...

    def beginning(self, commit: Commit, digits: str) -> list[Entry]: ...

    def episodes(self, digests: Iterable[Digest]) -> list[Episode]: ...

    def trace(self, commit: Commit) -> Mapping[str, Any] | None: ...


class Searched(Protocol):
    """What finds memories; the first search loads the sentence encoder."""

    def everything(self, commits: Iterable[Commit]) -> View: ...

    def search(self, view: View, question: str, k: int = ..., threshold: float = ...) -> list[Match]: ...


class Found(NamedTuple):
    """One memory that a search looked at, and the sessions that remember it."""

    episode: Episode
    hit: Hit
    sessions: tuple[str, ...]


class Considered(NamedTuple):
    """A memory that a turn looked at. `episode` None: it is no longer stored. `dropped` is empty for those it recalled."""

    digest: Digest
    episode: Episode | None
    similarity: float
    words: float
    score: float
    dropped: str


class Chosen(NamedTuple):
    """A memory that a turn recalled: its place among the recalled tokens, and the share of attention it received."""

    digest: Digest
    episode: Episode | None
    at: int
    tokens: int
    bias: float
    mass: float | None
    by_token: tuple[float, ...]
    by_layer: tuple[float, ...]


class Judged(NamedTuple):
    """A fast-weight record whose subject a turn named: how near the question came to its own texts and to those that are to
    keep it closed, and by how many nats the model found it likelier with the record's statement (None: it was not asked).
    `closed` says why it was not opened; it is empty for those that were.
    """

    digest: Digest
    id: str
    statement: str
    score: float
    against: float
    gain: float | None
    closed: str


class Told(NamedTuple):
    """What a commit's turn recalled, which fast weights it opened, and why.

    `position` is the token before which memories were put; None: as text. `mode` is empty where nothing was recalled.
    """

    commit: Commit
    query: str
    mode: str
    position: int | None
    considered: tuple[Considered, ...]
    chosen: tuple[Chosen, ...]
    records: tuple[Judged, ...] = ()

    @property
    def recalled(self) -> bool:
        return bool(self.mode)

    @property
    def opened(self) -> tuple[Judged, ...]:
        """The records that acted on the answer."""
        return tuple(item for item in self.records if not item.closed)

    @property
    def best(self) -> Chosen:
        """The recalled memory that fitted the question best."""
        scores = {item.digest: item.score for item in self.considered}
        return max(self.chosen, key=lambda item: scores.get(item.digest, 0.0))


def search(
    history: History,
    memories: Searched,
    question: str,
    *,
    sessions: Sequence[str] = (),
    k: int = 8,
    threshold: float | None = None,
    explain: bool = False,
) -> list[Found]:
    """The memories of some sessions (none: of all) that a question calls for, best first.

    With `explain` also those that were looked at and dropped. Raises InvalidInput, SessionNotFound or ModelNotFound.
    """
    if not question.strip():
        raise InvalidInput("There is nothing to search for; give some words.")
    infos = [history.info(name) for name in dict.fromkeys(sessions)] if sessions else history.sessions()
    holders = holding(history, infos)
    view = memories.everything([info.head for info in infos])
    matches = memories.search(view, question, k, MemoryOptions().threshold if threshold is None else threshold)
    found = [Found(match.episode, match.hit, tuple(holders[match.hit.digest])) for match in matches]
    return [item for item in found if explain or not item.hit.dropped]


def holding(history: History, infos: Iterable[SessionInfo]) -> dict[Digest, list[str]]:
    """Which of the sessions remember each episode."""
    holders: dict[Digest, list[str]] = {}
    for info in infos:
        for entry in history.remembered(info.head):
            holders.setdefault(entry.digest, []).append(info.name)
    return holders


def beginning(history: History, digits: str, session: str | None = None) -> dict[str, list[Entry]]:
    """What one session (None: each of them) remembers under ids that begin so; sessions that have none are left out."""
    infos = history.sessions() if session is None else [history.info(session)]
    held = {info.name: history.beginning(info.head, digits) for info in infos}
    return {name: entries for name, entries in held.items() if entries}


def last_turn(history: History, rev: str, session: str | None = None) -> Commit:
    """The last answer at or before a revision: changes of what is remembered or known are passed over."""
    commit = history.resolve(rev, session)
    while commit.kind in REVISED and commit.parents:
        commit = history.resolve(commit.parents[0].hex())
    return commit


def told(history: History, commit: Commit) -> Told | None:
    """What a commit's turn recalled and which fast weights it opened; None where it did neither."""
    trace = history.trace(commit)
    if trace is None:
        return None
    records = tuple(_judged(item) for item in trace.get("records", ()))
    if "mode" not in trace:
        return Told(commit, "", "", None, (), (), records)
    chosen = tuple(_chosen(history, item) for item in trace["chosen"])
    recalled = {item.digest for item in chosen}
    looked_at = tuple(_considered(history, item, recalled) for item in trace["considered"])
    places = [event.position for event in history.events(commit) if event.kind == "recall"]
    position = places[-1] if places and trace["mode"] == "kv" else None
    return Told(commit, trace["query"], trace["mode"], position, looked_at, chosen, records)


def chosen(history: History, commit: Commit) -> tuple[Chosen, ...]:
    """What the turn that made a commit had before it, and which was taken out again at its end."""
    story = told(history, commit)
    return () if story is None else story.chosen


def _judged(item: Mapping[str, Any]) -> Judged:
    scores = item["score"], item["against"], item.get("gain")
    return Judged(item["record"], item["id"], item["statement"], *scores, item["closed"])


def _considered(history: History, item: Mapping[str, Any], recalled: set[Digest]) -> Considered:
    digest = item["episode"]
    dropped = item["dropped"] or ("" if digest in recalled else NO_ROOM)
    episode = _episode(history, digest)
    return Considered(digest, episode, item["similarity"], item["words"], item["score"], dropped)


def _chosen(history: History, item: Mapping[str, Any]) -> Chosen:
    shares = item.get("mass"), tuple(item.get("by_token", ())), tuple(item.get("by_layer", ()))
    episode = _episode(history, item["episode"])
    return Chosen(item["episode"], episode, item["at"], item["tokens"], item["bias"], *shares)


def _episode(history: History, digest: Digest) -> Episode | None:
    try:
        return history.episodes([digest])[0]
    except (ObjectMissing, ObjectCorrupt):
        return None
