"""What fast weights know, from a result file: `python -m benchmarks.plot_facts [--results FILE]`.

Draws docs/fastweights.png and writes the numbers under it into docs/fastweights.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MARK = "<!-- Below, down to the next such line: written by `python -m benchmarks.plot_facts`. -->"
WAYS = {
    "untaught_10": "never taught",
    "context_10": "fact in the context, as text",
    "recalled_10": "episodic recall only",
    "facts_10": "fast weights, 10 facts",
    "facts_40": "fast weights, 40 facts",
    "facts_200": "fast weights, 200 facts",
    "facts_from_chat": "said in passing, generic wordings",
    "facts_from_chat_library": "said in passing, the library's wordings",
}
"""Metric -> what it is a share of right free answers of; with `_forced` that of answers whose beginning was given."""

CONTROLS = ("untaught_10", "context_10", "recalled_10")
COSTS = (
    "seconds_per_fact",
    "bytes_per_fact",
    "apply_overhead",
    "damage_general",
    "damage_ppl",
    "leak_minus_base",
    "update_wins",
    "removal_exact",
    "both_minus_better_10",
    "follow_ups_10",
    "two_facts_10",
    "kept_10",
    "kept_from_chat",
)

Result = Mapping[str, Any]


def shares(result: Result) -> list[tuple[str, str, float, float | None]]:
    """(metric, label, free, forced) of what was measured."""
    metrics = result["metrics"]
    return [(name, label, metrics[name], metrics.get(f"{name}_forced")) for name, label in WAYS.items() if name in metrics]


def spread(result: Result, name: str) -> tuple[float, float]:
    """The least and the greatest of the seeds."""
    seen = result["seen"][name]
    return min(seen), max(seen)


def draw(result: Result, out: Path) -> None:
    """One bar for each way of knowing, with the range of the seeds."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4), layout="constrained")
    figure.set_facecolor("white")
    found = shares(result)[::-1]
    for place, (name, _, free, forced) in enumerate(found):
        low, high = spread(result, name)
        colour = "C7" if name in CONTROLS else "C0"
        axes.barh(place, free, 0.62, color=colour, xerr=[[free - low], [high - free]], error_kw={"lw": 1, "capsize": 3})
        axes.text(max(high, forced or 0.0) + 0.015, place, f"{free:.2f}", va="center", fontsize=9)
        if forced is not None:
            axes.plot([forced], [place], marker="|", markersize=16, color="C3")
    axes.plot([], [], marker="|", markersize=10, linestyle="", color="C3", label="the answer's beginning given")
    axes.set_yticks(range(len(found)), labels=[label for _, label, _, _ in found])
    axes.set(xlim=(0, 1.1), xlabel="share of right answers in a fresh conversation (range of the seeds)")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(fontsize=8, loc="upper right")
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def tables(result: Result) -> str:
    """The numbers as Markdown."""
    machine = result["machine"]
    seeds = ", ".join(map(str, result["seeds"]))
    told = f"Measured on {machine['cpu']} ({machine['label']}), sets of facts {seeds}."
    lines = ["| right answers | free | beginning given |", "| --- | ---: | ---: |"]
    for _, label, free, forced in shares(result):
        lines.append(f"| {label} | {free:.2f} | {'-' if forced is None else f'{forced:.2f}'} |")
    costs = ["| metric | value |", "| --- | ---: |"]
    costs += [f"| `{name}` | {result['metrics'][name]:,.4g} |" for name in COSTS if name in result["metrics"]]
    return "\n\n".join([told, "\n".join(lines), "\n".join(costs)])


def renewed(page: str, result: Result) -> str:
    """The page with the numbers between its two marks written anew."""
    before, _, after = page.split(MARK)
    return f"{before}{MARK}\n\n{tables(result)}\n\n{MARK}{after}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot_facts", description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results" / "facts.json", help="what the benchmark wrote")
    parser.add_argument("--out", type=Path, default=DOCS / "fastweights.png")
    parser.add_argument("--page", type=Path, default=DOCS / "fastweights.md")
    args = parser.parse_args(argv)
    result = json.loads(args.results.read_text(encoding="utf-8"))
    draw(result, args.out)
    args.page.write_text(renewed(args.page.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
