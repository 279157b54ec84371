"""What a summary of evicted tokens is worth, as perplexity on held-out text: `python -m benchmarks.summary --help`."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable

from perdure.config import PREFILL_GRID, MemoryOptions
from perdure.memory.chunking import split
from perdure.memory.records import Message
from perdure.memory.summary import HeavyHitters, Summary
from perdure.memory.working import Budget
from perdure.runtime import Runtime
from perdure.runtime import open as open_runtime
from perdure.runtime.alone import Alone
from perdure.runtime.archive import header
from perdure.runtime.engine import Engine
from perdure.runtime.room import make_room
from perdure.runtime.state.cache import inputs_of
from perdure.runtime.warm import Warm

from . import _machine, _texts
from ._measure import Clock
from ._report import show_load, verdicts_table
from ._targets import Target, judge

MODEL = "smollm2-135m-instruct"
WINDOW, BLOCK, SINKS = 512, 256, 4
TEXTS = ("sotu", "hamlet")
"""Not the text on which the recipe was chosen (docs/decisions/0012)."""
SCORED = {"4k": (1024, 4096), "8k": (4096, 8192), "16k": (8192, 16384), "32k": (16384, 32768)}

TARGETS = {
    "gap_won_256_4k": Target(0.8, True, "", "share of the gap between window and full context, 256 entries, 1k to 4k"),
    "gap_won_512_4k": Target(0.9, True, "", "the same with 512 entries"),
    "gap_won_512_8k": Target(0.65, True, "", "the same scored from 4k to 8k"),
    "gap_won_256_8k": Target(None, True, "", "the same with 256 entries"),
    "gap_won_window_4k": Target(None, True, "", "control: 512 more tokens of window instead, 1k to 4k"),
    "gap_won_window_8k": Target(None, True, "", "the same from 4k to 8k"),
    "gap_won_infini": Target(0.0, True, "", "the calibrated Infini memory alone, 1k to 4k"),
    "gap_won_infini_8k": Target(None, True, "", "the same from 4k to 8k"),
    "nats_won_512_8k": Target(None, True, "", "loss of the window less loss with 512 entries, 4k to 8k"),
    "nats_won_512_16k": Target(None, True, "", "the same from 8k to 16k, where the model has no full context"),
    "nats_won_512_32k": Target(None, True, "", "the same from 16k to 32k"),
    "memory_overhead": Target(0.1, False, "", "time of listening, evicting and embedding / prefill"),
    "summary_overhead": Target(None, False, "", "the part of it that is listening and evicting"),
    "embedding_overhead": Target(None, False, "", "the part of it that is sentence vectors"),
    "encoding_overhead": Target(None, False, "", "beside it: encoding pieces alone, for recall as KV / prefill"),
}

REASONS = {
    "gap_won_256_4k": "Thirty scores, fades and ways of forgetting were tried; none met it (docs/decisions/0012).",
    "gap_won_512_4k": "The same; 0.81 was the best of them on the text the rule was chosen on.",
    "memory_overhead": (
        "The encoder's layers have 10.6 M parameters and the model's 106 M: 10 % is spent before anything else. bfloat16 is "
        "1.4 times as fast as float32 and in use; batches would give 1.2 to 1.5 times more and change the bits of a vector "
        "with what is said beside it; a second thread gains nothing on a pair of hyperthreads."
    ),
}

Losses = NDArray[np.float64]


class Way(NamedTuple):
    """One way to bound the working set; no budget keeps everything."""

    name: str
    budget: Budget | None
    summary: Summary


def ways(context: int, infini: Summary) -> list[Way]:
    """The summaries and their controls."""
    bounded, heavy = Budget(WINDOW, BLOCK, SINKS, 0, 0, context), HeavyHitters()
    found = [
        Way("full", None, heavy),
        Way("window", bounded, heavy),
        Way("larger window", bounded._replace(window=WINDOW + 512), heavy),
        Way("256 entries", bounded._replace(entries=256), heavy),
        Way("512 entries", bounded._replace(entries=512), heavy),
    ]
    return [*found, Way("infini", bounded, infini)] if infini.folds else found


def losses(engine: Engine, tokens: Sequence[int], way: Way) -> tuple[Losses, float]:
    """Negative log-likelihood of each token but the first, and the milliseconds it took without the output head."""
    warm = Warm(engine.adapter.new(), [], [], 0, b"")
    session = SimpleNamespace(budget=way.budget, warm=warm, engine=engine, copy=None, summary=way.summary)
    found, spent = [], 0.0
    for start in range(0, len(tokens), PREFILL_GRID):
        part = tokens[start : start + PREFILL_GRID]
        clock = Clock()
        make_room(session, len(part))  # type: ignore[arg-type]
        warm.captured.clear()
        hidden = _hidden(engine, warm.state, part)
        spent += clock.ms
        found.append(_nll(engine, hidden, tokens[start + 1 : start + len(part) + 1]))
        warm.stored = warm.state.seen
    warm.state.release()
    return np.concatenate(found), spent


@torch.inference_mode()
def _hidden(engine: Engine, state: Any, part: Sequence[int]) -> torch.Tensor:
    model = engine.model.base_model
    state.reserve(state.seen + len(part))
    out = state.run(model, inputs_of(model, part, state.position))
    state.seen += len(part)
    hidden: torch.Tensor = out.last_hidden_state[0]
    return hidden


@torch.inference_mode()
def _nll(engine: Engine, hidden: torch.Tensor, following: Sequence[int]) -> Losses:
    logits = engine.model.get_output_embeddings()(hidden[: len(following)]).float()
    wanted = torch.tensor(list(following))
    return torch.nn.functional.cross_entropy(logits, wanted, reduction="none").double().numpy()


def shares(found: dict[str, Losses], name: str) -> dict[str, tuple[float, float]]:
    """Share of the gap that a way wins back, with its standard error, for each span that full attention reaches."""
    result = {}
    for span, (start, end) in SCORED.items():
        if len(found["full"]) >= end - 1:
            end = min(end, len(found["full"]))  # the last position a model knows has no token after it
            gap = found["window"][start:end] - found["full"][start:end]
            won = found["window"][start:end] - found[name][start:end]
            share = float(won.mean() / gap.mean())
            error = float((won - share * gap).std() / math.sqrt(len(gap)) / abs(gap.mean()))
            result[span] = (share, error)
    return result


def indexing(runtime: Runtime, words: str) -> tuple[float, float]:
    """Milliseconds of embedding a text's pieces, and of encoding them alone."""
    chat, engine = runtime.loaded.chat, runtime.engine
    texts = [piece for piece in split(words, chat.count, runtime.memory.episode_tokens) if piece.strip()]
    alone = Alone(engine, runtime.recipe.digest, header(chat, [Message("system", "You are a helpful assistant.")]))
    runtime.memories.encoder.encode(texts[:4])
    alone.encode(chat.text(texts[0]))
    clock = Clock()
    runtime.memories.encoder.encode(texts)
    embedded, clock = clock.ms, Clock()
    for text in texts:
        alone.encode(chat.text(f" {text.strip()}\n"))
    encoded = clock.ms
    alone.close()
    return embedded, encoded


