"""The time of one recall among 100,000 and 1,000,000 episodes, and what it misses: `python -m benchmarks.search --help`."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from . import _machine
from ._corpus import text
from ._facts import facts
from ._measure import Clock, Key, Sample, Table
from ._report import medians, show_load, verdicts_table
from ._targets import Target, judge

SIZES = {100_000: "100k", 1_000_000: "1m"}
BATCH = 20_000
WORDS, ZIPF = 200_000, 1.05
WORDS_PER_TEXT = 20
SENTENCES = 1500
NEAREST = 10
ALLOWED = 0.75
"""The share of all episodes that the searching branch remembers; the rest belongs to its sibling."""

SHOWN = ("total_ms", "embed_ms", "search_ms", "new_branch_ms")

TARGETS = {
    "search_ms_100k": Target(
        20, False, "ms", "question, also with the one before, to hits among 100,000 episodes; filter on"
    ),
    "search_ms_1m": Target(50, False, "ms", "the same among 1,000,000"),
    "recall_100k": Target(0.95, True, "", "share of the ten truly nearest that the vector search finds, fork filter on"),
    "recall_1m": Target(0.95, True, "", "the same among 1,000,000, where the search is approximate"),
    "new_branch_ms_1m": Target(
        None, False, "ms", "the first search of a branch, which builds its filter, without embedding"
    ),
}

REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""

Vectors = NDArray[np.float32]


@dataclass
class Exact:
    """The exact nearest of the test questions, kept up to date while episodes are made."""

    questions: Vectors
    scores: Vectors
    ids: NDArray[np.int64]

    @classmethod
    def of(cls, questions: Vectors) -> Exact:
        shape = (len(questions), NEAREST)
        return cls(questions, np.full(shape, -2.0, np.float32), np.zeros(shape, np.int64))

    def see(self, ids: NDArray[np.int64], vectors: Vectors) -> None:
        scores = np.concatenate([self.scores, self.questions @ vectors.T], axis=1)
        names = np.concatenate([self.ids, np.broadcast_to(ids, (len(self.questions), len(ids)))], axis=1)
        best = np.argpartition(-scores, NEAREST, axis=1)[:, :NEAREST]
        self.scores = np.take_along_axis(scores, best, axis=1)
        self.ids = np.take_along_axis(names, best, axis=1)


class World:
    """Synthetic episodes: vectors around those of real sentences, texts of words as frequent as words are."""

    def __init__(self, encoder: Any, sentences: Sequence[str]) -> None:
        self.encoder = encoder
        self.anchors: Vectors = encoder.encode(sentences)
        self.draw = np.random.default_rng(7)
        frequency = np.arange(1, WORDS + 1) ** -ZIPF
        self.ends = np.cumsum(frequency / frequency.sum())
        self.names = np.array([f"w{number}" for number in range(WORDS)])

    def vectors(self, n: int) -> Vectors:
        """An anchor plus a part of the way from one anchor to another, as float16 keeps it."""
        a, b, c = (self.anchors[self.draw.integers(0, len(self.anchors), n)] for _ in range(3))
        mixed = a + 0.9 * self.draw.random((n, 1), dtype=np.float32) * (b - c)
        found: Vectors = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)
        return found

    def texts(self, n: int) -> list[str]:
        numbers = np.searchsorted(self.ends, self.draw.random((n, WORDS_PER_TEXT))).clip(0, WORDS - 1)
        return [" ".join(words) for words in self.names[numbers]]

    def episodes(self, start: int, vectors: Vectors, texts: list[str]) -> Iterator[tuple[bytes, Any]]:
        from perdure.memory.episodes import Episode, pack_vector

        for number, (vector, said) in enumerate(zip(vectors, texts, strict=True), start):
            digest = sha256(number.to_bytes(8, "little")).digest()
            packed = pack_vector(vector)
            place = (number, 0, 0, 0, 1, b"", 0)
            yield (
                digest,
                Episode(digest[:8].hex(), said, "user", "s", *place, self.encoder.identity, packed, b"", (), None),
            )


@dataclass
class Run:
    """One growing library and what was measured on it."""

    world: World
    shelf: Any
    exact: Exact
    reps: int
    table: Table
    metrics: dict[str, float]
    allowed: list[NDArray[np.int64]]
    last: list[str]

    def grow(self, size: int) -> None:
        from perdure.memory.recall import id_of

        for start in range(len(self.shelf), size, BATCH):
            vectors, texts = self.world.vectors(BATCH), self.world.texts(BATCH)
            entries = list(self.world.episodes(start, vectors, texts))
            self.shelf.sync(entries)
            ids = np.array([id_of(digest) for digest, _ in entries], dtype=np.int64)
            ours = self.world.draw.random(BATCH) < ALLOWED
            self.exact.see(ids[ours], vectors[ours])
            self.allowed.append(ids[ours])
            self.last = texts

    def measure(self, size: int) -> None:
        from perdure.memory.recall import Branch

        name = SIZES[size]
        ids = np.sort(np.concatenate(self.allowed))
        fresh = [self._one(number, Branch((name, number), ids)) for number in range(3)]
        warm = [self._one(number, Branch((name, 0), ids)) for number in range(self.reps + 3)][3:]
        self.table.add("recall", size, {Key("perdure"): warm})
        self.table.add("recall", size, {Key("perdure"): [{"new_branch_ms": sample["search_ms"]} for sample in fresh]})
        self.metrics[f"search_ms_{name}"] = float(np.median([sample["total_ms"] for sample in warm]))
        self.metrics[f"new_branch_ms_{name}"] = float(np.median([sample["search_ms"] for sample in fresh]))
        self.metrics[f"recall_{name}"] = self._recall(Branch((name, 0), ids))

    def _one(self, number: int, branch: Any) -> Sample:
        from perdure.memory.recall import Query, Wording

        asked = f"{self._question(number)} {' '.join(self.last[number].split()[:5])}"
        wider = f"{self._question(number + 1)} {asked}"
        clock = Clock()
        vector, both = self.world.encoder.together([asked, wider])
        embedded = clock.ms
        self.shelf.search(Query(asked, vector, branch, Wording(wider, both)), 3)
        return {"embed_ms": embedded, "search_ms": clock.ms - embedded, "total_ms": clock.ms}

    def _question(self, number: int) -> str:
        asked = facts()
        return asked[number * 7 % len(asked)].question

    def _recall(self, branch: Any) -> float:
        from perdure.stores.slots import Selector

        allowed, found = Selector(branch.ids), 0
        for question, ids in zip(self.exact.questions, self.exact.ids, strict=True):
            found += len(np.intersect1d(self.shelf._vectors.search(question, NEAREST, allowed).ids, ids))
        return found / self.exact.ids.size


def main() -> None:
    args = _arguments()
    cores = _machine.pin(args.threads)
    before = _machine.load()
    console = Console()
    run = _prepare(args)
    for size in [size for size in SIZES if size == min(SIZES) or not args.quick]:
        clock = Clock()
        run.grow(size)
        console.print(f"{size:,} episodes after {clock.ms / 1e3:.0f} s", highlight=False)
        run.measure(size)
    result: dict[str, Any] = {
        "machine": _machine.described(Path.cwd(), cores, before),
        "rows": run.table.to_list(),
        "metrics": run.metrics,
    }
    console.print(medians(result["rows"], SHOWN))
    console.print(verdicts_table(judge(run.metrics, TARGETS, REASONS), "Targets"))
    show_load(console, result["machine"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


def _prepare(args: argparse.Namespace) -> Run:
    from perdure.memory.recall import Library
    from perdure.places import default_cache
    from perdure.runtime.encoder import load

    encoder = load(args.cache or default_cache())
    world = World(encoder, _sentences())
    questions = np.concatenate([encoder.encode([fact.question for fact in facts()[::9]]), world.vectors(50)])
    library = Library(encoder.identity, encoder.dim)
    return Run(world, library, Exact.of(questions), args.reps, Table(), {}, [], [])


def _sentences() -> list[str]:
    """Sentences of this repository's pages, of the fact set, and made ones."""
    pages = "\n\n".join(page.read_text() for page in sorted(Path(__file__).parents[1].rglob("*.md")))
    written = [" ".join(part.split()) for part in re.split(r"(?<=[.!?])\s+|\n\s*\n", pages)]
    said = [fact.text for fact in facts()]
    return [part for part in written if 30 < len(part) < 200][:SENTENCES] + said + [text(12, seed) for seed in range(300)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100,000 episodes only")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    parser.add_argument("--reps", type=int, default=40, help="searches per size")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, help="where pulled models lie")
    return parser.parse_args()


if __name__ == "__main__":
    main()
