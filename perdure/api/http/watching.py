"""What becomes of the sessions, found by looking at where they stand: whoever moved them, this process or another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import NotFound, PerdureError
from ...memory.events import EVICT, RECALL
from ...memory.records import Commit
from ...stores.base import Digest, RefLogEntry
from .feed import Feed
from .ports import RepositoryPort
from .warm import WarmSessions

log = logging.getLogger("perdure.http")

EVERY = 0.25
"""Seconds between two looks."""

FORK = "fork of "

Told = tuple[str, Mapping[str, Any]]


class Watcher:
    """Tells a feed of sessions that were made, removed, moved, loaded and unloaded, and of new commits."""

    def __init__(self, repository: RepositoryPort, warm: WarmSessions, feed: Feed) -> None:
        self._repository = repository
        self._warm = warm
        self._feed = feed
        self._heads = repository.heads()
        self._loaded: set[str] = set()
        self._looking = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="perdure-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Look no more. Safe to repeat."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Tell what has changed since the last look."""
        with self._looking:
            try:
                self._compare()
            except PerdureError as error:
                log.warning("what became of the sessions could not be read: %s", error)

    def _loop(self) -> None:
        while not self._closing.wait(EVERY):
            self.look()

    def _compare(self) -> None:
        before, self._heads = self._heads, self._repository.heads()
        if self._heads is not before:
            self._tell(before)
        loaded = {kept.name for kept in self._warm.kept() if kept.since is not None}
        for name in loaded - self._loaded:
            self._feed.tell("session.loaded", name)
        for name in self._loaded - loaded:
            self._feed.tell("session.unloaded", name)
        self._loaded = loaded

    def _tell(self, before: Mapping[str, Digest]) -> None:
        for name in before.keys() - self._heads.keys():
            self._feed.tell("session.deleted", name)
        for name, head in self._heads.items():
            if before.get(name) != head:
                self._moved(name, before.get(name))

    def _moved(self, name: str, before: Digest | None) -> None:
        try:
            for entry in _since(self._repository.reflog(name), before, self._heads[name]):
                for kind, data in self._story(entry):
                    self._feed.tell(kind, name, **data)
        except NotFound:
            # Removed or collected meanwhile: the next look tells that it is gone.
            return

    def _story(self, entry: RefLogEntry) -> Iterator[Told]:
        commit = self._repository.resolve((entry.new or b"").hex())
        if entry.old is None:
            forked = entry.reason.removeprefix(FORK) if entry.reason.startswith(FORK) else None
            yield "session.created", {"commit": commit.hex, "reason": entry.reason, "forked_from": forked}
        elif entry.old in commit.parents:
            yield "commit.created", {**_about(commit), "parent": entry.old.hex()}
            yield from self._remembered(self._repository.resolve(entry.old.hex()), commit)
        else:
            yield "branch.moved", {"commit": commit.hex, "previous": entry.old.hex(), "reason": entry.reason}

    def _remembered(self, before: Commit, commit: Commit) -> Iterator[Told]:
        """What a commit changed of what is remembered and known."""
        held = [{entry.id for entry in self._repository.remembered(each)} for each in (before, commit)]
        known = [{record.id for record in self._repository.ledger(each)} for each in (before, commit)]
        for tier, (old, new) in (("episodic", held), ("fast-weights", known)):
            if new - old:
                yield "memory.learned", {"tier": tier, "ids": sorted(new - old), "commit": commit.hex}
            if old - new:
                yield "memory.forgotten", {"tier": tier, "ids": sorted(old - new), "commit": commit.hex}
        for event in self._repository.events(commit)[len(self._repository.events(before)) :]:
            if event.kind == EVICT:
                yield "memory.evicted", {"before_token": event.detail["upto"], "commit": commit.hex}
            elif event.kind == RECALL:
                yield "memory.recalled", {"memories": len(event.detail["chunks"]), "commit": commit.hex}


def _about(commit: Commit) -> dict[str, Any]:
    return {"commit": commit.hex, "kind": commit.kind, "title": commit.title, "turn": commit.turn, "tokens": commit.tokens}


def _since(entries: list[RefLogEntry], before: Digest | None, now: Digest) -> list[RefLogEntry]:
    """The moves of a branch from one place to another; of one that was made anew those since then."""
    moves: list[RefLogEntry] = []
    for entry in reversed(entries):
        if entry.new == before or entry.new is None:
            break
        moves.append(entry)
    found = moves[::-1]
    return found or [RefLogEntry(0, before, now, 0, "moved")]
