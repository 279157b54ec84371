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
from ._taught_data import Question, Taught, conversation_text, general_questions, other_relations, pairs, taught, untaught
from ._taught_run import PROFILE, follow_ups, fresh, in_context, leaks, opened, perplexity, shares, step_ms, teach

MODEL = "smollm2-135m-instruct"
PARTS = ("facts", "controls", "damage", "update", "removal", "chat", "timing")
MANY = 100
"""From so many facts on, each is asked for once and not three times."""

MOUNTED = 104
"""Facts that are taught for the timing: some may not be kept, and a hundred records are to be mounted."""

TIMED = ("seconds_per_fact", "bytes_per_fact", "mounted", "apply_overhead", "apply_open")

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
    "facts_from_chat_library": Target(None, True, "", "the same with the library's, free"),
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

REASONS = {
    "facts_10_forced": "Half an answer short of it: 76 of 90, standard error .04. Half of what misses is the gate, which "
    "takes an oblique question for none, half the record (.91 of a development set with records always open).",
    "facts_from_chat": "Half an answer a set short of it (.77, .60, .53; standard error .09). It was .23 before the last "
    "sentence about a person is kept where no rule finds a fact; the 135M model was tried as a reader and is none. What "
    "misses is another sentence than the last, or one of more than 16 words (docs/decisions/0015).",
    "leak_minus_base": "3 questions of 60 of the worst set, all about another relation of a taught person (a job and an "
    "employer). It was .042 before the model was asked in doubt; hard negatives, rivals and margins were tried (0015).",
    "update_wins": "A change that is told in a form that is not like what it changes stands beside it; it was .80 before "
    "the threshold was lowered to where one in seventy of the wrong records would be taken. Whether the new statement makes "
    "the old question likelier tells no better, alone or beside it.",
}
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
    run.console.print(f"seed {seed}, {size} facts")
    with run.runtime(f"{seed}-{size}") as runtime:
        found, _ = teach(runtime, "lesson", [f"Remember: {fact.statement}" for fact in facts])
        base, known = fresh(runtime, "base"), fresh(runtime, "known", [PROFILE])
        if "facts" in run.args.parts:
            forced, free = shares(known, _asked(facts))
            run.note(**{f"kept_{size}": len(found.written) / size, f"facts_{size}": free, f"facts_{size}_forced": forced})
        if size == min(run.args.sizes):
            _beside(run, runtime, base, known, facts, seed)


def _asked(facts: Sequence[Taught]) -> list[Question]:
    """All questions of few facts; of many one each, in turn."""
    if len(facts) < MANY:
        return [question for fact in facts for question in fact.questions]
    return [fact.questions[fact.number % len(fact.questions)] for fact in facts]


def _beside(run: Run, runtime: Runtime, base: Session, known: Session, facts: Sequence[Taught], seed: int) -> None:
    parts = run.args.parts
    if "controls" in parts:
        controls(run, runtime, base, known, facts, seed)
    if "damage" in parts:
        damage(run, base, known, facts, seed)
    if "update" in parts:
        update(run, runtime, facts)
    if "removal" in parts:
        removal(run, runtime, facts)


def controls(run: Run, runtime: Runtime, base: Session, known: Session, facts: Sequence[Taught], seed: int) -> None:
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
    alone, together = shares(known, questions)[1], shares(both, questions)[1]
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


def timing(run: Run, seed: int) -> None:
    """Seconds and bytes of a fact in batches, and what a token costs with many records mounted, of which three are open."""
    facts = taught(seed, MOUNTED)
    ratios = []
    with run.runtime(f"{seed}-timing") as runtime:
        found, seconds = teach(runtime, "lesson", [f"Remember: {fact.statement}" for fact in facts])
        size = statistics.mean(record.nbytes for record in found.written)
        run.note(seconds_per_fact=seconds / MOUNTED, bytes_per_fact=size, mounted=len(found.written))
        base, known = fresh(runtime, "base"), fresh(runtime, "known", [PROFILE])
        three = _opening_three(known, facts)
        for number in range(run.args.reps):
            pair = [(session, *step_ms(session, three)) for session in ((known, base), (base, known))[number % 2]]
            times = {session.name: ms for session, ms, _ in pair}
            count = max(opened for _, _, opened in pair)
            ratios.append(times["known"] / times["base"] - 1)
    run.note(apply_overhead=statistics.median(ratios), apply_open=float(count))


