"""States of every family: exact, gone back to, paid for, and their size: `python -m benchmarks.state --help`."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from . import _machine, _state_diverge, _state_memory
from ._corpus import Corpus
from ._measure import Key, Sample, Table, interleave
from ._report import medians, show_load, verdicts_table
from ._state_kit import Dtype, make, runtime
from ._state_tables import bytes_table
from ._state_targets import REASONS, TARGETS
from ._targets import judge

PARTS = ("families", "diverge", "overhead", "rewind", "memory")
TURNS = 8
DIVERGING = {"gemma3": "sliding", "jamba": "hybrid", "qwen3_next": "", "mamba": ""}
"""Families whose stored conversations are diverged from, and the metrics they give. `--quick` takes those with metrics."""

SHOWN = ("reuse", "recomputed", "turn_ms", "commit_ms", "mark_ms", "copy_ms", "pack_ms", "write_ms", "kept", "rewind_ms")
SHOWN += ("replayed",)


@dataclass
class Run:
    """The settings of one run, and the rows and metrics so far."""

    args: argparse.Namespace
    work: Path
    console: Console
    table: Table = field(default_factory=Table)
    metrics: dict[str, float] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)
    _recurrent: dict[str, Any] = field(default_factory=dict)

    @property
    def quick(self) -> bool:
        return bool(self.args.quick)

    def tell(self, text: str) -> None:
        self.console.print(text, highlight=False)

    def recurrent(self, dtype: Dtype) -> Any:
        """The recurrent model of realistic width, made once."""
        from ._state_overhead import Recurrent

        if dtype not in self._recurrent:
            self._recurrent[dtype] = Recurrent(self.work / f"recurrent-{dtype}", dtype)
        return self._recurrent[dtype]


def families(run: Run) -> None:
    """Every family, continued by a new process and compared bit by bit."""
    from perdure.testing.families import FAMILIES, NEWER

    from ._state_families import DTYPES, examine

    tried = FAMILIES if run.quick else (*FAMILIES, *NEWER)
    run.tell(f"[bold]families[/bold]: {len(tried)}, in {' and '.join(DTYPES)}")
    (run.work / "families").mkdir()
    found = examine(tried, run.work / "families", run.tell if run.args.verbose else lambda _: None)
    defects = defaultdict(list)
    for finding in found:
        if finding.defect:
            defects[finding.family].append(f"{finding.dtype}: {finding.defect}")
            run.table.add("families", 0, {Key(f"{finding.family} {finding.dtype}"): [{"exact": 0.0}]}, finding.defect)
            run.tell(f"  [red]{finding.family}, {finding.dtype}[/red]: {finding.defect}")
    run.families = {family: "; ".join(defects[family]) or "exact" for family in tried}
    exact = sum(word == "exact" for word in run.families.values())
    run.metrics |= {"families_total": len(tried), "families_exact": exact, "families_failing": len(tried) - exact}


def diverge(run: Run) -> None:
    """Stored conversations that their client does not repeat to the end."""
    for family, metric in DIVERGING.items():
        if metric or not run.quick:
            run.tell(f"[bold]diverge[/bold]: {family}, about {_state_diverge.TOKENS:,} tokens")
            found = list(_state_diverge.measure(family, run.work / f"diverge-{family}", control_every=4 if run.quick else 1))
            _note_diverging(run, family, metric, found)


def _note_diverging(run: Run, family: str, metric: str, found: Sequence[tuple[str, _state_diverge.Place, Sample]]) -> None:
    kinds = {"": ("turn end", "answer start", "inside"), "_boundary": ("turn end", "answer start"), "_inside": ("inside",)}
    for suffix, wanted in kinds.items():
        for system in ("perdure", "no checkpoints"):
            samples = [sample for who, place, sample in found if who == system and place.kind in wanted]
            case = f"diverge {family}{suffix.replace('_', ' ')}"
            if samples:
                run.table.add(case, _state_diverge.TOKENS, {Key(system): samples}, f"{len(samples)} places")
    if metric:
        ours = [(place, sample["reuse"]) for who, place, sample in found if who == "perdure"]
        name = f"diverge_reuse_{metric}"
        for suffix, wanted in kinds.items():
            run.metrics[name + suffix] = statistics.median(reuse for place, reuse in ours if place.kind in wanted)
        run.metrics[f"{name}_min"] = min(reuse for _, reuse in ours)
        run.metrics[f"{name}_control"] = statistics.median(s["reuse"] for who, _, s in found if who != "perdure")


def overhead(run: Run) -> None:
    """Turns with snapshots and the same turns without, of a recurrent model of realistic width."""
    plan: list[tuple[Dtype, int]] = [("float32", run.args.reps)]
    plan += [] if run.quick else [("bfloat16", max(1, run.args.reps - 2))]
    variants = ("snapshots", "none") if run.quick else ("snapshots", "newest only", "none")
    for dtype, reps in plan:
        samples: dict[Key, list[Sample]] = defaultdict(list)
        for rep in range(reps):
            run.tell(f"[bold]overhead[/bold]: Mamba 768 x 24, {dtype}, {TURNS} turns, repetition {rep + 1} of {reps}")
            for system, sample in run.recurrent(dtype).rounds(rep, TURNS, variants):
                samples[Key(system)].append(sample)
        run.table.add(f"overhead {dtype}", TURNS, samples)
        suffix = "" if dtype == "float32" else f"_{dtype}"
        run.metrics |= {f"{name}{suffix}": value for name, value in _shares(samples).items()}


def _shares(samples: dict[Key, list[Sample]]) -> dict[str, float]:
    """Turn by turn, since both variants take each turn one after the other: the medians of the ratios."""
    pairs = list(zip(samples[Key("snapshots")], samples[Key("none")], strict=True))
    parts = [(a["mark_ms"] + a["commit_ms"] - b["commit_ms"]) / b["turn_ms"] for a, b in pairs]
    return {
        "checkpoint_overhead": statistics.median(a["turn_ms"] / b["turn_ms"] for a, b in pairs) - 1,
        "checkpoint_overhead_parts": statistics.median(parts),
    }


def rewind(run: Run) -> None:
    """Back to the turns 1, 10 and 50 before the last."""
    from ._state_overhead import BACK, Rewinds

    for name, first, corpus, sizes in _rewinding(run):
        run.tell(f"[bold]rewind[/bold]: {name}")
        rewinds = Rewinds(first, run.work / f"rewind-{name.replace(' ', '-')}", corpus, **sizes)
        variants = {Key(f"{turns} turns back"): partial(rewinds.back, turns) for turns in BACK}
        run.table.add(f"rewind {name}", rewinds.head.tokens, interleave(variants, run.args.reps + 2, discard=1))
        rewinds.rt.close()
    far = f"{max(BACK)} turns back"
    run.metrics[f"rewind_{max(BACK)}_ms"] = next(
        row.median for row in run.table.rows if (row.system, row.measure) == (far, "rewind_ms")
    )


def _rewinding(run: Run) -> list[tuple[str, Any, Corpus, dict[str, int]]]:
    """(name, runtime, corpus, tokens of a turn) of the models to go back with: a realistic one, and tiny ones."""
    real = run.recurrent("float32")
    found = [("mamba 768x24", real.first, real.corpus, {"prompt": 24, "answer": 2})]
    for family in ("jamba",) if run.quick else ("jamba", "gemma3", "mamba"):
        folder = run.work / f"rewind-model-{family}"
        first = runtime(make(family, folder, **_state_diverge.SIZES[family]), folder / "first")
        first.close()
        found.append((f"tiny {family}", first, Corpus(folder / "model"), {"prompt": 64, "answer": 64}))
    return found


def memory(run: Run) -> None:
    """Bytes against tokens, in memory and on disk."""
    off, slack = 1.0, 0.0
    for shape in _state_memory.SHAPES:
        run.tell(f"[bold]memory[/bold]: {shape.name} ({shape.family})")
        engine = _state_memory.engine_of(shape, run.work / f"memory-{shape.family}")
        for tokens, sample in _state_memory.grown(engine):
            run.table.add("memory", tokens, {Key(shape.name): [sample]}, shape.family)
            off = max(off, sample["held_over_analytic"], 1 / sample["held_over_analytic"])
            slack = max(slack, sample["slack"] if tokens == max(_state_memory.LENGTHS) else 0.0)
        for tokens, disk in _state_memory.stored(engine):
            sample = {"disk_bytes": float(disk.full + disk.windows + disk.snapshots)}
            sample |= {f"disk_{name}": float(value) for name, value in disk._asdict().items()}
            run.table.add("disk", tokens, {Key(shape.name): [sample]}, shape.family)
    run.metrics |= {"memory_over_analytic": off, "memory_slack": slack}


def report(run: Run, cpus: list[int], before: dict[str, float]) -> dict[str, Any]:
    """What `--json` writes."""
    machine = _machine.facts(run.work)
    machine |= {"threads": 1, "pinned_to": cpus, "reps": run.args.reps, "quick": run.quick}
    machine |= {"load_before": before, "load_after": _machine.load(), "label": _machine.label(before)}
    return {"machine": machine, "metrics": run.metrics, "families": run.families, "rows": run.table.to_list()}


def show(console: Console, result: dict[str, Any]) -> None:
    console.print(medians(result["rows"], SHOWN, "Medians (milliseconds, tokens, bytes and shares)"))
    console.print(bytes_table(result["rows"]), highlight=False)
    console.print(verdicts_table(judge(result["metrics"], TARGETS, REASONS), "Targets"))
    show_load(console, result["machine"])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="29 of the families, one number type, one repetition")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, metrics and rows")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    parser.add_argument("--reps", type=int, help="repetitions (default 3, with --quick 1)")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="the core to pin to (default: the highest)")
    parser.add_argument("--work", type=Path, help="folder on the disk to be measured (default: the system's temporary)")
    parser.add_argument("--verbose", action="store_true", help="name each family as its turn comes")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    args.reps = args.reps or (1 if args.quick else 3)
    before, cpus = _machine.load(), []
    parts = {"families": families, "diverge": diverge, "overhead": overhead, "rewind": rewind, "memory": memory}
    with tempfile.TemporaryDirectory(dir=args.work, prefix="bench-") as folder:
        run = Run(args, Path(folder), Console())
        for name in (part for part in PARTS if part in args.only):
            # Families are continued by a second process, which may have the other core; nothing is timed there.
            cpus = cpus or ([] if name == "families" else _machine.pin(1, args.cpus))
            parts[name](run)
        result = report(run, cpus, before)
    show(run.console, result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
