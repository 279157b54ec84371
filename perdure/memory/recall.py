"""The searchable episodes of a store: by meaning, by words, within what a branch remembers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ObjectCorrupt, ObjectMissing
from ..stores import sealed
from ..stores.base import DIGEST_SIZE, Digest
from ..stores.lease import Lease
from ..stores.lexicon import Found, Lexicon
from ..stores.slots import GONE, Ids, Selector, Slots
from ..stores.vectors import Nearest, VectorIndex
from .episodes import Episode, terms, vector

THRESHOLD = 0.38
"""Score below which an episode is not recalled; the first one has to stand out as well (docs/decisions/0013)."""

BACKGROUND = slice(5, 15)
"""The ranks whose mean score says how near anything comes to a question in this memory."""

WORDS_WEIGHT = 0.2
"""What holding all of a question's words counts for, in units of cosine."""

CANDIDATES = 32
"""Episodes that each of the two searches puts forward."""

MAGIC = b"PDNAME1\n"

FOLDER = "index"
"""Below the store: the search indexes, which are made anew from the episodes where they are missing or damaged."""

FILES = ("vectors", "words", "names")

_PATIENCE_MS = 60_000
_BRANCHES = 16
_BATCH = 4096


class Branch(NamedTuple):
    """What one branch may recall: `ids` as `ids_of` gives them, under a key that is another for every other set."""

    key: Hashable
    ids: Ids


class Wording(NamedTuple):
    """A text and its sentence vector, float32 [dim]."""

    text: str
    vector: NDArray[np.float32]


class Query(NamedTuple):
    """A question, its sentence vector, float32 [dim], and whose memory to search (None: every episode).

    `wider` is the question with what was said before it, which a pronoun may need: the mean of both decides.
    """

    text: str
    vector: NDArray[np.float32]
    branch: Branch | None = None
    wider: Wording | None = None


class Hit(NamedTuple):
    """One episode that was looked at.

    `similarity` is the cosine with the question, `words` the share of the question's words that it holds, weighed by how
    telling each is, `bm25` its lexical score and `score` what the order goes by: similarity + WORDS_WEIGHT * words, or the
    mean of that over both wordings of a question. The ranks count from 1 in the list of each search; 0: not in it.
    `dropped` says why it is not recalled; empty: it is.
    """

    digest: Digest
    similarity: float
    words: float
    bm25: float
    score: float
    vector_rank: int
    word_rank: int
    dropped: str = ""


def background(scores: Sequence[float]) -> float:
    """How near a question comes to what it does not ask for: the mean of ranks 6 to 15; 0 for those not there.

    Among many memories the best of the irrelevant ones scores higher than among few, and this rises with it. Equal scores
    count once: a text that is remembered twice is no nearer for it.
    """
    ranked = sorted(set(scores), reverse=True)[BACKGROUND]
    return sum(ranked) / (BACKGROUND.stop - BACKGROUND.start)


