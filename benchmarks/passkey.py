"""What is found again in a memory of a million tokens: `python -m benchmarks.passkey --help`.

A conversation states facts and five-digit keys once. Then documents are remembered until the session holds as many tokens
as asked for, and the conversation goes on. One volume of Moby Dick is given again and again under other titles: its pieces
are embedded and indexed each time, and their KV, equal by hash, is computed and stored once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console

from perdure.runtime.session import Session

from . import _machine, _texts
from ._measure import Clock
from ._recall_data import Conversation, conversation, pieces
from ._recall_run import Scores, answered, asking, opened, resident, step_ms, tell, using
from ._report import show_load, verdicts_table
from ._targets import Target, judge

MODEL = "smollm2-135m-instruct"
PIECE_WORDS = 45
TURNS = 60
MODES = ("kv", "window")

TARGETS = {
    "passkey_kv": Target(0.95, True, "", "five-digit keys known, forced"),
    "passkey_facts_kv": Target(0.9, True, "", "facts known, forced"),
    "passkey_free_kv": Target(0.8, True, "", "a free answer contains the key or fact"),
    "passkey_window": Target(None, True, "", "control: nothing recalled"),
    "passkey_facts_window": Target(None, True, "", "control: nothing recalled"),
    "passkey_free_window": Target(None, True, "", "control: nothing recalled"),
    "tokens": Target(None, True, "", "tokens said and remembered"),
    "episodes": Target(None, True, "", "pieces that are searched"),
    "remember_s": Target(None, False, "s", "to remember the documents"),
    "reopen_s": Target(None, False, "s", "to open store and session again and have the logits"),
    "first_token_s": Target(None, False, "s", "from the first question after that to its first token"),
    "step_ms": Target(None, False, "ms", "a generated token at the end"),
    "step_over_start": Target(1.1, False, "x", "the same over one before the documents"),
    "disk_mib": Target(None, False, "MiB", "all files of the store"),
    "rss_anon_mib": Target(None, False, "MiB", "resident memory without pages of files"),
}

REASONS: dict[str, str] = {}
"""Metric name -> why its target is missed, written by hand after looking into it."""


def volumes(words: str, session: Session, share: int, tokens: int) -> list[tuple[str, str]]:
    """Titles and texts of documents of about `share` tokens each, `tokens` in all, every one with the same text."""
    volume = " ".join(words.split()[: int(share * 0.7)])
    size = session.loaded.chat.count(volume)
    return [(f"volume {number + 1}", volume) for number in range(-(-tokens // size))]


def fill(session: Session, talk: Conversation, args: argparse.Namespace, words: str, console: Console) -> dict[str, float]:
    """Say the first half of the conversation, remember documents, say the rest."""
    half = len(talk.turns) // 2
    tell(session, Conversation(talk.seed, talk.turns[:half], talk.facts, talk.keys), 1 << 40)
    before, clock, added = step_ms(session), Clock(), 0
    for title, text in volumes(words, session, args.share, args.tokens - session.head.tokens):
        added += session.memory.add([(title, text)]).tokens
        console.print(
            f"{title}: {added:,} tokens, {len(session.memory):,} episodes, {clock.ms / 1e3:.0f} s", highlight=False
        )
    spent = clock.ms / 1e3
    tell(session, Conversation(talk.seed, talk.turns[half:], talk.facts, talk.keys), 1 << 40)
    return {
        "remember_s": spent,
        "tokens": float(session.head.tokens + added),
        "episodes": float(len(session.memory)),
        "step_start_ms": before,
    }


def reopened(session: Session, question: str) -> dict[str, float]:
    """Seconds to the first token of a question in a session that was just opened."""
    with asking(session) as fork:
        clock = Clock()
        stream = fork.stream(question, max_tokens=2)
        next(stream)
        found = clock.ms / 1e3
        stream.close()
    return {"first_token_s": found}


def ask(session: Session, talk: Conversation) -> dict[str, float]:
    """Every paraphrase with a forced beginning, and once freely."""
    scores = Scores()
    found: dict[str, float] = {}
    for mode in MODES:
        using(session.runtime, mode)
        for kind, group in (("", talk.keys), ("_facts", talk.facts)):
            for fact in group:
                for number, question in enumerate(fact.questions()):
                    right, answer = answered(session, question, free=not number)
                    scores.note(kind, mode, right)
                    if answer is not None:
                        scores.note("_free", mode, question.holds(answer))
        found |= {f"passkey{kind}_{mode}": scores.share(kind, mode) or 0.0 for kind in ("", "_facts", "_free")}
    using(session.runtime, "kv")
    return found


def measure(args: argparse.Namespace, console: Console, store: Path) -> dict[str, float]:
    words = _texts.load("moby-dick", args.texts)
    filler = pieces(words, PIECE_WORDS)
    talk = conversation(args.seed, filler, TURNS, style=args.seed % 2)
    with opened(args.model, store, args.cache) as runtime, runtime.session("talk") as session:
        found = fill(session, talk, args, words, console)
    clock = Clock()
    with opened(args.model, store, args.cache) as runtime:
        loaded, session = clock.ms, runtime.session("talk")
        session.logits()
        found |= {"reopen_s": (clock.ms - loaded) / 1e3}
        found |= reopened(session, talk.keys[0].questions()[0].text) | ask(session, talk)
        found["step_ms"] = statistics.median(step_ms(session) for _ in range(3))
        found["step_over_start"] = found["step_ms"] / found["step_start_ms"]
        found["rss_anon_mib"] = resident("RssAnon") / 2**20
    found["disk_mib"] = sum(file.stat().st_blocks * 512 for file in store.rglob("*") if file.is_file()) / 2**20
    return found


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.passkey", description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000, help="tokens to say and remember (default: a million)")
    parser.add_argument("--share", type=int, default=65_536, help="tokens of a volume (default: 65536)")
    parser.add_argument("--quick", action="store_true", help="100,000 tokens in volumes of 16,384")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write machine and metrics")
    parser.add_argument("--seed", type=int, default=20, help="names, facts and keys")
    parser.add_argument("--cpus", nargs="+", type=int, default=[], help="the core to pin to (default: the highest)")
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--cache", type=Path, help="where models were pulled to (default: the user's)")
    parser.add_argument("--texts", type=Path, default=Path(".benchmarks/texts"), help="where fetched texts are kept")
    parser.add_argument("--work", type=Path, help="folder for the store (default: the system's temporary)")
    args = parser.parse_args(argv)
    if args.quick:
        args.tokens, args.share = 100_000, 16_384
    return args


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    console, before = Console(), _machine.load()
    cpus = _machine.pin(1, args.cpus)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=args.work, prefix="bench-") as folder:
        metrics = measure(args, console, Path(folder) / "store")
        machine = _machine.described(Path(folder), cpus, before)
    console.print(verdicts_table(judge(metrics, TARGETS, REASONS), "Found again"))
    show_load(console, machine)
    if args.json:
        args.json.write_text(json.dumps({"machine": machine, "seed": args.seed, "metrics": metrics}, indent=1) + "\n")


if __name__ == "__main__":
    main()
