"""Perdure's side: the only module here that touches its API."""

from __future__ import annotations

import json
import shutil
import statistics
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from ._corpus import Corpus, text
from ._measure import Clock, Key, Sample, Variant, disk_bytes, drop_cache, written

SYSTEM = "perdure"
SESSION = "bench"
OPENER = "Tell me a very long story about the sea, with many ships and many captains."
GREEDY: dict[str, Any] = {"temperature": 0.0, "seed": 1}


def model_folder(name: str) -> Path:
    """The converted model's folder, pulled first if it is not on this machine."""
    from perdure.errors import ModelNotFound
    from perdure.places import default_cache
    from perdure.runtime import models, pull

    cache = default_cache()
    try:
        return Path(models.resolve(name, cache))
    except ModelNotFound:
        return Path(pull.pull(name, cache))


def kv_bytes_per_token(folder: Path) -> int:
    """Keys and values of all layers, two bytes a number."""
    config = json.loads((folder / "config.json").read_text())
    heads = config.get("num_key_value_heads", config["num_attention_heads"])
    size = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    return int(2 * config["num_hidden_layers"] * heads * size * 2)


class Engine:
    """One model, one folder of stores: a store for each length, built by the cold prefill that is measured."""

    def __init__(self, model: str, work: Path, corpus: Corpus, *, threads: int, kv_bytes: int) -> None:
        self.model, self.work, self.corpus = model, work, corpus
        self.threads, self.kv_bytes = threads, kv_bytes
        self.truth: dict[int, Any] = {}
        self.held: dict[int, int] = {}

    def store(self, tokens: int) -> Path:
        return self.work / f"store-{tokens}"

    def bytes(self, tokens: int) -> float:
        """Bytes of KV that the session holds, without any framing."""
        return float(self.held[tokens] * self.kv_bytes)

    def open(self, store: Path) -> Any:
        import perdure

        return perdure.open(self.model, store, threads=self.threads, speculate=False)

    def cold(self, tokens: int) -> Sample:
        """A new store, the whole prompt, the first token; the session is what `resume` comes back to."""
        shutil.rmtree(self.store(tokens), ignore_errors=True)
        message = self.corpus.message(tokens)
        with self.open(self.store(tokens)) as runtime:
            empty = disk_bytes(self.store(tokens))
            session = runtime.session(SESSION)
            sample, receipt = _first_token(session, message)
            self.truth[tokens] = session.logits().clone()
            self.held[tokens] = receipt.prompt_tokens + receipt.generated
            session.close()
        stored = float(disk_bytes(self.store(tokens)) - empty)
        over = stored / self.bytes(tokens)
        return {**sample, "tokens": float(self.held[tokens]), "disk_bytes": stored, "bytes_over_analytic": over}

    def resume(self, tokens: int, *, cold: bool) -> Sample:
        """Open the store, restore the session, first logits; then one more turn, which is taken back.

        The model's weights are in memory before the clock runs, on this side as in `cold`. `first_logits_ms` counts
        opening, restoring and the logits; a restore that the session put off until its first turn is added.
        """
        opened = self._open_store(tokens, cold=cold)
        with self.open(self.store(tokens)) as runtime:
            if cold:
                drop_cache(self.store(tokens))
            clock = Clock()
            session = runtime.session(SESSION, create=False)
            logits = session.logits()
            ready = clock.ms
            self._compare(tokens, logits)
            sample, receipt = _first_token(session, OPENER)
            session.undo()
            again = receipt.restore_ms if cold else _restored_again(session)
            session.close()
        late = receipt.restore_ms if receipt.restore_ms > ready else 0.0
        first = {
            "open_ms": opened,
            "restore_ms": receipt.restore_ms,
            "restore_again_ms": again,
            "first_logits_ms": opened + ready + late,
        }
        return {**first, "token_ms": opened + ready + sample["first_token_ms"], "bytes": self.bytes(tokens)}

    def turn(self, tokens: int, number: int, wanted: int = 64) -> Sample:
        """A turn of about 64 new tokens on a session that is in memory, its cost, and then taken back."""
        with self.open(self.store(tokens)) as runtime:
            session = runtime.session(SESSION, create=False)
            session.logits()
            message = f"{number}. {text(4, seed=100 + number)}"
            sample: Sample = {}
            with written(sample, "physical_bytes"):
                receipt = session.chat(message, max_tokens=wanted // 2, **GREEDY).receipt
            session.undo()
            session.close()
        new = receipt.prefilled + receipt.generated
        extra = receipt.bytes_written - new * self.kv_bytes
        physical = sample["physical_bytes"] - new * self.kv_bytes
        return {
            "commit_ms": receipt.commit_ms,
            "new_tokens": float(new),
            "bytes_written": float(receipt.bytes_written),
            "extra_bytes": float(extra),
            "extra_bytes_physical": physical,
        }

    def fork(self, tokens: int, number: int) -> Sample:
        from perdure.memory import Repository

        with Repository.open(self.store(tokens)) as repository:
            clock = Clock()
            repository.fork(SESSION, f"fork-{number}")
            elapsed = clock.ms
            repository.remove(f"fork-{number}")
        return {"fork_ms": elapsed}

    def variants(self, tokens: int) -> dict[Key, Variant]:
        return {
            Key(SYSTEM, "warm"): lambda: self.resume(tokens, cold=False),
            Key(SYSTEM, "cold"): lambda: self.resume(tokens, cold=True),
        }

    def _open_store(self, tokens: int, *, cold: bool) -> float:
        from perdure.memory import Repository

        if cold:
            drop_cache(self.store(tokens))
        clock = Clock()
        repository = Repository.open(self.store(tokens), create=False)
        elapsed = clock.ms
        repository.close()
        return elapsed

    def _compare(self, tokens: int, logits: Any) -> None:
        """The resumed session's logits must be the bits of the never-stopped one."""
        if not bool((logits == self.truth[tokens]).all()):
            raise RuntimeError(f"The session of {tokens} tokens did not come back with the same logits.")


def _restored_again(session: Any) -> float:
    """The restore of a session that a running process had put away, as a running llama-server restores a slot."""
    session.close()
    clock = Clock()
    found = session.warm.state.seen
    elapsed = clock.ms
    if not found:
        raise RuntimeError("The session that was put away came back empty.")
    return elapsed


def _first_token(session: Any, message: str) -> tuple[Sample, Any]:
    """Milliseconds from the message to the first token; the receipt of a turn of one token."""
    clock = Clock()
    stream = session.stream(message, max_tokens=1, **GREEDY)
    next(iter(stream), None)
    first = clock.ms
    for _ in stream:
        pass
    receipt = stream.receipt
    return {"first_token_ms": first, "prefill_ms": receipt.prefill_ms, "commit_ms": receipt.commit_ms}, receipt


class DecodePair:
    """One engine, two sessions that grow alike: one is kept on disk with its journal, one is not kept at all."""

    def __init__(self, engine: Engine, tokens: int, generate: int) -> None:
        self.generate = generate
        self.runtime = engine.open(engine.work / "decode")
        self.sessions = {"persistent": self.runtime.session(SESSION), "volatile": volatile_session(self.runtime)}
        for session in self.sessions.values():
            session.chat(engine.corpus.message(tokens, seed=2), max_tokens=1, **GREEDY)

    def variants(self) -> dict[Key, Variant]:
        return {Key(f"{SYSTEM} {name}"): partial(self._decode, name) for name in self.sessions}

    def close(self) -> None:
        for session in self.sessions.values():
            session.close()
        self.runtime.close()

    def _decode(self, name: str) -> Sample:
        """The time of one token (the median between two) and of the end of the turn, which is where a commit is paid."""
        stream = self.sessions[name].stream(OPENER, max_tokens=self.generate, **GREEDY)
        clock, stamps = Clock(), []
        for _ in stream:
            stamps.append(clock.ms)
        token = statistics.median(later - sooner for sooner, later in pairwise(stamps))
        end = clock.ms - stamps[-1]
        count = float(len(stamps))
        return {"token_ms": token, "end_ms": end, "paid_ms": token + end / count, "generated": count}


def volatile_session(runtime: Any) -> Any:
    """The same engine with persistence off: nothing is journalled or committed."""
    return runtime.ephemeral()