class Library:
    """All episodes whose vectors one encoder made. Every method may be called from any thread.

    `encoder` is the encoder's identity and `dim` the length of its vectors.
    """

    def __init__(self, encoder: str, dim: int) -> None:
        self.encoder = encoder
        self._vectors = VectorIndex(dim)
        self._words = Lexicon()
        self._names = _Names()
        self._selectors: OrderedDict[Hashable, Selector] = OrderedDict()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._names)

    def missing(self, digests: Iterable[Digest]) -> list[Digest]:
        """Those of the digests that have not been added."""
        wanted = list(digests)
        with self._lock:
            return [wanted[at] for at in np.flatnonzero(self._names.rows(wanted) < 0)]

    def sync(self, entries: Iterable[tuple[Digest, Episode]]) -> list[Digest]:
        """Add episodes; those that are there already do not matter.

        Returns the digests of episodes that another encoder made: they are left out until they are encoded anew.
        """
        foreign: list[Digest] = []
        for batch in _batches(entries):
            own = [(digest, episode) for digest, episode in batch if episode.encoder == self.encoder]
            foreign += [digest for digest, episode in batch if episode.encoder != self.encoder]
            if own:
                self._add(own)
        return foreign

    def retain(self, digests: Iterable[Digest]) -> int:
        """Take every other episode out; returns how many went. Files that are saved afterwards hold nothing of them."""
        with self._lock:
            ids = np.setdiff1d(self._names.ids, ids_of(digests))
            self._vectors.remove(ids)
            self._words.remove(ids)
            return self._names.remove(ids)

    def search(self, query: Query, k: int, threshold: float = THRESHOLD) -> list[Hit]:
        """The at most `k` episodes to recall, best first: none whose score is below `threshold`."""
        return [hit for hit in self.explain(query, k, threshold) if not hit.dropped]

    def explain(self, query: Query, k: int, threshold: float = THRESHOLD) -> list[Hit]:
        """Every episode that either search put forward, best first, with the reason why it is not recalled, if so."""
        with self._lock:
            hits = sorted(self._candidates(query), key=lambda hit: (-hit.score, hit.digest))
        return list(_judged(hits, k, threshold))

    def save(self, folder: Path) -> None:
        """Write the library to files in a folder, each whole or not at all. Raises StoreError as the disk has it."""
        folder.mkdir(exist_ok=True)
        with _alone(folder):
            self._write(folder)

    def _write(self, folder: Path) -> None:
        vectors, words, names = (folder / file for file in FILES)
        with self._lock:
            self._vectors.save(vectors)
            self._words.save(words)
            self._names.save(names, self.encoder)

    @classmethod
    def load(cls, folder: Path, encoder: str, dim: int) -> Self:
        """The library that was saved in a folder.

        Raises ObjectMissing or ObjectCorrupt where it is not there, not whole, or another encoder's: the caller then starts
        an empty one and syncs all episodes.
        """
        library = cls.saved(folder)
        if (library.encoder, library._vectors.dim) != (encoder, dim):
            raise ObjectCorrupt(f"The indexes in {folder} are of {library.encoder}, not {encoder}; they are made anew.")
        return library

    @classmethod
    def saved(cls, folder: Path) -> Self:
        """The same, whichever encoder made it."""
        vectors, words, names = (folder / file for file in FILES)
        index = VectorIndex.load(vectors)
        loaded, encoder = _Names.load(names)
        library = cls(encoder, index.dim)
        library._vectors, library._words, library._names = index, Lexicon.load(words), loaded
        if not all(np.array_equal(loaded.ids, part.ids) for part in (library._vectors, library._words)):
            raise ObjectCorrupt(f"The indexes in {folder} do not agree with each other; they are made anew from the store.")
        return library

    def _add(self, entries: Sequence[tuple[Digest, Episode]]) -> None:
        ids = np.array([id_of(digest) for digest, _ in entries], dtype=np.int64)
        vectors = np.stack([vector(episode) for _, episode in entries])
        with self._lock:
            self._vectors.add(ids, vectors)
            self._words.add(ids, (terms(episode.text) for _, episode in entries))
            self._names.add(ids, [digest for digest, _ in entries])

    def _selector(self, branch: Branch | None) -> Selector | None:
        if branch is None:
            return None
        if branch.key not in self._selectors:
            self._selectors[branch.key] = Selector(branch.ids)
            if len(self._selectors) > _BRANCHES:
                self._selectors.popitem(last=False)
        self._selectors.move_to_end(branch.key)
        return self._selectors[branch.key]

    def weights(self, text: str, branch: Branch | None = None) -> dict[str, float]:
        """What each word of a text tells in a branch's memory, as a share of what all of them tell."""
        with self._lock:
            return self._words.weights(terms(text), self._selector(branch))

    def _candidates(self, query: Query) -> list[Hit]:
        allowed = self._selector(query.branch)
        asked = [Wording(query.text, query.vector), *([query.wider] if query.wider else [])]
        near = self._vectors.search_all(np.stack([wording.vector for wording in asked]), CANDIDATES, allowed)
        found = [self._words.search(terms(wording.text), CANDIDATES, allowed) for wording in asked]
        ids = np.unique(np.concatenate([*(part.ids for part in near), *(part.ids for part in found)]))
        scores = np.mean([self._scores(wording, ids, allowed) for wording in asked], axis=0)
        words = self._words.score(terms(asked[0].text), ids, allowed)
        return list(self._hits(self._vectors.scores(asked[0].vector, ids), words, scores, near[0], found[0]))

    def _scores(self, wording: Wording, ids: Ids, allowed: Selector | None) -> NDArray[np.float32]:
        words = self._words.score(terms(wording.text), ids, allowed)
        found: NDArray[np.float32] = self._vectors.scores(wording.vector, ids) + WORDS_WEIGHT * words.overlap
        return found

    def _hits(
        self, similarities: NDArray[np.float32], words: Found, scores: NDArray[np.float32], near: Nearest, found: Found
    ) -> Iterator[Hit]:
        near_rank, word_rank, ids = _ranks(near.ids), _ranks(found.ids), words.ids
        numbers = zip(ids.tolist(), similarities.tolist(), words.overlap.tolist(), words.scores.tolist(), strict=True)
        for digest, score, (number, similarity, overlap, bm25) in zip(
            self._names.digests(ids), scores.tolist(), numbers, strict=True
        ):
            yield Hit(digest, similarity, overlap, bm25, score, near_rank.get(number, 0), word_rank.get(number, 0))


