"""What fast weights know in a new, empty conversation, and what that costs: `python -m benchmarks.facts --help`."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from perdure.memory import amending
from perdure.runtime import Runtime
from perdure.runtime.session import Session

from . import _machine
from ._recall_run import asking
from ._report import show_load, verdicts_table
from ._targets import Target, judge
from ._taught_data import Taught, conversation_text, general_questions, other_relations, pairs, taught, untaught
from ._taught_run import PROFILE, follow_ups, fresh, in_context, leaks, opened, perplexity, shares, step_ms, teach

MODEL = "smollm2-135m-instruct"
WORDS = 1500
"""Words of the ordinary conversation that perplexity is measured on."""

TARGETS = {
    "facts_10": Target(0.8, True, "", "10 facts, unseen wordings, the free answer contains the value"),
    "facts_10_forced": Target(0.85, True, "", "the same, the answer's beginning given"),
    "facts_40": Target(0.75, True, "", "40 facts, free"),
    "facts_40_forced": Target(None, True, "", "the same, forced"),
    "facts_200": Target(0.7, True, "", "200 facts about 40 people, free"),
    "facts_200_forced": Target(None, True, "", "the same, forced"),
    "facts_from_chat": Target(0.65, True, "", "said in passing, no templates for their relations, free"),
    "untaught_10": Target(None, False, "", "control: the base model, free"),
    "untaught_10_forced": Target(None, False, "", "control: the base model, forced"),
    "context_10": Target(None, True, "", "control: the fact before the question, free"),
    "context_10_forced": Target(None, True, "", "control: the same, forced"),
    "recalled_10": Target(None, True, "", "control: episodic recall only, free"),
    "recalled_10_forced": Target(None, True, "", "control: the same, forced"),
    "both_minus_better_10": Target(0.0, True, "", "fast weights and recall together less the better of both, free"),
    "follow_ups_10": Target(None, True, "", "asked with a pronoun after a turn about the person, free"),
    "two_facts_10": Target(None, True, "", "two facts in one answer, free"),
    "update_wins": Target(0.95, True, "", "of what is said of an updated fact, the new value and not the old"),
    "damage_general": Target(0.0, True, "", "general questions known, less those of the base model"),
    "damage_ppl": Target(0.005, False, "", "perplexity of an ordinary conversation over the base model's, less one"),
    "leak_minus_base": Target(0.0, False, "", "taught values said of untaught people and relations, less the base model's"),
    "removal_exact": Target(1.0, True, "", "logits after all records were removed equal those of never taught"),
    "seconds_per_fact": Target(5, False, "s", "writing and judging, in batches"),
    "bytes_per_fact": Target(84 * 1024, False, "B", "tensors of a record"),
    "apply_overhead": Target(0.05, False, "", "a token with 100 records mounted and 3 open, over one of the base model"),
}

REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""


@dataclass
class Run:
    """The settings of one run and what it has found so far."""

    args: argparse.Namespace
    work: Path
    console: Console
    seen: dict[str, list[float]] = field(default_factory=dict)

    def note(self, **found: float) -> None:
        for name, value in found.items():
            self.seen.setdefault(name, []).append(value)
        self.console.print("  " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()), highlight=False)

    @contextmanager
    def runtime(self, name: str) -> Iterator[Runtime]:
        with opened(self.args.model, self.work / name, self.args.cache, self.args.threads) as runtime:
            yield runtime

    @property
    def metrics(self) -> dict[str, float]:
        return {name: statistics.mean(values) for name, values in self.seen.items()}


def measure(run: Run, seed: int, size: int) -> None:
    """One profile of `size` facts, and all that is asked of it."""
    facts = taught(seed, size)
    questions = [question for fact in facts for question in fact.questions]
    run.console.print(f"seed {seed}, {size} facts")
    with run.runtime(f"{seed}-{size}") as runtime:
        found, seconds = teach(runtime, "lesson", [f"Remember: {fact.statement}" for fact in facts])
        records = found.written
        run.console.print(f"  {len(records)} of {len(facts)} facts were kept", highlight=False)
        run.note(seconds_per_fact=seconds / len(facts), bytes_per_fact=statistics.mean(record.nbytes for record in records))
        base, known = fresh(runtime, "base"), fresh(runtime, "known", [PROFILE])
        asked_forced, asked_free = shares(known, questions)
        run.note(**{f"facts_{size}": asked_free, f"facts_{size}_forced": asked_forced})
        if size == min(run.args.sizes):
            controls(run, runtime, base, known, facts, seed, asked_free)
            damage(run, base, known, facts, seed)
            update(run, runtime, facts)
        if size >= 100:
            cost(run, base, known, facts)
        if size == min(run.args.sizes):
            removal(run, runtime, facts)


def controls(
    run: Run, runtime: Runtime, base: Session, known: Session, facts: Sequence[Taught], seed: int, alone: float
) -> None:
    questions = [question for fact in facts for question in fact.questions]
    first, free = shares(base, questions)
    run.note(untaught_10=free, untaught_10_forced=first)
    first, free = in_context(base, facts)
    run.note(context_10=free, context_10_forced=first)
    recalling, both = fresh(runtime, "recalling"), fresh(runtime, "both", [PROFILE])
    for session in (recalling, both):
        session.memory.add([("told", fact.statement) for fact in facts])
    first, free = shares(recalling, questions)
    run.note(recalled_10=free, recalled_10_forced=first)
    together = shares(both, questions)[1]
    run.note(both_minus_better_10=together - max(free, alone), follow_ups_10=follow_ups(known, facts))
    run.note(two_facts_10=shares(known, pairs(seed, facts), free=True)[1])


def damage(run: Run, base: Session, known: Session, facts: Sequence[Taught], seed: int) -> None:
    general = [shares(session, general_questions(), free=False)[0] for session in (known, base)]
    talk = conversation_text(seed, WORDS)
    (with_records, opened_share), (without, _) = (perplexity(session, talk) for session in (known, base))
    run.note(damage_general=general[0] - general[1], damage_ppl=with_records / without - 1, opened_in_prose=opened_share)
    pairs_of = [untaught(seed, facts), other_relations(seed, facts)]
    said = [statistics.mean(leaks(session, asked) for asked in pairs_of) for session in (known, base)]
    run.note(leak_minus_base=said[0] - said[1], leak_base=said[1])


def update(run: Run, runtime: Runtime, facts: Sequence[Taught]) -> None:
    """Every fact is told anew with another value, in another conversation."""
    runtime.repository.fork(PROFILE, "updated")
    teach(runtime, "later", [f"Remember: {fact.update.statement}" for fact in facts], "updated")
    session = fresh(runtime, "after", ["updated"])
    wins = []
    for fact in facts:
        for question, renewed in zip(fact.questions, fact.updated_questions(), strict=True):
            with asking(session) as fork:
                said = fork.chat(question.text).text.lower()
            if fact.value.lower() in said or renewed.answers[0].lower() in said:
                wins.append(renewed.answers[0].lower() in said and fact.value.lower() not in said)
    run.note(update_wins=statistics.mean(wins) if wins else 0.0, update_answered=len(wins) / (3 * len(facts)))


def cost(run: Run, base: Session, known: Session, facts: Sequence[Taught]) -> None:
    three = " ".join(fact.questions[0].text for fact in facts[:3])
    ratios = []
    for _ in range(run.args.reps):
        acting, count = step_ms(known, three)
        plain, _ = step_ms(base, three)
        ratios.append(acting / plain - 1)
    run.note(apply_overhead=statistics.median(ratios), apply_open=float(count))


def removal(run: Run, runtime: Runtime, facts: Sequence[Taught]) -> None:
    """Every record is taken out; then the logits must be those of a model that was never taught."""
    for held in runtime.repository.ledger(runtime.repository.info(PROFILE).head):
        amending.unteach(runtime.repository, PROFILE, held.id)
    after, never = fresh(runtime, "emptied", [PROFILE]), fresh(runtime, "never")
    same = []
    for fact in facts:
        logits = []
        for session in (after, never):
            with asking(session) as fork:
                fork.chat(fact.questions[0].text, max_tokens=4)
                logits.append(fork.logits())
        same.append(torch.equal(*logits))
    run.note(removal_exact=float(all(same)))


def from_chat(run: Run, seed: int) -> None:
    """Facts said in passing, written with templates that know nothing of their relations."""
    facts = taught(seed, min(run.args.sizes))
    with run.runtime(f"{seed}-chat") as runtime:
        found, _ = teach(runtime, "lesson", [fact.chat for fact in facts], generic=True)
        known = fresh(runtime, "known", [PROFILE])
        first, free = shares(known, [question for fact in facts for question in fact.questions])
        run.note(facts_from_chat=free, facts_from_chat_forced=first, kept_from_chat=len(found.written) / len(facts))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.facts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 10 facts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and metrics")
    parser.add_argument("--seeds", nargs="+", type=int, help="sets of facts, each about other people (default: 0 to 2)")
    parser.add_argument("--sizes", nargs="+", type=int, help="facts in a profile (default: 10 40 200)")
    parser.add_argument("--reps", type=int, default=5, help="repetitions of what is timed (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: 2)")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="the cores to pin to")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cache", type=Path, help="where models were pulled to (default: the user's)")
    parser.add_argument("--work", type=Path, help="folder for the stores (default: the system's temporary)")
    args = parser.parse_args(argv)
    args.seeds = args.seeds or ([0] if args.quick else [0, 1, 2])
    args.sizes = sorted(args.sizes or ([10] if args.quick else [10, 40, 200]))
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    before = _machine.load()
    cpus = _machine.pin(args.threads, args.cpus)
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory(dir=args.work, prefix="bench-") as folder:
        run = Run(args, Path(folder), Console())
        for seed in args.seeds:
            for size in args.sizes:
                measure(run, seed, size)
            from_chat(run, seed)
            result = report(run, cpus, before)
            if args.json:
                args.json.write_text(json.dumps(result, indent=1) + "\n")
    run.console.print(verdicts_table(judge(run.metrics, TARGETS, REASONS), "Taught"))
    show_load(run.console, result["machine"])


def report(run: Run, cpus: Sequence[int], before: dict[str, float]) -> dict[str, Any]:
    machine = _machine.described(run.work, list(cpus), before)
    return {"machine": machine, "seeds": run.args.seeds, "metrics": run.metrics, "seen": run.seen}


if __name__ == "__main__":
    main()
