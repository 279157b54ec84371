"""Rows to metrics, and both to tables on the terminal."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable

from ._measure import Table
from ._targets import Verdict, judge

OURS, LLAMA = "perdure", "llama.cpp"
OBJECTS = 100_000
NAMED = {2048: "2k", 8000: "8k"}
RESTORES = ("restore_ms", "restore_again_ms", "restore_http_ms")
STORES = ("durable_ms", "commit_ms", "fork_ms", "open_ms", "paid_ms")
SHOWN = ("prefill_ms", "first_token_ms", *RESTORES, "first_logits_ms", "token_ms", *STORES)


def metrics_of(table: Table) -> dict[str, float]:
    """Every metric whose parts were measured, by name."""
    tokens = longest(table)
    found = {**_resume(table), **_restore(table, tokens), **_snapshot(table, tokens), **_stores(table, tokens)}
    return {name: value for name, value in found.items() if value is not None}


def longest(table: Table) -> int:
    """The longest session that was restored: the metrics without a length in their name speak of it."""
    return max((row.tokens for row in table.rows if row.case == "restore"), default=0)


def _resume(table: Table) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for tokens, name in NAMED.items():
        cold = table.find("prefill", OURS, "first_token_ms", tokens)
        for cache, suffix in (("warm", ""), ("cold", "_cold")):
            logits = table.find("restore", OURS, "first_logits_ms", tokens, cache)
            token = table.find("restore", OURS, "token_ms", tokens, cache)
            found[f"resume_speedup_{name}{suffix}"] = _over(cold, logits)
            found[f"resume_token_speedup_{name}{suffix}"] = _over(cold, token)
    return found


def _restore(table: Table, tokens: int) -> dict[str, float | None]:
    """Milliseconds per byte, ours over theirs: the two formats differ by 0.1 % in size."""
    found: dict[str, float | None] = {}
    for cache in ("warm", "cold"):
        ours = _per_byte(table, OURS, "restore_again_ms", tokens, cache)
        fresh = _per_byte(table, OURS, "restore_ms", tokens, cache)
        found[f"restore_vs_llamacpp_{cache}"] = _over(ours, _per_byte(table, LLAMA, "restore_ms", tokens, cache))
        http = _per_byte(table, LLAMA, "restore_http_ms", tokens, cache)
        found[f"restore_fresh_vs_llamacpp_{cache}"] = _over(fresh, _per_byte(table, LLAMA, "restore_ms", tokens, cache))
        found[f"restore_vs_llamacpp_http_{cache}"] = _over(ours, http)
        found[f"restore_over_memcpy_{cache}"] = _over(ours, _per_byte(table, "memcpy", "restore_ms", tokens, "warm"))
    return found


def _snapshot(table: Table, tokens: int) -> dict[str, float | None]:
    commit = table.find("save", OURS, "commit_ms", tokens)
    return {
        "snapshot_extra_bytes": table.find("save", OURS, "extra_bytes", tokens),
        "snapshot_extra_bytes_physical": table.find("save", OURS, "extra_bytes_physical", tokens),
        "snapshot_vs_llamacpp": _over(table.find("save", LLAMA, "durable_ms", tokens), commit),
    }


def _stores(table: Table, tokens: int) -> dict[str, float | None]:
    ratio = _over(*(table.find("decode", f"{OURS} {name}", "paid_ms", 512) for name in ("persistent", "volatile")))
    forks = [table.find("fork synthetic", f"{OURS} {size}", "fork_ms", 0) for size in (65_536, 1_024)]
    return {
        "fork_ms": table.find("fork", OURS, "fork_ms", tokens),
        "fork_64k_over_1k": _over(*forks),
        "bytes_per_token_over_analytic": table.find("prefill", OURS, "bytes_over_analytic", tokens),
        "persist_overhead": None if ratio is None else ratio - 1,
        "open_100k_ms": table.find("open", OURS, "open_ms", OBJECTS, "warm"),
    }


def _per_byte(table: Table, system: str, measure: str, tokens: int, cache: str) -> float | None:
    return _over(
        table.find("restore", system, measure, tokens, cache), table.find("restore", system, "bytes", tokens, cache)
    )


def _over(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def show(console: Console, result: dict[str, Any]) -> None:
    """The medians, then the verdicts, then under what load."""
    machine = result["machine"]
    console.print(medians(result["rows"], SHOWN))
    console.print(verdicts_table(judge(result["metrics"]), f"Targets (longest session: {machine['longest']:,} tokens)"))
    show_load(console, machine)


def show_load(console: Console, machine: dict[str, Any]) -> None:
    console.print(
        f"{machine['label']}: {machine['cpu']}, {machine['threads']} thread(s) on cores {machine['pinned_to']}, "
        f"load {machine['load_before']['load1']} before and {machine['load_after']['load1']} after.",
        highlight=False,
    )


def medians(
    rows: list[dict[str, Any]], shown: Collection[str], title: str = "Medians (milliseconds, or tokens per second)"
) -> RichTable:
    """The rows whose measure is among those to be shown."""
    table = RichTable(title=title)
    for heading in ("case", "size", "measure", "median", "low", "high", "reps"):
        left = heading in ("case", "measure")
        table.add_column(heading, justify="left" if left else "right", overflow="fold", no_wrap=not left)
    for row in rows:
        if row["measure"] in shown:
            name = " ".join(filter(None, (row["case"], row["system"], row["cache"])))
            numbers = (f"{row[part]:.2f}" for part in ("median", "low", "high"))
            table.add_row(name, f"{row['tokens']:,}", row["measure"].removesuffix("_ms"), *numbers, str(row["reps"]))
    return table


def verdicts_table(verdicts: list[Verdict], title: str) -> RichTable:
    table = RichTable(title=title)
    for heading in ("metric", "value", "target", "verdict", "reason or meaning"):
        table.add_column(heading, overflow="fold")
    words = {True: "[green]met[/green]", False: "[red]missed[/red]", None: "-"}
    for verdict in verdicts:
        value = "-" if verdict.value is None else f"{verdict.value:,.4g} {verdict.target.unit}"
        table.add_row(verdict.name, value, _asked(verdict), words[verdict.met], verdict.reason or verdict.target.sentence)
    return table


def _asked(verdict: Verdict) -> str:
    target = verdict.target
    return "-" if target.limit is None else f"{'>=' if target.at_least else '<='} {target.limit:,g} {target.unit}"
