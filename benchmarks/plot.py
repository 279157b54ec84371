"""Resume, restore and prefill against length, from a result file: `python -m benchmarks.plot FILE [--out PNG]`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).with_name("results")


class Line(NamedTuple):
    """One curve: which rows it takes, and how it looks."""

    label: str
    case: str
    system: str
    cache: str
    measure: str
    style: str


LINES = (
    Line("cold prefill", "prefill", "perdure", "", "first_token_ms", "C3o-"),
    Line("transformers, cold prefill", "prefill", "DynamicCache", "", "prefill_ms", "C7s:"),
    Line("resume, files cold", "restore", "perdure", "cold", "first_logits_ms", "C0^-"),
    Line("resume, files warm", "restore", "perdure", "warm", "first_logits_ms", "C0o-"),
    Line("restore, files warm", "restore", "perdure", "warm", "restore_ms", "C2o-"),
    Line("llama.cpp restore, warm", "restore", "llama.cpp", "warm", "restore_ms", "C1s--"),
    Line("DynamicCache + safetensors, warm", "restore", "DynamicCache", "warm", "restore_ms", "C4s--"),
    Line("memcpy of the same bytes", "restore", "memcpy", "warm", "restore_ms", "k:"),
)


def points(rows: Sequence[dict[str, Any]], line: Line) -> list[tuple[int, float]]:
    """(tokens, median) of one curve, by length."""
    wanted = (line.case, line.system, line.cache, line.measure)
    found = (row for row in rows if (row["case"], row["system"], row["cache"], row["measure"]) == wanted)
    return sorted((row["tokens"], row["median"]) for row in found)


def draw(result: dict[str, Any], out: Path) -> None:
    """Both axes logarithmic: the curves are two to three decades apart."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.4), layout="constrained")
    for line in LINES:
        found = points(result["rows"], line)
        if found:
            axes.plot(*zip(*found, strict=True), line.style, label=line.label, markersize=5, linewidth=1.4)
    ticks = sorted({row["tokens"] for row in result["rows"] if row["case"] == "restore"})
    axes.set(xscale="log", yscale="log", xlabel="tokens in the session", ylabel="milliseconds")
    axes.set_xticks(ticks, labels=[f"{tick:,}" for tick in ticks], minor=False)
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1))
    axes.set_title(caption(result["machine"]), fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=110, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def caption(machine: dict[str, Any]) -> str:
    return f"{machine['cpu']}, {machine['threads']} thread(s), median of {machine['reps']}, {machine['label']}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot", description=__doc__)
    parser.add_argument("file", type=Path, help="what benchmarks.resume --json wrote")
    parser.add_argument("--out", type=Path, default=RESULTS / "resume.png")
    args = parser.parse_args(argv)
    draw(json.loads(args.file.read_text()), args.out)


if __name__ == "__main__":
    main()
