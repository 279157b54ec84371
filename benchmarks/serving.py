"""Many sessions at once: tokens a second in shared forwards and one at a time: `python -m benchmarks.serving --help`."""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from perdure.config import STORED, WEIGHTS

from . import _machine
from ._corpus import Corpus
from ._measure import Clock, Key, Sample, Table, interleave
from ._report import medians, show_load, verdicts_table
from ._targets import Target, judge

COUNTS = (1, 2, 4, 8)
SHARED, ALONE = "perdure", "one at a time"
SHOWN = ("tokens_per_s", "cpu_ms", "gap_ms", "gap_max_ms", "chunk_ms")
PROMPT = 2048
CHUNKS = PROMPT // 128
ASKED = "Tell me a very long story about the sea, with many ships and many captains. It begins so: "

TARGETS: dict[str, Target] = {
    "aggregate_8_over_1": Target(3, True, "x", "tokens a second of 8 sessions at once / of one"),
    "aggregate_4_over_1": Target(None, True, "x", "the same of 4"),
    "aggregate_2_over_1": Target(None, True, "x", "the same of 2"),
    "aggregate_8_over_unshared": Target(None, True, "x", "8 sessions in shared forwards / the same 8 one at a time"),
    "cpu_8_over_1": Target(None, True, "x", "processor time of a token of one session / of 8 at once, whatever the load"),
    "gap_over_chunk": Target(
        2, False, "x", "median time between two tokens while a prompt of 2,048 comes / one of its forwards"
    ),
    "exact_sessions": Target(1, True, "", "share of sessions with the tokens and last logits that they have alone"),
}
REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""


@dataclass
class Run:
    """The settings of one run, and the rows and metrics so far."""

    args: argparse.Namespace
    runtimes: dict[str, Any]
    corpus: Corpus
    table: Table = field(default_factory=Table)
    metrics: dict[str, float] = field(default_factory=dict)
    _names: Any = field(default_factory=itertools.count)
    _said: dict[tuple[str, int], list[Any]] = field(default_factory=dict)

    def session(self, system: str, number: int) -> Any:
        """A new session, the draws of whose answer are those of its number."""
        runtime, name = self.runtimes[system], f"s{next(self._names)}"
        runtime.repository.create(name, runtime.recipe, seed=number + 1)
        return runtime.session(name)

    def prompt(self, number: int) -> str:
        return ASKED + self.corpus.message(60 + 37 * number, seed=number + 1)

    def new_prompt(self) -> str:
        """A long one of other words than any before: what is stored of a prompt is not computed again."""
        return self.corpus.message(PROMPT, seed=next(self._names) + 100)

    def answers(self, system: str, count: int) -> Sample:
        """`count` sessions answer at once; the clock runs once each has its first token, and ends before the commits."""
        sessions = [self.session(system, number) for number in range(count)]
        settings = {"max_tokens": self.args.tokens, "temperature": 0.8}
        streams = [session.stream(self.prompt(n), **settings) for n, session in enumerate(sessions)]
        for stream in streams:
            next(stream)
        clock, cpu = Clock(), time.process_time()
        tokens = sum(_at_once([partial(_read, stream, self.args.tokens - 1) for stream in streams]))
        took, worked = clock.ms, 1e3 * (time.process_time() - cpu)
        for number, (session, stream) in enumerate(zip(sessions, streams, strict=True)):
            stream.close()
            self._said.setdefault((system, number), []).append((stream.tokens, session.logits()))
            session.close()
        return {"tokens_per_s": 1e3 * tokens / took, "cpu_ms": worked / tokens}

    def aggregate(self) -> None:
        variants = {
            Key(f"{system} x{count}"): partial(self.answers, system, count) for count in COUNTS for system in self.runtimes
        }
        results = interleave(variants, self.args.reps)
        self.table.add("aggregate", self.args.tokens, results)
        found = {key.system: statistics.median(s["tokens_per_s"] for s in samples) for key, samples in results.items()}
        for count in COUNTS[1:]:
            self.metrics[f"aggregate_{count}_over_1"] = found[f"{SHARED} x{count}"] / found[f"{SHARED} x1"]
        cpu = {key.system: statistics.median(s["cpu_ms"] for s in samples) for key, samples in results.items()}
        self.metrics["cpu_8_over_1"] = cpu[f"{SHARED} x1"] / cpu[f"{SHARED} x8"]
        self.metrics["aggregate_8_over_unshared"] = found[f"{SHARED} x8"] / found[f"{ALONE} x8"]

    def exact(self) -> None:
        """Every answer of a session, in whatever company it was made, against the first one that it gave alone."""
        wanted = {number: said[0] for (system, number), said in self._said.items() if system == ALONE}
        same = [_same(each, wanted[number]) for (_, number), said in self._said.items() for each in said]
        self.metrics["exact_sessions"] = sum(same) / len(same)

    def stall(self) -> None:
        """Two sessions answer while a third one's prompt is absorbed."""
        samples = [self._stalled() for _ in range(self.args.reps)]
        self.table.add("prompt meanwhile", PROMPT, {Key(SHARED): samples}, "2 sessions answer")
        gap, chunk = (statistics.median(sample[name] for sample in samples) for name in ("gap_ms", "chunk_ms"))
        self.metrics["gap_over_chunk"] = gap / chunk

    def _stalled(self) -> Sample:
        newcomer, prompt = self.session(SHARED, 9), self.new_prompt()
        alone = Clock()
        with newcomer.stream(prompt, max_tokens=1) as stream:
            next(stream)
        chunk = alone.ms / CHUNKS
        newcomer.close()
        done, gaps = threading.Event(), []

        def answer(number: int) -> int:
            session = self.session(SHARED, number)
            with session.stream(self.prompt(number), max_tokens=400, temperature=0.8) as stream:
                next(stream)
                ready.wait()
                clock = Clock()
                for _ in stream:
                    gaps.append(clock.ms)
                    clock = Clock()
                    if done.is_set():
                        break
            session.close()
            return 0

        def absorb() -> int:
            session, prompt = self.session(SHARED, 9), self.new_prompt()
            ready.wait()
            with session.stream(prompt, max_tokens=1) as stream:
                next(stream)
                done.set()
            session.close()
            return 0

        ready = threading.Barrier(3)
        _at_once([partial(answer, 0), partial(answer, 1), absorb])
        return {"gap_ms": statistics.median(gaps), "gap_max_ms": max(gaps), "chunk_ms": chunk}


