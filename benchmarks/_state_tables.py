"""The rows of `benchmarks.state` as Markdown: what docs/state.md prints, and the terminal after a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Rows = Sequence[Mapping[str, Any]]

BEGIN = "<!-- Below, down to the next such line: written by `python -m benchmarks.plot_state`. -->"
END = "<!-- End of what is written by it. -->"


class Curve(NamedTuple):
    """Bytes of one model by length."""

    name: str
    family: str
    points: list[tuple[int, float]]


def curves(rows: Rows, case: str, measure: str) -> list[Curve]:
    """The curves of a case ("memory", "disk"), in the order of the rows."""
    found: dict[str, Curve] = {}
    for row in rows:
        if (row["case"], row["measure"]) == (case, measure):
            curve = found.setdefault(row["system"], Curve(row["system"], row["note"], []))
            curve.points.append((row["tokens"], row["median"]))
    return list(found.values())


def short(tokens: int) -> str:
    return f"{tokens // 1024}k"


def size(nbytes: float) -> str:
    """Three digits, in powers of 1024."""
    units = ["GiB", "MiB", "KiB", "B"]
    while nbytes >= 1000 and len(units) > 1:
        nbytes /= 1024
        units.pop()
    unit = units[-1]
    return f"{nbytes:.0f} {unit}" if nbytes >= 99.5 else f"{nbytes:.3g} {unit}"


def table(heading: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(heading) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heading, rule, *lines))


def bytes_table(rows: Rows) -> str:
    """Memory, room and disk at each length."""
    held, room, disk = (
        curves(rows, case, measure)
        for case, measure in (("memory", "held_bytes"), ("memory", "allocated_bytes"), ("disk", "disk_bytes"))
    )
    if not held or not disk:
        return ""
    heading = ["", *(short(tokens) for tokens, _ in held[0].points)]
    parts = {"in memory": held, "in memory, with room to grow": room, "on disk": disk}
    return "\n\n".join(
        table([title, *heading[1:]], ([c.name, *(size(value) for _, value in c.points)] for c in found))
        for title, found in parts.items()
    )


def reuse_table(rows: Rows) -> str:
    """What divergence leaves to be used again."""
    wanted = [row for row in rows if row["case"].startswith("diverge ") and row["measure"] == "reuse"]
    return table(
        ["diverging", "kept by", "median reuse", "least", "places"],
        (
            [
                row["case"].removeprefix("diverge "),
                row["system"],
                *(f"{row[p]:.1%}" for p in ("median", "low")),
                str(row["reps"]),
            ]
            for row in wanted
        ),
    )


def rewind_table(rows: Rows) -> str:
    """What going back costs."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows:
        if row["case"].startswith("rewind "):
            found.setdefault((row["case"].removeprefix("rewind "), row["system"]), {})[row["measure"]] = row["median"]
    return table(
        ["model", "to", "ms", "tokens forgotten", "tokens computed again"],
        (
            [model, back, f"{cells['rewind_ms']:,.0f}", f"{cells['forgotten']:,.0f}", f"{cells['replayed']:,.0f}"]
            for (model, back), cells in found.items()
        ),
    )


def snapshot_lines(result: Mapping[str, Any]) -> str:
    """What snapshots cost, each number type on a line of its own."""
    rows = result["rows"]
    heading = [
        "Mamba 768 x 24",
        "turn",
        "turns with / without",
        "marks and commit / turn",
        "a snapshot",
        "copy, pack, write",
        "kept",
    ]
    lines = []
    for case in dict.fromkeys(row["case"] for row in rows if row["case"].startswith("overhead ")):
        cell = {(row["system"], row["measure"]): row["median"] for row in rows if row["case"] == case}
        dtype = case.removeprefix("overhead ")
        suffix = "" if dtype == "float32" else f"_{dtype}"
        one = [cell["one snapshot", name] for name in ("copy_ms", "pack_ms", "write_ms")]
        lines.append(
            [
                dtype,
                f"{cell['none', 'turn_ms']:,.0f} ms",
                f"{result['metrics'][f'checkpoint_overhead{suffix}']:+.1%}",
                f"{result['metrics'][f'checkpoint_overhead_parts{suffix}']:+.1%}",
                size(cell["one snapshot", "bytes"]),
                ", ".join(f"{value:.1f}" for value in one) + " ms",
                f"{cell['snapshots kept', 'kept']:.0f}",
            ]
        )
    return table(heading, lines)


def numbers(result: Mapping[str, Any]) -> str:
    """All of it, with where it was measured."""
    machine, rows = result["machine"], result["rows"]
    exact = sum(word == "exact" for word in result["families"].values())
    where = f"{machine['cpu']}, {machine['threads']} thread, {machine['label']}"
    return "\n\n".join(
        [
            f"Measured on: {where}{' (--quick)' if machine['quick'] else ''}. Times of a LOADED machine are noisy; bytes "
            "and counts of tokens are not.",
            bytes_table(rows),
            f"Families continued bit by bit by a new process, in float32 and bfloat16: {exact} of "
            f"{len(result['families'])}.",
            reuse_table(rows),
            rewind_table(rows),
            snapshot_lines(result),
        ]
    )


def renewed(page: str, result: Mapping[str, Any]) -> str:
    """The page with the numbers between its markers written anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{numbers(result)}\n\n{END}{after}"