class _Names:
    """The digest behind each id."""

    def __init__(self, slots: Slots | None = None, digests: NDArray[np.uint8] | None = None) -> None:
        self._slots = slots or Slots()
        self._digests = np.empty((0, DIGEST_SIZE), np.uint8) if digests is None else digests

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def ids(self) -> Ids:
        return np.sort(self._slots.ids)[self._slots.removed :]

    def rows(self, digests: Sequence[Digest]) -> Ids:
        return self._slots.find(np.array([id_of(digest) for digest in digests], dtype=np.int64))

    def add(self, ids: Ids, digests: Sequence[Digest]) -> None:
        fresh = dict(zip(ids.tolist(), digests, strict=True))
        known = self._slots.find(ids) >= 0
        for number in ids[known].tolist():
            fresh.pop(number, None)
        rows = self._slots.add(np.array(list(fresh), dtype=np.int64))
        if rows.size and rows[-1] >= len(self._digests):
            self._digests = np.resize(self._digests, (int(rows[-1]) * 3 // 2 + _BATCH, DIGEST_SIZE))
        self._digests[rows] = np.frombuffer(b"".join(fresh.values()), dtype=np.uint8).reshape(-1, DIGEST_SIZE)

    def remove(self, ids: Ids) -> int:
        gone = len(self._slots.remove(ids))
        if self._slots.sparse:
            kept = np.flatnonzero(self._slots.ids != GONE)
            self._slots, self._digests = Slots(self._slots.ids[kept]), self._digests[kept]
        return gone

    def digests(self, ids: Ids) -> list[Digest]:
        return [bytes(row) for row in self._digests[self._slots.find(ids)]]

    def save(self, path: Path, encoder: str) -> None:
        kept = np.flatnonzero(self._slots.ids != GONE)
        sealed.write(path, MAGIC, {"encoder": encoder}, [self._digests[kept].tobytes()])

    @classmethod
    def load(cls, path: Path) -> tuple[_Names, str]:
        """The names in a file, and the encoder of their vectors."""
        header, (raw,) = sealed.read(path, MAGIC)
        digests = np.frombuffer(raw, dtype=np.uint8).reshape(-1, DIGEST_SIZE).copy()
        return cls(Slots(digests[:, :8].copy().view("<i8")[:, 0].astype(np.int64)), digests), str(header["encoder"])


def sweep(folder: Path, digests: Iterable[Digest]) -> None:
    """Leave nothing in the saved library but these episodes. Files that are not whole are deleted."""
    if not folder.is_dir():
        return
    with _alone(folder):
        try:
            library = Library.saved(folder)
        except (ObjectMissing, ObjectCorrupt):
            for file in FILES:
                (folder / file).unlink(missing_ok=True)
            return
        if library.retain(digests):
            library._write(folder)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the right to write a folder's files; who else would write them, in this process or another one, waits."""
    lease = Lease(folder / "lock")
    lease.acquire(_PATIENCE_MS)
    try:
        yield
    finally:
        lease.release()


def id_of(digest: Digest) -> int:
    """An episode's number in the indexes: the first 8 bytes of its digest, little-endian, signed."""
    return int.from_bytes(digest[:8], "little", signed=True)


def ids_of(digests: Iterable[Digest]) -> Ids:
    """Ascending, each once: int64 [n]."""
    return np.unique(np.fromiter((id_of(digest) for digest in digests), dtype=np.int64))


def _judged(hits: Iterable[Hit], k: int, threshold: float) -> Iterator[Hit]:
    taken = 0
    for hit in hits:
        if hit.score < threshold:
            yield hit._replace(dropped=f"its score {hit.score:.3f} is below {threshold:.3f}")
        elif taken >= k:
            yield hit._replace(dropped=f"{k} better ones were found" if k != 1 else "a better one was found")
        else:
            taken += 1
            yield hit


def _ranks(ids: Ids) -> dict[int, int]:
    return {number: rank for rank, number in enumerate(ids.tolist(), 1)}


def _batches(entries: Iterable[tuple[Digest, Episode]]) -> Iterator[list[tuple[Digest, Episode]]]:
    left = iter(entries)
    while batch := list(islice(left, _BATCH)):
        yield batch
