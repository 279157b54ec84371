"""Guesses from a session's own past: tokens a second with and without them: `python -m benchmarks.speculate --help`.

Every answer is compared, tokens and last logits, with the one that was made without guesses, before a ratio is told.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from . import _machine
from ._measure import Clock, Key, Sample, Table, interleave
from ._report import medians, show_load, verdicts_table
from ._targets import Target, judge

GUESSING, PLAIN = "guessing", "plain"
SHOWN = ("tokens_per_s", "cpu_ms", "drafted", "accepted")

STORY = (
    "The keeper of the lighthouse at Port Ellery wrote down every ship that passed: its name, its colour and its course. "
    "On the ninth of March a barque with green sails came in from the north, and nobody on the quay knew her. Her captain, "
    "a woman called Ines Calloway, paid the harbour dues in Danish silver and asked for water, lamp oil and eleven sacks of "
    "flour. She stayed for two nights. On the third morning the berth was empty, and a brass compass lay on the bollard."
)
CODE = """def mean(values):
    total = 0
    for value in values:
        total = total + value
    return total / len(values)


def variance(values):
    middle = mean(values)
    total = 0
    for value in values:
        total = total + (value - middle) ** 2
    return total / len(values)


def deviation(values):
    return variance(values) ** 0.5
"""
TASKS: dict[str, tuple[str, float]] = {
    "quote": (f"Repeat the following text word for word, and write nothing else.\n\n{STORY}", 0.0),
    "edit text": (f"Replace the name Ines Calloway by Ruth Maddox in this text, and write all of it:\n\n{STORY}", 0.0),
    "edit code": (f"Write this code again with a docstring in each function:\n\n```python\n{CODE}```", 0.0),
    "edit text, drawn": (
        f"Replace the name Ines Calloway by Ruth Maddox in this text, and write all of it:\n\n{STORY}",
        0.7,
    ),
    "chat": ("What would you pack for a week in the mountains, and why?", 0.0),
    "chat, drawn": ("Tell me about a day that you would like to have at the sea.", 0.8),
}
"""What is asked, and the temperature."""

TARGETS: dict[str, Target] = {
    "gain_quote": Target(1.3, True, "x", "tokens a second of a text that is repeated, guessing / plain"),
    "gain_edit_text": Target(1.3, True, "x", "the same of a text with a name replaced"),
    "gain_edit_code": Target(1.1, True, "x", "the same of code that is written again with docstrings"),
    "gain_edit_text_drawn": Target(None, True, "x", "the text with a name replaced, at temperature 0.7"),
    "gain_chat": Target(0.97, True, "x", "a plain question, greedy: nothing is to be lost"),
    "gain_chat_drawn": Target(0.97, True, "x", "the same at temperature 0.8"),
    "cpu_quote": Target(None, True, "x", "processor time of a token of a repeated text, plain / guessing"),
    "exact_answers": Target(1, True, "", "share of answers with the tokens and last logits that they have without guesses"),
}
REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""


@dataclass
class Run:
    """The settings of one run, and the rows and metrics so far."""

    args: argparse.Namespace
    runtime: Any
    table: Table = field(default_factory=Table)
    metrics: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    _names: Any = field(default_factory=itertools.count)
    _said: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)

    def answer(self, system: str, task: str) -> Sample:
        """A new session's answer; the clock runs from the first token to the last, without prompt and commit.

        One model in memory for both: of two, one may lie better.
        """
        runtime, name = self.runtime, f"s{next(self._names)}"
        runtime.speculate = system == GUESSING
        runtime.repository.create(name, runtime.recipe, seed=1)
        session, (asked, temperature) = runtime.session(name), TASKS[task]
        stream = session.stream(asked, max_tokens=self.args.tokens, temperature=temperature)
        next(stream)
        clock, cpu = Clock(), time.process_time()
        for _ in itertools.islice(stream, self.args.tokens - 1):
            pass
        took, worked = clock.ms, 1e3 * (time.process_time() - cpu)
        stream.close()
        count = len(stream.tokens) - 1
        self._said.setdefault(task, []).append((stream.tokens, session.logits()))
        self.texts[task] = stream.text
        receipt = stream.receipt
        session.close()
        return {
            "tokens_per_s": 1e3 * count / took,
            "cpu_ms": worked / count,
            "drafted": float(receipt.drafted),
            "accepted": float(receipt.accepted),
        }

    def measure(self) -> None:
        for task in self.args.only or TASKS:
            variants = {Key(system): partial(self.answer, system, task) for system in (PLAIN, GUESSING)}
            results = interleave(variants, self.args.reps)
            self.table.add(task, len(self._said[task][0][0]), results)
            name = task.replace(",", "").replace(" ", "_")
            self.metrics[f"gain_{name}"] = _median(results, GUESSING, "tokens_per_s") / _median(
                results, PLAIN, "tokens_per_s"
            )
            self.metrics[f"cpu_{name}"] = _median(results, PLAIN, "cpu_ms") / _median(results, GUESSING, "cpu_ms")

    def exact(self) -> None:
        """Each answer against the first one of its task, which was made without guesses. Raises where one differs."""
        import torch

        for task, said in self._said.items():
            if not all(tokens == said[0][0] and torch.equal(logits, said[0][1]) for tokens, logits in said):
                raise RuntimeError(f"The answers of {task!r} differ; no ratio of theirs is worth anything.")
        self.metrics["exact_answers"] = 1.0


def _median(results: dict[Key, list[Sample]], system: str, measure: str) -> float:
    return statistics.median(sample[measure] for sample in results[Key(system)])


def main() -> None:
    args = _arguments()
    cores = _machine.pin(args.threads, args.cpus)
    before = _machine.load()
    console = Console()
    with tempfile.TemporaryDirectory(prefix="perdure-speculate-") as work:
        run = Run(args, _runtime(args, Path(work)))
        known = run.runtime.engine.lookahead
        run.measure()
        run.exact()
        result: dict[str, Any] = {
            "model": args.model,
            "sizes": list(known.sizes or ()),
            "cost": {size: known.cost(size) for size in (1, *(known.sizes or ()))},
            "machine": _machine.described(Path(work), cores, before),
            "texts": run.texts,
            "rows": run.table.to_list(),
            "metrics": run.metrics,
        }
        run.runtime.close()
    console.print(medians(result["rows"], SHOWN))
    console.print(verdicts_table(judge(run.metrics, TARGETS, REASONS), "Targets"))
    show_load(console, result["machine"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


def _runtime(args: argparse.Namespace, work: Path) -> Any:
    import perdure

    runtime = perdure.open(args.model, work / "store", threads=args.threads, cache=args.cache)
    runtime.engine.look_ahead()
    return runtime


def _arguments() -> argparse.Namespace:
    from perdure.places import default_cache

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--tokens", type=int, default=120, help="tokens of each answer at most")
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", choices=list(TASKS), help="these tasks alone")
    parser.add_argument("--cpus", type=int, nargs="*", default=(), help="the cores to run on (the highest ones)")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where pulled models lie")
    parser.add_argument("--json", type=Path, help="where to write the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