def _read(stream: Any, tokens: int) -> int:
    return sum(1 for _ in itertools.islice(stream, tokens))


def _same(found: tuple[Any, Any], wanted: tuple[Any, Any]) -> bool:
    import torch

    return bool(found[0] == wanted[0] and torch.equal(found[1], wanted[1]))


def _at_once(calls: Sequence[Callable[[], int]]) -> list[int]:
    found: list[int | BaseException] = [0] * len(calls)

    def run(number: int) -> None:
        try:
            found[number] = calls[number]()
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in found:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in found if isinstance(outcome, int)]


def main() -> None:
    args = _arguments()
    cores = _machine.pin(args.threads, args.cpus)
    before = _machine.load()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="perdure-serving-") as work:
        run = _prepare(args, Path(work))
        found = {"together": run.runtimes[SHARED].engine.together}
        for part in (run.aggregate, run.exact, run.stall):
            part()
        result: dict[str, Any] = {
            "model": args.model,
            "weights": args.weights,
            **found,
            "machine": _machine.described(Path(work), cores, before),
            "rows": run.table.to_list(),
            "metrics": run.metrics,
        }
        for runtime in run.runtimes.values():
            runtime.close()
    console.print(medians(result["rows"], SHOWN))
    console.print(verdicts_table(judge(run.metrics, TARGETS, REASONS), "Targets"))
    show_load(console, result["machine"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


def _prepare(args: argparse.Namespace, work: Path) -> Run:
    import perdure
    from perdure.runtime.models import resolve

    runtimes = {
        system: perdure.open(
            args.model,
            work / system,
            weights=args.weights,
            threads=args.threads,
            cache=args.cache,
            batching=system == SHARED,
            speculate=False,
        )
        for system in (ALONE, SHARED)
    }
    runtimes[SHARED].prepare()
    return Run(args, runtimes, Corpus(resolve(args.model, args.cache)))


def _arguments() -> argparse.Namespace:
    from perdure.places import default_cache

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--weights", default=STORED, choices=WEIGHTS, help="how linear layers hold their weights")
    parser.add_argument("--tokens", type=int, default=24, help="tokens of each answer")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cpus", type=int, nargs="*", default=(), help="the cores to run on (the highest ones)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where pulled models lie")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