KEYS = {"256 entries": "256", "512 entries": "512", "larger window": "window", "infini": "infini"}


def measure(args: argparse.Namespace, console: Console, runtime: Runtime) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Every way on every text; metrics are means over the texts."""
    context, engine = runtime.model.context_length, runtime.engine
    rows: list[dict[str, Any]] = []
    seen: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        seen.setdefault(name, []).append(value)

    for text in args.texts_used:
        words = _texts.load(text, args.texts)[args.skip : args.skip + 8 * args.tokens]
        tokens = runtime.loaded.chat.text(words)[: args.tokens]
        found: dict[str, Losses] = {}
        times: dict[str, float] = {}
        for way in ways(context, runtime.summary):
            found[way.name], ms = losses(engine, tokens if way.budget else tokens[:context], way)
            times[way.name] = ms
            loss = {span: found[way.name][a:b].mean() for span, (a, b) in SCORED.items() if len(found[way.name]) >= b - 1}
            ppl = {span: math.exp(value) for span, value in loss.items()}
            console.print(f"{text}, {way.name}: {ppl} in {ms / 1e3:.0f} s", highlight=False)
            rows.append({"text": text, "way": way.name, "perplexity": ppl, "ms": ms})
        for name in found.keys() & KEYS.keys():
            for span, (share, error) in shares(found, name).items():
                note(f"gap_won_{KEYS[name]}_{span}", share)
                rows.append({"text": text, "way": name, "span": span, "share": share, "error": error})
            for span, (start, end) in SCORED.items():
                if len(tokens) >= end:
                    won = found["window"][start:end] - found[name][start:end]
                    note(f"nats_won_{KEYS[name]}_{span}", float(won.mean()))
        # The same number of keys in the window, but neither summary nor mass: what remains is the price of both.
        note("summary_overhead", times["512 entries"] / times["larger window"] - 1)
        embedded, encoded = indexing(runtime, runtime.loaded.tokenizer.decode(tokens[:2048]))
        prefill = times["larger window"] * 2048 / len(tokens)
        note("embedding_overhead", embedded / prefill)
        note("encoding_overhead", encoded / prefill)
    metrics = {name: float(np.mean(parts)) for name, parts in seen.items()}
    if "gap_won_infini_4k" in metrics:
        metrics["gap_won_infini"] = metrics.pop("gap_won_infini_4k")
    return metrics | {"memory_overhead": metrics["summary_overhead"] + metrics["embedding_overhead"]}, rows


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.summary", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one text, 4k tokens")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine, metrics and rows")
    parser.add_argument("--tokens", type=int, help="tokens of each text (default: 32768)")
    parser.add_argument("--skip", type=int, default=2000, help="characters left out at the beginning of a text")
    parser.add_argument("--texts-used", nargs="+", choices=_texts.TEXTS, help=f"default: {' '.join(TEXTS)}")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="the core to pin to (default: the highest)")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/perdure", help="where models were pulled to")
    parser.add_argument("--texts", type=Path, default=Path(".benchmarks/texts"), help="where fetched texts are kept")
    args = parser.parse_args(argv)
    args.texts_used = args.texts_used or (TEXTS[:1] if args.quick else TEXTS)
    args.tokens = args.tokens or (4096 if args.quick else 32_768)
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    console, before = Console(), _machine.load()
    cpus = _machine.pin(1, args.cpus)
    torch.set_num_threads(1)
    memory = MemoryOptions(backend="infini")
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as store,
        open_runtime(args.model, Path(store), threads=1, memory=memory, cache=args.cache) as runtime,
    ):
        metrics, rows = measure(args, console, runtime)
    machine = _machine.described(args.cache, cpus, before)
    console.print(_shares(rows))
    console.print("Beyond the model's context nothing has a share: there is no full attention to compare it with.")
    console.print(verdicts_table(judge(metrics, TARGETS, REASONS), "Summaries"))
    show_load(console, machine)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "metrics": metrics, "rows": rows}, indent=1) + "\n")


def _shares(rows: Sequence[dict[str, Any]]) -> RichTable:
    table = RichTable(title="Share of the gap won back")
    for heading in ("text", "way", "span", "share", "standard error"):
        table.add_column(heading)
    for row in rows:
        if "share" in row:
            table.add_row(row["text"], row["way"], row["span"], f"{row['share']:.2f}", f"{row['error']:.2f}")
    return table


if __name__ == "__main__":
    main()
