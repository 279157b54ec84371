"""What is remembered beyond the window, from result files: `python -m benchmarks.plot_memory [--results FOLDER]`.

Draws docs/memory.png and writes the numbers under it into docs/memory.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCS = HERE.parent / "docs"
MARK = "<!-- Below, down to the next such line: written by `python -m benchmarks.plot_memory`. -->"
FILES = ("recall", "passkey", "summary", "search")
SPANS = ("4k", "8k")
MODES = {"kv": ("C0", "keys and values"), "text": ("C1", "text"), "window": ("C7", "nothing")}
WAYS = {
    "512": ("C0", "512 entries"),
    "256": ("C2", "256 entries"),
    "window": ("C7", "512 more tokens of window"),
    "infini": ("C4", "Infini memory"),
}

Results = Mapping[str, Mapping[str, Any]]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The metrics of each benchmark whose result is there."""
    return {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in FILES
        if (folder / f"{name}.json").exists()
    }


def known(results: Results, mode: str, kind: str) -> list[tuple[str, float]]:
    """(size, share of right answers) for the sizes that were measured."""
    recall, passkey = (results.get(name, {}).get("metrics", {}) for name in ("recall", "passkey"))
    found = [(size, recall.get(f"recall_{mode}_{kind}_{size}")) for size in ("16k", "128k")]
    found.append(("1m", passkey.get(f"passkey_{'' if kind == 'keys' else 'facts_'}{mode}")))
    return [(size, value) for size, value in found if value is not None]


