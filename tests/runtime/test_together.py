"""Sessions that share forwards have the bits that each has alone, in any company."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from perdure.config import MemoryOptions
from perdure.memory.events import Event
from perdure.memory.fastweights import KV, LOW_RANK
from perdure.runtime import Runtime, company
from perdure.runtime.engine import Engine
from perdure.runtime.forwards import Boundary
from perdure.runtime.runtime import load_model, make_engine
from perdure.runtime.session import Session
from perdure.runtime.state.base import State
from perdure.runtime.state.cache_state import CacheState
from perdure.runtime.stream import Stream
from perdure.testing.encoder import HashedWords
from perdure.testing.families import tiny_model
from perdure.testing.records import record_of

from ..conftest import Opens
from .test_fastweights import ASK, FACT

WAIT = 120.0
"""Seconds after which a test has hung."""

LONG = "The lighthouse keeper wrote down every ship that passed, its colour and its course. " * 4
JOINING = ("llama", "qwen3", "qwen2", "smollm3", "granitemoe", "qwen3_moe", "olmo_hybrid")


def made(family: str, folder: Path, dtype: Any = "bfloat16") -> Engine:
    engine, _ = make_engine(load_model(tiny_model(family, folder / "model", dtype=dtype), family, threads=1))
    return engine


def filled(engine: Engine, tokens: int, seed: int = 0) -> CacheState:
    state = engine.adapter.new()
    assert isinstance(state, CacheState)
    engine.prefill(state, _random(tokens, seed))
    return state


def _random(count: int, seed: int) -> list[int]:
    return torch.randint(3, 250, (count,), generator=torch.Generator().manual_seed(seed)).tolist()


def changing(engine: Engine, states: Sequence[State], steps: int) -> list[list[Boundary]]:
    """Each state's boundaries when it decodes `steps` tokens in company that changes: some join late, some leave early."""
    found: list[list[Boundary]] = [[] for _ in states]
    for step in range(steps + len(states)):
        order = [(n * 5 + step) % len(states) for n in range(len(states))]
        there = [n for n in order if n <= step and len(found[n]) < steps and (step + n) % 4]
        if not there:
            continue
        items = [(states[n], 7 * n + 11 + len(found[n])) for n in there]
        for n, boundary in zip(there, engine.decode_together(items), strict=True):
            found[n].append(boundary)
    return found


def alone(engine: Engine, states: Sequence[State], counts: Sequence[int]) -> list[list[Boundary]]:
    return [[engine.feed(state, [7 * n + 11 + step]) for step in range(counts[n])] for n, state in enumerate(states)]


def require_same(found: Sequence[Sequence[Boundary]], wanted: Sequence[Sequence[Boundary]]) -> None:
    for ours, theirs in zip(found, wanted, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a.logits, b.logits)
            assert (a.hidden is None) == (b.hidden is None)
            assert a.hidden is None or b.hidden is None or torch.equal(a.hidden, b.hidden)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("family", JOINING)
def test_every_step_has_the_bits_of_a_session_alone(tmp_path: Path, family: str, dtype: str) -> None:
    engine = made(family, tmp_path, dtype)
    joins = family != "olmo_hybrid"
    assert engine.adapter.joins == joins
    assert engine.together == (company.MOST if joins else 1)
    assert any("share no forwards" in note for note in engine.notes) != joins
    if not joins:
        return
    states = [filled(engine, 3 + 29 * n, n) for n in range(6)]
    twins = [state.fork() for state in states]
    found = changing(engine, states, 6)
    require_same(found, alone(engine, twins, [len(ours) for ours in found]))
    group = engine.adapter.groups[0]
    for state, twin in zip(states, twins, strict=True):
        state.check()
        assert state.seen == twin.seen
        assert torch.equal(state.export(group, 0, state.seen), twin.export(group, 0, twin.seen))


def test_a_layer_whose_sums_depend_on_company_takes_its_rows_one_by_one() -> None:
    """A linear layer of 2,048 inputs adds them up otherwise for one row than for several, which rounding mostly hides."""
    layer = torch.nn.Linear(64, 32, bias=False, dtype=torch.bfloat16)
    with torch.inference_mode(), company.apart([layer]):
        x = torch.randn(5, 1, 64, generator=torch.Generator().manual_seed(0)).bfloat16()
        found = layer(x)
    assert "forward" not in vars(layer)
    with torch.inference_mode():
        assert torch.equal(found, torch.cat([layer(row[None]) for row in x]))