def _opening_three(known: Session, facts: Sequence[Taught]) -> str:
    """A message of three questions that opens three records."""
    for first in range(0, len(facts) - 2, 3):
        message = " ".join(fact.questions[0].text for fact in facts[first : first + 3])
        if step_ms(known, message, tokens=3)[1] == 3:
            return message
    raise RuntimeError("no three questions open three records")


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
    """Facts said in passing: with wordings that know nothing of their relations, and with the library's."""
    facts = taught(seed, min(run.args.sizes))
    for name, generic in (("from_chat", True), ("from_chat_library", False)):
        with run.runtime(f"{seed}-{name}") as runtime:
            found, _ = teach(runtime, "lesson", [fact.chat for fact in facts], generic=generic)
            known = fresh(runtime, "known", [PROFILE])
            first, free = shares(known, _asked(facts))
            kept = len(found.written) / len(facts)
            run.note(**{f"facts_{name}": free, f"facts_{name}_forced": first, f"kept_{name}": kept})


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.facts", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, 10 facts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and metrics")
    parser.add_argument("--seeds", nargs="+", type=int, help="sets of facts, each about other people (default: 0 to 2)")
    parser.add_argument("--sizes", nargs="+", type=int, help="facts in a profile (default: 10 40 200)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what is measured (default: all)")
    parser.add_argument("--into", type=Path, metavar="FILE", help="add to results of before, and write them there")
    parser.add_argument("--reps", type=int, default=5, help="repetitions of what is timed (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: 2)")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="the cores to pin to")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cache", type=Path, help="where models were pulled to (default: the user's)")
    parser.add_argument("--work", type=Path, help="folder for the stores (default: the system's temporary)")
    args = parser.parse_args(argv)
    args.seeds_before = []
    args.seeds = args.seeds or ([0] if args.quick else [0, 1, 2])
    args.sizes = sorted(args.sizes or ([10] if args.quick else [10, 40, 200]))
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    before = _machine.load()
    cpus = _machine.pin(args.threads, args.cpus)
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory(dir=args.work, prefix="bench-") as folder:
        run = Run(args, Path(folder), Console(), _before(args))
        for seed in args.seeds:
            measured(run, seed)
            result = report(run, cpus, before)
            if args.json:
                args.json.write_text(json.dumps(result, indent=1) + "\n")
    run.console.print(verdicts_table(judge(run.metrics, TARGETS, REASONS), "Taught"))
    show_load(run.console, result["machine"])


def measured(run: Run, seed: int) -> None:
    beside = {"controls", "damage", "update", "removal"}.intersection(run.args.parts)
    for size in run.args.sizes if "facts" in run.args.parts else run.args.sizes[: bool(beside)]:
        measure(run, seed, size)
    if "chat" in run.args.parts:
        from_chat(run, seed)
    if "timing" in run.args.parts and seed == run.args.seeds[0]:
        timing(run, seed)


def _before(args: argparse.Namespace) -> dict[str, list[float]]:
    """What results of before have seen, but not their times where those are taken anew."""
    if not args.into:
        return {}
    found = json.loads(args.into.read_text())
    args.json = args.json or args.into
    args.seeds_before = found["seeds"]
    return {name: values for name, values in found["seen"].items() if not ("timing" in args.parts and name in TIMED)}


def report(run: Run, cpus: Sequence[int], before: dict[str, float]) -> dict[str, Any]:
    machine = _machine.described(run.work, list(cpus), before)
    return {
        "machine": machine,
        "seeds": sorted({*run.args.seeds, *run.args.seeds_before}),
        "metrics": run.metrics,
        "seen": run.seen,
    }


if __name__ == "__main__":
    main()