def draw(results: Results, out: Path) -> None:
    """Three panels: what is known, what a summary wins, how long a recall takes to the first token."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, 3, figsize=(11.5, 3.9), layout="constrained", width_ratios=[1.5, 1.2, 0.8])
    figure.set_facecolor("white")
    _known_panel(panels[0], results)
    _summary_panel(panels[1], results["summary"]["metrics"])
    _time_panel(panels[2], results["recall"]["metrics"])
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=150, pil_kwargs={"optimize": True})
    pyplot.close(figure)


def _known_panel(axes: Any, results: Results) -> None:
    for mode, (colour, label) in MODES.items():
        for kind, dashes in (("facts", "-"), ("keys", "--")):
            points = known(results, mode, kind)
            axes.plot(
                [size for size, _ in points],
                [value for _, value in points],
                color=colour,
                linestyle=dashes,
                marker="o",
                markersize=4,
                label=f"{kind}, put back as {label}" if mode != "window" else f"{kind}, window only",
            )
    axes.set(ylim=(-0.05, 1.05), xlabel="tokens since", ylabel="share of right answers")
    axes.set_title("said once, asked later (window 512)", fontsize=10)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center right")


def _summary_panel(axes: Any, metrics: Mapping[str, float]) -> None:
    width, ways = 0.2, [way for way in WAYS if f"gap_won_{way}_4k" in metrics or f"gap_won_{way}" in metrics]
    for number, way in enumerate(ways):
        colour, label = WAYS[way]
        heights = [metrics.get(f"gap_won_{way}_{span}", metrics.get(f"gap_won_{way}", 0.0)) for span in SPANS]
        axes.bar([x + number * width for x in range(len(SPANS))], heights, width, color=colour, label=label)
    axes.set_xticks([x + width * (len(ways) - 1) / 2 for x in range(len(SPANS))], labels=["1k to 4k", "4k to 8k"])
    axes.set(ylim=(0, 1), ylabel="share of the gap to full context")
    axes.set_title("perplexity won back by a summary", fontsize=10)
    axes.grid(alpha=0.3, axis="y")
    axes.legend(fontsize=7, loc="upper right")


def _time_panel(axes: Any, metrics: Mapping[str, float]) -> None:
    modes = [mode for mode in MODES if f"ttft_{mode}_ms" in metrics]
    heights = [metrics[f"ttft_{mode}_ms"] / 1e3 for mode in modes]
    bars = axes.bar([MODES[mode][1] for mode in modes], heights, 0.6, color=[MODES[mode][0] for mode in modes])
    axes.bar_label(bars, [f"{height:.2f} s" for height in heights], fontsize=8)
    axes.set(ylabel="seconds to the first token")
    axes.set_title("8 memories of 128 tokens", fontsize=10)
    axes.grid(alpha=0.3, axis="y")


def tables(results: Results) -> str:
    """The numbers as Markdown."""
    parts = [_machines(results), _recall_table(results), _summary_table(results["summary"]), _costs(results)]
    return "\n\n".join(parts)


def _machines(results: Results) -> str:
    told = ", ".join(f"{name} {result['machine']['label']}" for name, result in results.items())
    cpu = results["recall"]["machine"]["cpu"]
    return f"Measured on {cpu}, one thread unless said ({told}). Times of a LOADED machine are noisy; shares are not."


def _recall_table(results: Results) -> str:
    sizes = [size for size, _ in known(results, "kv", "keys")]
    lines = [f"| right answers after | {' | '.join(sizes)} |", f"| --- |{' ---: |' * len(sizes)}"]
    for mode, (_, label) in MODES.items():
        for kind in ("facts", "keys"):
            values = dict(known(results, mode, kind))
            cells = " | ".join(f"{values[size]:.2f}" if size in values else "-" for size in sizes)
            name = f"{kind}, put back as {label}" if mode != "window" else f"{kind}, window only"
            lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def _summary_table(result: Mapping[str, Any]) -> str:
    metrics, rows = result["metrics"], result["rows"]
    lines = ["| share of the gap won back | 1k to 4k | 4k to 8k |", "| --- | ---: | ---: |"]
    for way, (_, label) in WAYS.items():
        values = [metrics.get(f"gap_won_{way}_{span}", metrics.get(f"gap_won_{way}")) for span in SPANS]
        if values[0] is not None:
            lines.append(f"| {label} | {' | '.join(f'{value:.2f}' for value in values)} |")
    spans = list(dict.fromkeys(span for row in rows for span in row.get("perplexity", ())))
    lines += ["", f"| perplexity | {' | '.join(spans)} |", f"| --- |{' ---: |' * len(spans)}"]
    for row in rows:
        if "perplexity" in row:
            cells = " | ".join(f"{row['perplexity'][span]:.2f}" if span in row["perplexity"] else "-" for span in spans)
            lines.append(f"| {row['text']}, {row['way']} | {cells} |")
    return "\n".join(lines)


def _costs(results: Results) -> str:
    shown = {
        "recall": ("ttft_kv_ms", "ttft_text_ms", "rss_128k_over_16k", "step_time_128k_over_16k"),
        "passkey": ("episodes", "reopen_s", "first_token_s", "step_over_start", "disk_mib"),
        "summary": ("summary_overhead", "embedding_overhead", "encoding_overhead"),
        "search": ("search_ms_100k", "search_ms_1m"),
    }
    lines = ["| benchmark | metric | value |", "| --- | --- | ---: |"]
    for name, metrics in shown.items():
        values = results.get(name, {}).get("metrics", {})
        lines += [f"| {name} | `{metric}` | {values[metric]:,.4g} |" for metric in metrics if metric in values]
    return "\n".join(lines)


def renewed(page: str, results: Results) -> str:
    """The page with the numbers between its two marks written anew."""
    before, _, after = page.split(MARK)
    return f"{before}{MARK}\n\n{tables(results)}\n\n{MARK}{after}"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plot_memory", description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder of what the benchmarks wrote")
    parser.add_argument("--out", type=Path, default=DOCS / "memory.png")
    parser.add_argument("--page", type=Path, default=DOCS / "memory.md")
    args = parser.parse_args(argv)
    results = read(args.results)
    draw(results, args.out)
    args.page.write_text(renewed(args.page.read_text(encoding="utf-8"), results), encoding="utf-8")


if __name__ == "__main__":
    main()