def test_sums_that_differ_in_company_are_noticed() -> None:
    layer = torch.nn.Linear(128, 64, dtype=torch.float32)
    honest = torch.nn.functional.linear

    def by_row(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return torch.cat([honest(row[None], weight, bias) for row in x])

    def crooked(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if len(x) < 3:
            return by_row(x, weight, bias)
        half = x.shape[-1] // 2
        return by_row(x[..., :half], weight[:, :half], bias) + by_row(x[..., half:], weight[:, half:])

    with torch.inference_mode():
        assert company._adds_alike(layer, by_row, 4)
        assert not company._adds_alike(layer, crooked, 4)


def test_a_model_that_fails_in_company_is_decoded_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made("llama", tmp_path)

    def fails(*_: object) -> list[Boundary]:
        raise ValueError("no")

    monkeypatch.setattr(Engine, "_joint", fails)
    assert engine.together == 1
    assert "share no forwards" in engine.notes[-1]
    state = filled(engine, 20)
    twin = state.fork()
    assert torch.equal(engine.decode(state, 5).logits, engine.feed(twin, [5]).logits)


def test_lengths_that_change_the_rotation_of_others_keep_a_family_out(tmp_path: Path) -> None:
    rope = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    folder = tiny_model("llama", tmp_path / "model", dtype="bfloat16", rope_parameters=rope)
    engine, _ = make_engine(load_model(folder, "stretching", threads=1))
    assert not engine.adapter.joins
    assert engine.together == 1


# sessions


class Counting:
    """How many sessions each forward of one token had."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.sizes: list[int] = []
        honest = Engine._batch

        def batch(engine: Engine, items: Sequence[tuple[State, int]]) -> list[Boundary | Exception]:
            self.sizes.append(len(items))
            return honest(engine, items)

        patch.setattr(Engine, "_batch", batch)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call gives or raises, all of them in threads that begin together."""
    found: list[Any] = [None] * len(calls)
    begin = threading.Barrier(len(calls), timeout=WAIT)

    def run(number: int) -> None:
        try:
            begin.wait()
            found[number] = calls[number]()
        except BaseException as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert not any(thread.is_alive() for thread in threads)
    return found


FILLER = "the quick brown fox jumps over the lazy dog while seven wizards quietly judge my vow and pack boxes "
TOLD = "My cousin Tamsin keeps a pangolin called Biscuit"
MEMORY = MemoryOptions(window=128, block=128, sinks=4, summary=32, recall="kv", recall_tokens=128)
LAST = {
    "plain": LONG,
    "short": "Well?",
    "recalling": "What is the pangolin of my cousin Tamsin called?",
    "evicting": FILLER,
    "low-rank": ASK,
    "keys": ASK,
}
"""What each session of a mixed company is asked at last."""


def prepared(runtime: Runtime) -> dict[str, Session]:
    """Sessions of every sort, each with the same past in every store."""
    sessions = {}
    for seed, name in enumerate(LAST):
        runtime.repository.create(name, runtime.recipe, seed=seed + 1)
        sessions[name] = runtime.session(name)
    sessions["recalling"].chat(TOLD, max_tokens=8)
    for name in ("recalling", "evicting"):
        for turn in range(4):
            sessions[name].chat(f"{turn} {FILLER * 2}", max_tokens=8)
    for name, form in (("low-rank", LOW_RANK), ("keys", KV)):
        sessions[name].teach((record_of(runtime, FACT, (ASK,), 1, form=form),), (), "teach a fact")
    return sessions


def begun(runtime: Runtime) -> dict[str, Stream]:
    """Their last turns, planned one after the other: what is recalled is chosen by words that a whole store makes rare."""
    return {name: session.stream(LAST[name], max_tokens=40) for name, session in prepared(runtime).items()}


def ended(stream: Stream) -> tuple[Stream, Tensor]:
    for _ in stream:
        pass
    return stream, stream._session.logits()


def test_a_mixed_company_says_what_each_would_say_alone(opens: Opens, tmp_path: Path, counting: Counting) -> None:
    """With memories recalled, fast weights of both forms, windows that evict: texts, logits, receipts, what is stored."""
    with opens(tmp_path / "a", memory=MEMORY, encoder=HashedWords()) as runtime:
        wanted = {name: ended(stream) for name, stream in begun(runtime).items()}
        assert set(counting.sizes) == {1}
    with opens(tmp_path / "b", memory=MEMORY, encoder=HashedWords()) as runtime:
        streams = begun(runtime)
        assert runtime.engine.together == company.MOST
        found = at_once([partial(ended, stream) for stream in streams.values()])
        assert max(counting.sizes) > 2
        for (name, (reply, logits)), (ours, here) in zip(wanted.items(), found, strict=True):
            assert (name, ours.text, ours.tokens) == (name, reply.text, reply.tokens)
            assert torch.equal(here, logits)
            assert (ours.receipt.recalled, ours.receipt.opened) == (reply.receipt.recalled, reply.receipt.opened)
        assert wanted["recalling"][0].receipt.recalled > 0
        assert wanted["low-rank"][0].receipt.opened == wanted["keys"][0].receipt.opened == 1
        kinds = [event.kind for event in runtime.repository.events(streams["evicting"]._session.head)]
        assert kinds.count("evict") > 1
    with opens(tmp_path / "b", memory=MEMORY, encoder=HashedWords()) as runtime:
        for name, (_, logits) in wanted.items():
            session = runtime.session(name)
            assert torch.equal(session.logits(), logits)
            assert session.verify() == []
        assert runtime.repository.fsck().ok


def test_sessions_come_and_go_and_nothing_of_that_shows(opens: Opens, tmp_path: Path, counting: Counting) -> None:
    """Eight threads, several turns each, answers of all lengths, some of them cancelled."""

    def talk(runtime: Runtime, number: int) -> list[str]:
        session = runtime.session(f"s{number}")
        said = []
        for turn in range(3):
            length = 3 + (7 * number + 11 * turn) % 30
            with session.stream(f"{turn} {LONG[: 20 * number]} and?", max_tokens=2 * length) as stream:
                for _ in zip(range(length), stream, strict=False):
                    pass
            said.append(stream.text)
        return said

    stores = []
    for name in ("a", "b"):
        with opens(tmp_path / name) as runtime:
            for number in range(8):
                runtime.repository.create(f"s{number}", runtime.recipe, seed=number + 1)
            calls = [partial(talk, runtime, number) for number in range(8)]
            stores.append([call() for call in calls] if name == "a" else at_once(calls))
            if name == "b":
                assert max(counting.sizes) > 2
                assert all(runtime.session(f"s{number}").verify() == [] for number in range(8))
    assert stores[0] == stores[1]


def test_prompts_and_answers_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = made("llama", tmp_path)
    assert engine.together == company.MOST
    order: list[int] = []
    honest = Engine._single

    def single(self: Engine, state: State, tokens: Sequence[int], *, wants_logits: bool) -> Boundary | None:
        order.append(len(tokens))
        return honest(self, state, tokens, wants_logits=wants_logits)

    long, short = engine.adapter.new(), filled(engine, 20)
    monkeypatch.setattr(Engine, "_single", single)

    def decode() -> int:
        waiting(1)
        count = 0
        while order.count(128) < 12:
            engine.decode(short, 9)
            count += 1
        return count

    def waiting(count: int) -> None:
        until = time.monotonic() + WAIT
        while len(engine._lock._waiting) < count:
            assert time.monotonic() < until
            time.sleep(0.001)

    held = threading.Event()

    def hold() -> None:
        with engine._lock:
            held.set()
            waiting(2)

    with_lock = threading.Thread(target=hold, daemon=True)
    with_lock.start()
    assert held.wait(WAIT)
    prompt = partial(engine.prefill, long, _random(12 * 128, 1))
    decoded = at_once([prompt, decode])[1]
    with_lock.join(WAIT)
    between = order[order.index(128) : len(order) - order[::-1].index(128)]
    assert decoded >= between.count(1) >= 8


def test_a_session_that_fails_fails_alone(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """One has no room, another one's attention breaks off in the midst of the forward: nothing is counted twice."""
    with opens(memory=MEMORY) as runtime:
        engine = runtime.engine
        assert engine.together == company.MOST
        states = [filled(engine, 20 + 30 * n, n) for n in range(4)]
        for state in states:
            engine.happen(state, Event(state.seen, "track", {"stride": 1, "window": 0, "block": 16}))
        engine.prefill(states[3], _random(30, 9))
        twins = [state.fork() for state in states]

        def no_room(tokens: int) -> None:
            raise MemoryError("no room")

        def broken(*_: object) -> Tensor:
            raise RuntimeError("broken")

        items = [(state, 40 + n) for n, state in enumerate(states)]
        listen = states[2].listen

        def listen_badly() -> Any:
            ear = listen()
            monkeypatch.setattr(ear, "attend", broken)
            return ear

        for breaks, number in ((("reserve", no_room), 1), (("listen", listen_badly), 2)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(states[number], *breaks)
                found = engine._batch(items)
            assert isinstance(found[number], MemoryError if number == 1 else RuntimeError)
            for n, twin in enumerate(twins):
                if n != number:
                    wanted = engine.feed(twin, [40 + n])
                    ours = found[n]
                    assert isinstance(ours, Boundary)
                    assert torch.equal(ours.logits, wanted.logits)
                    assert all(torch.equal(a, b) for a, b in zip(states[n].mass, twin.mass, strict=True))
        assert not any("forward" in vars(module) for module in engine.model.modules())


def test_sessions_of_other_thread_counts_share_no_forward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Two threads beside programs that keep the cores busy take longer than a server that begins would wait.
    monkeypatch.setattr(company, "LONGEST_S", WAIT)
    engine = made("llama", tmp_path)
    other = engine.at(2)
    assert engine.at(engine.threads)._batcher is engine._batcher
    assert engine.at(2)._batcher is other._batcher is not engine._batcher
    assert engine.together == other.together == company.MOST
    torch.set_num_threads(1)


def test_an_engine_may_be_told_to_share_nothing(tmp_path: Path) -> None:
    honest = made("llama", tmp_path)
    engine = Engine(honest.model, honest.adapter, 1, batches=False)
    assert engine.together == 1
    assert engine.notes == []
