"""The memory operations, right and fast: `python -m benchmarks.kernels --help`. On a GPU where one is, else on the CPU.

Each is first compared with its definition at a small size; one that is wrong is not timed. A peer that is not there is
listed as missing, with the reason.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from . import _machine
from ._kernel_case import Case, Size
from ._kernel_cases import CASES, ON_CPU
from ._kernel_peers import Make, Run
from ._kernel_targets import REASONS, TARGETS, metrics_of
from ._report import verdicts_table
from ._targets import judge

SMALL, CPU = 1 / 512, 1 / 64
"""Parts of the named sizes: at which an operation is compared with its definition, and that is timed on a CPU."""

GATES = {torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 1e-2}
CODES = 5e-3
"""Share of codes that may be off by one where a number lies between two."""

BANDWIDTH, RATE = 4.3e12, 780e12
"""Bytes and bfloat16 operations a second of an H200, of which the floor is made."""


def parts_of(found: Any) -> Iterator[Tensor]:
    """The tensors of a result."""
    if isinstance(found, Tensor):
        yield found
    elif isinstance(found, Iterable):
        for each in found:
            yield from parts_of(each)


def apart(found: Any, expected: Any) -> float:
    """The greatest relative error of any tensor; of codes, the share that differs, as a part of what may."""
    return max(_apart(a, b) for a, b in zip(parts_of(found), parts_of(expected), strict=True) if b.numel())


def _apart(found: Tensor, expected: Tensor) -> float:
    if expected.dtype is torch.uint8:
        return float((found != expected).double().mean()) / CODES * 1e-6
    a, b = found.double(), expected.double()
    there = b.isfinite()
    return float((a - b)[there].norm() / b[there].norm().clamp_min(1e-30))


def medians(runs: Sequence[Callable[[], Any]], reps: int, device: str) -> list[float]:
    """Milliseconds of each, measured in turn so that none has a quieter machine than another."""
    seen: list[list[float]] = [[] for _ in runs]
    for _ in range(reps + 1):
        for times, run in zip(seen, runs, strict=True):
            times.append(_timed(run, device))
    return [statistics.median(times[1:]) for times in seen]


def _timed(run: Callable[[], Any], device: str) -> float:
    if device == "cpu":
        start = time.perf_counter()
        run()
        return 1e3 * (time.perf_counter() - start)
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    first.record()
    run()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last))


def measured(name: str, args: argparse.Namespace) -> dict[str, Any]:
    """One operation: its error, and its times where that is small enough."""
    dtype = getattr(torch, args.dtype)
    torch.manual_seed(0)
    small = CASES[name](Size(SMALL, args.device, dtype))
    error = apart(small.found(), small.expected())
    row: dict[str, Any] = {"name": name, "error": error, "right": error <= GATES[dtype]}
    return row | _times(CASES[name](Size(args.part, args.device, dtype)), args) if row["right"] else row


def _times(case: Case, args: argparse.Namespace) -> dict[str, Any]:
    peers, missing = ready({**case.beside, **(case.made if args.compiled else {})})
    own, *others = medians([case.run, *peers.values()], args.reps, args.device)
    size, operations = case.work
    found: dict[str, Any] = {"ms": own, "gb_per_s": size / own / 1e6, "peers": dict(zip(peers, others, strict=True))}
    found |= {"missing": missing} if missing else {}
    found |= {"given_gb_per_s": case.given / own / 1e6} if case.given else {}
    if args.device != "cpu":
        floor = 1e3 * max(size / BANDWIDTH, operations / RATE)
        found |= {"floor_ms": floor, "of_floor": floor / own}
    return found


def ready(peers: Mapping[str, Make]) -> tuple[dict[str, Run], dict[str, str]]:
    """Those that can be made and run once, and of the others why not."""
    there: dict[str, Run] = {}
    missing: dict[str, str] = {}
    for name, make in peers.items():
        try:
            run = make()
            run()
        except Exception as error:  # whatever another package raises
            missing[name] = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        else:
            there[name] = run
    return there, missing


def table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table("operation", "error", "ms", "GB/s", "of the floor", "peers, times ours")
    for row in rows:
        figures = [f"{row['ms']:.3f}", f"{row['gb_per_s']:.1f}"] if row["right"] else ["wrong", "-"]
        share = f"{row['of_floor']:.0%}" if "of_floor" in row else "not yet run on a GPU"
        shown.add_row(row["name"], f"{row['error']:.1e}", *figures, share, _beside(row))
    return shown


def _beside(row: dict[str, Any]) -> str:
    there = [f"{name} {ms / row['ms']:.2f}" for name, ms in row.get("peers", {}).items()]
    return ", ".join(there + [f"{name} missing" for name in row.get("missing", {})])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    there = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--device", default="cuda" if there else "cpu", choices=("cuda", "cpu"))
    parser.add_argument(
        "--part", type=float, default=1.0 if there else CPU, help="of the named sizes (default: all; CPU 1/64)"
    )
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float16", "float32"))
    parser.add_argument("--only", nargs="+", choices=tuple(CASES), metavar="NAME")
    parser.add_argument(
        "--compiled", action=argparse.BooleanOptionalAction, help="beside plain torch in inductor, too (default: on a GPU)"
    )
    parser.add_argument("--reps", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on the CPU (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and results")
    args = parser.parse_args(argv)
    args.only = args.only or [name for name in CASES if args.device == "cpu" or name not in ON_CPU]
    args.compiled = args.device == "cuda" if args.compiled is None else args.compiled
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    before, cpus = _machine.load(), _machine.pin(args.threads)
    torch.set_num_threads(args.threads)
    result = report(args, before, cpus)
    show(Console(width=140), result)
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if not all(row["right"] for row in result["rows"]):
        raise SystemExit("An operation differs from its definition.")


def report(args: argparse.Namespace, before: dict[str, float], cpus: Sequence[int]) -> dict[str, Any]:
    with torch.inference_mode():
        rows = [measured(name, args) for name in args.only]
    machine = _machine.described(Path.cwd(), list(cpus), before)
    device = torch.cuda.get_device_name() if args.device == "cuda" else "cpu"
    how = {"machine": machine, "device": device, "part": args.part, "dtype": args.dtype}
    return {**how, "metrics": metrics_of(rows) if device == "cpu" else {}, "rows": rows}


def show(console: Console, result: dict[str, Any]) -> None:
    console.print(table(result["rows"]))
    if result["device"] == "cpu":
        console.print(verdicts_table(judge(result["metrics"], TARGETS, REASONS), "Targets on a CPU, one thread"))
    for row in result["rows"]:
        for name, why in row.get("missing", {}).items():
            console.print(f"missing: {row['name']}: {name} ({why})", highlight=False, markup=False)
    console.print(f"{result['machine']['label']}, {result['device']}", highlight=False)


if __name__ == "__main__":
    main()
