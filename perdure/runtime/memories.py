"""What can be recalled: the episodes of a store, searched by what they mean and by their words."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from blake3 import blake3

from ..errors import ObjectCorrupt, ObjectMissing
from ..memory.episodes import Episode, pack_vector
from ..memory.facts import Likeness
from ..memory.recall import FOLDER, THRESHOLD, Branch, Hit, Library, Query, Wording, ids_of, sweep
from ..memory.records import Commit
from ..memory.remembering import Entry
from ..memory.repository import Repository
from ..stores.base import Digest
from ..stores.slots import Ids
from .encoder import SentenceEncoder, asked


class View(NamedTuple):
    """What one commit may recall: the list's root, its entries, and their numbers in the index, ascending."""

    root: Digest | None
    entries: list[Entry]
    ids: Ids

    @property
    def branch(self) -> Branch:
        return Branch(self.root, self.ids)


class Match(NamedTuple):
    """One episode that a search looked at, and how it did."""

    episode: Episode
    hit: Hit


class Memories:
    """The searchable episodes of one store. Thread safe. The encoder is loaded when it is first needed."""

    def __init__(self, repository: Repository, load_encoder: Callable[[], SentenceEncoder]) -> None:
        self._repository = repository
        self._load_encoder = load_encoder
        self._lock = threading.RLock()
        self._library: Library | None = None
        self._unsaved = False
        self._added: set[Digest | None] = set()

    @property
    def indexed(self) -> int:
        """How many episodes are in the index now; the next search may add some."""
        with self._lock:
            return 0 if self._library is None else len(self._library)

    @cached_property
    def encoder(self) -> SentenceEncoder:
        """Turns texts into vectors. Raises ModelNotFound where it is not on this machine."""
        return self._load_encoder()

    @cached_property
    def likeness(self) -> Likeness:
        """Finds relations for statements of no known form."""
        return Likeness(self.encoder.encode)

    def view(self, commit: Commit, base: View | None = None) -> View:
        """What a commit may recall; `base` is the view of a commit whose list this one's only adds to."""
        root = commit.state.episodes if commit.state else None
        if base is not None and base.root == root:
            return base
        known = base or View(None, [], np.empty(0, np.int64))
        fresh = self._repository.remembered(commit, len(known.entries))
        ids = np.union1d(known.ids, ids_of(entry.digest for entry in fresh))
        return View(root, [*known.entries, *fresh], ids)

    def everything(self, commits: Iterable[Commit]) -> View:
        """What any of the commits may recall."""
        entries = {entry.digest: entry for commit in commits for entry in self._repository.remembered(commit)}
        return View(blake3(b"".join(sorted(entries))).digest(), list(entries.values()), ids_of(entries))

    def search(self, view: View, question: str, k: int = 8, threshold: float = THRESHOLD) -> list[Match]:
        """Every episode worth looking at, best first; `hit.dropped` says why one is not recalled."""
        hits = self.hits(view, question, k, threshold)
        found = self._repository.episodes([hit.digest for hit in hits])
        return [Match(episode, hit) for episode, hit in zip(found, hits, strict=True)]

    def hits(self, view: View, question: str, k: int, threshold: float, *, before: str = "") -> list[Hit]:
        """The same without the episodes themselves. `before` is what was said before the question."""
        if not view.entries:
            return []
        texts = [question, *([f"{before} {question}"] if before else [])]
        vector, *wider = asked(self.encoder, texts)
        wording = Wording(texts[1], wider[0]) if wider else None
        with self._lock:
            self._add(view)
            return self._shelf.explain(Query(question, vector, view.branch, wording), k, threshold)

    def weights(self, view: View, text: str) -> dict[str, float]:
        """What each word of a text tells within a view, as a share of what all of them tell."""
        return self._shelf.weights(text, view.branch)

    def index(self, view: View) -> None:
        """Take in now what the index lacks of a view; the next search would do so otherwise."""
        with self._lock:
            self._add(view)

    def forget(self) -> None:
        """What no session remembers any more leaves the index and its files."""
        with self._lock:
            if self._library is None:
                sweep(self._folder, self._repository.held())
            else:
                self._save(self._library)

    def close(self) -> None:
        """Write the index beside the store, if there is anything new in it."""
        with self._lock:
            if self._library is not None and self._unsaved:
                self._save(self._library)

    def _save(self, library: Library) -> None:
        library.retain(self._repository.held())
        self._added.clear()
        library.save(self._folder)
        self._unsaved = False

    @property
    def _folder(self) -> Path:
        return self._repository.path / FOLDER

    @property
    def _shelf(self) -> Library:
        if self._library is None:
            with contextlib.suppress(ObjectMissing, ObjectCorrupt):
                self._library = Library.load(self._folder, self.encoder.identity, self.encoder.dim)
        if self._library is None:
            self._library = Library(self.encoder.identity, self.encoder.dim)
        return self._library

    def _add(self, view: View) -> None:
        """Take in what the index lacks of a view."""
        if view.root in self._added:
            return
        missing = self._shelf.missing(entry.digest for entry in view.entries)
        if missing:
            self._shelf.sync(self._ours(missing))
            self._unsaved = True
        self._added.add(view.root)

    def _ours(self, digests: Sequence[Digest]) -> Iterator[tuple[Digest, Episode]]:
        """The episodes, those of another encoder with vectors of ours."""
        for digest, episode in zip(digests, self._repository.episodes(digests), strict=True):
            if episode.encoder == self.encoder.identity:
                yield digest, episode
            else:
                vector = pack_vector(self.encoder.encode([episode.text])[0])
                yield digest, replace(episode, encoder=self.encoder.identity, embedding=vector)
