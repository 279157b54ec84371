"""Bytes of a state against tokens, from a result file: `python -m benchmarks.plot_state FILE [--out PNG] [--page MD]`.

Draws docs/state.png and writes the numbers under it into docs/state.md.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from ._state_tables import Curve, curves, renewed, short, size

DOCS = Path(__file__).parents[1] / "docs"
STYLES = {
    "Transformer": ("C3", "-"),
    "sliding 5:1": ("C1", "--"),
    "sliding only": ("k", ":"),
    "hybrid": ("C0", "-"),
    "Mamba": ("C2", "-"),
    "RWKV": ("C7", "-"),
}
"""Colour and dashes; lines that lie upon each other are told apart by the dashes."""

OTHER = ("C5", "-")
APART = 0.045
"""Least distance of two labels, as a share of the axis."""


def draw(result: dict[str, Any], out: Path) -> None:
    """Both axes logarithmic; the lines are named at their right ends. On white, so that it is readable on dark pages too."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 2, figsize=(10.4, 4.4), layout="constrained", sharey=True)
    figure.set_facecolor("white")
    held, disk = curves(result["rows"], "memory", "held_bytes"), curves(result["rows"], "disk", "disk_bytes")
    values = [value for curve in (*held, *disk) for _, value in curve.points]
    limits = (min(values) / 1.6, max(values) * 2)
    _panel(panels[0], held, "working state in memory", limits)
    _panel(panels[1], disk, "stored on disk, with checkpoints", limits)
    panels[0].set_ylabel("bytes of one session")
    figure.suptitle("8 layers of width 512, bf16; room for more tokens not counted", fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def _panel(axes: Any, found: Sequence[Curve], title: str, limits: tuple[float, float]) -> None:
    for curve in found:
        colour, dashes = STYLES.get(curve.name, OTHER)
        axes.plot(*zip(*curve.points, strict=True), color=colour, linestyle=dashes, marker="o", markersize=4, linewidth=1.8)
    lengths = [tokens for tokens, _ in found[0].points]
    axes.set(
        xscale="log", yscale="log", ylim=limits, xlim=(lengths[0] / 1.3, lengths[-1] * 16), xlabel="tokens in the session"
    )
    axes.set_xticks(lengths, labels=[short(tokens) for tokens in lengths], minor=False)
    axes.set_xticks([], minor=True)
    ticks = [4**power * 65_536.0 for power in range(-1, 9) if limits[0] <= 4**power * 65_536 <= limits[1]]
    axes.set_yticks(ticks, labels=[size(tick) for tick in ticks], minor=False)
    axes.set_yticks([], minor=True)
    axes.grid(alpha=0.3)
    axes.set_title(title, fontsize=10)
    for curve, height in zip(found, _heights([curve.points[-1][1] for curve in found], limits), strict=True):
        label = f"{curve.name}, {size(curve.points[-1][1])}"
        axes.annotate(
            label,
            curve.points[-1],
            (lengths[-1] * 1.25, height),
            textcoords="data",
            color=STYLES.get(curve.name, OTHER)[0],
            fontsize=8,
            va="center",
        )


def _heights(ends: Sequence[float], limits: tuple[float, float]) -> list[float]:
    """Where the labels of lines that end at `ends` stand: as near as they may without touching one another."""
    step = APART * math.log(limits[1] / limits[0])
    order = sorted(range(len(ends)), key=lambda i: ends[i])
    at = [math.log(end) for end in ends]
    for _ in range(200):
        for low, high in pairwise(order):
            overlap = step - (at[high] - at[low])
            if overlap > 1e-9:
                at[low] -= overlap / 2
                at[high] += overlap / 2
    return [math.exp(value) for value in at]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot_state", description=__doc__)
    parser.add_argument("file", type=Path, help="what benchmarks.state --json wrote")
    parser.add_argument("--out", type=Path, default=DOCS / "state.png")
    parser.add_argument("--page", type=Path, default=DOCS / "state.md", help="the page that prints the numbers")
    args = parser.parse_args(argv)
    result = json.loads(args.file.read_text())
    draw(result, args.out)
    if args.page.exists():
        args.page.write_text(renewed(args.page.read_text(encoding="utf-8"), result), encoding="utf-8")


if __name__ == "__main__":
    main()
