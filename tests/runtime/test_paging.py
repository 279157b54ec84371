"""Blocks and snapshots between a device and the host, and states that leave the device for another's."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from perdure.config import MemoryOptions, PagingOptions
from perdure.errors import InvalidInput
from perdure.memory.tokenlog import Span
from perdure.runtime import checkout
from perdure.runtime.opening import restored
from perdure.runtime.residence import Residence, bound
from perdure.runtime.session import Session
from perdure.runtime.state.base import FULL, Group, State
from perdure.runtime.state.paging import Staging
from perdure.runtime.turn import Cost
from perdure.runtime.warm import Outgoing, Warm

from ..conftest import Opens

BOUNDED = MemoryOptions(window=128, block=64, sinks=4, summary=24, recall="off")


class Elsewhere(Staging):
    """A staging buffer as a GPU has it, but that the device is the CPU. Counts the waits."""

    waits = 0

    @property
    def at_home(self) -> bool:
        return False

    def _wait(self) -> None:
        self.waits += 1


def tensors(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(len(sizes))
    return [torch.randn(size, 2, generator=generator) for size in sizes]


def test_many_come_to_the_host_with_one_wait() -> None:
    staging, given = Elsewhere("cpu", 4096), tensors(3, 5, 8, 100)
    found = staging.to_host(given)
    assert all(torch.equal(a, b) for a, b in zip(found, given, strict=True))
    assert staging.waits == 1


def test_more_than_the_buffer_holds_come_in_parts() -> None:
    staging, given = Elsewhere("cpu", 256), tensors(16, 16, 16, 200, 4)
    found = staging.to_host(given)
    assert all(torch.equal(a, b) for a, b in zip(found, given, strict=True))
    # Two fit at once; the one that never fits is copied as it is.
    assert staging.waits == 3


def test_what_was_brought_is_not_overwritten_by_the_next() -> None:
    staging, (first, second) = Elsewhere("cpu", 256), tensors(16, 16)
    brought = staging.to_host([first])[0]
    staging.to_host([second])
    assert torch.equal(brought, first)


def test_bytes_go_to_the_device_and_wait_when_the_buffer_is_full() -> None:
    staging, given = Elsewhere("cpu", 256), tensors(16, 16, 16, 100)
    targets = [torch.zeros_like(tensor) for tensor in given]
    for tensor, target in zip(given, targets, strict=True):
        source = np.frombuffer(bytes(tensor.numpy().tobytes()), dtype=np.uint8)
        staging.to_device(source, target)
    assert all(torch.equal(a, b) for a, b in zip(targets, given, strict=True))
    assert staging.waits == 1


def test_in_either_direction_at_the_same_time() -> None:
    staging, (out, back) = Elsewhere("cpu", 256), tensors(16, 16)
    target = torch.zeros_like(back)
    staging.to_device(back.view(-1).view(torch.uint8).numpy(), target)
    assert torch.equal(staging.to_host([out])[0], out)
    assert torch.equal(target, back)
    assert staging.waits == 2


@pytest.mark.parametrize("dtype", [torch.bool, torch.int8, torch.bfloat16, torch.float64], ids=str)
def test_any_kind_of_numbers(dtype: torch.dtype) -> None:
    staging = Elsewhere("cpu", 4096)
    given = {"empty": torch.zeros(0, 3).to(dtype), "one": torch.tensor(1).to(dtype), "some": torch.eye(5).to(dtype).t()}
    found = staging.placed(dict(zip(given, staging.parked(list(given.values())), strict=True)))
    assert all(torch.equal(found[name], given[name]) and found[name].dtype is dtype for name in given)


def test_on_the_cpu_nothing_is_copied() -> None:
    staging, given = Staging("cpu"), tensors(3)
    assert staging.to_host(given)[0] is given[0]
    assert staging.placed({"a": given[0]})["a"] is given[0]
    assert staging.at_once(1) == 1


def test_blocks_are_fetched_together_and_in_any_order(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    with opens() as runtime:
        session = runtime.session("s")
        session.chat("one " * 200, max_tokens=2)
        state, group, engine = session.warm.state, Group(FULL), runtime.engine
        spans = [Span(start, start + 64) for start in range(0, 192, 64)]
        wanted = [bytes(state.export(group, span.start, span.end).numpy().data) for span in spans]
        staging = Elsewhere("cpu", 1 << 20)
        monkeypatch.setattr(engine.adapter, "staging", staging)
        outgoing = Outgoing(state, group, spans, engine)
        assert [bytes(outgoing.take(span)) for span in spans] == wanted
        assert staging.waits == 1
        assert bytes(outgoing.take(spans[1])) == wanted[1]
        assert bytes(outgoing.take(Span(64, 100))) == bytes(state.export(group, 64, 100).numpy().data)


def told(opens: Opens, staging: Staging | None, monkeypatch: pytest.MonkeyPatch, store: Path) -> Tensor:
    """Where a long conversation stands that is restored in its midst; its state goes through `staging`."""
    with opens(store=store, memory=BOUNDED) as runtime:
        if staging is not None:
            monkeypatch.setattr(runtime.engine.adapter, "staging", staging)
            for pool in runtime.engine.adapter.pools:  # type: ignore[attr-defined]
                monkeypatch.setattr(pool, "staging", staging)
        session = runtime.session("s")
        for turn in range(4):
            session.chat(f"{turn}: " + "seven wizards judge my vow " * 8, max_tokens=6, temperature=0.0)
        session.close()
        again = runtime.session("s", create=False)
        again.chat("And then?", max_tokens=6, temperature=0.0)
        assert again.verify() == []
        return again.logits()


def test_a_conversation_through_the_buffer_has_the_same_bits(
    opens: Opens, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("stores")
    staging = Elsewhere("cpu", 64 << 10)
    assert torch.equal(told(opens, staging, monkeypatch, folder / "a"), told(opens, None, monkeypatch, folder / "b"))
    assert staging.waits > 1


# parking


def exports(state: State) -> list[Tensor]:
    """Every number of a state, as bytes."""
    place = state.place
    found = [state.export(Group(FULL), place.oldest, state.seen)]
    snapshot = state.snapshot()
    if snapshot is not None:
        kept = {} if snapshot.summary is None else snapshot.summary.to_tensors()
        found += [tensor.clone() for tensor in (*snapshot.tensors.values(), *kept.values())]
    return [tensor.clone() for tensor in found]


@pytest.mark.parametrize("memory", [None, BOUNDED], ids=["whole", "bounded"])
def test_a_state_comes_back_to_the_bit(opens: Opens, memory: MemoryOptions | None) -> None:
    with opens(memory=memory) as runtime:
        session = runtime.session("s")
        for turn in range(3):
            session.chat(f"{turn}: " + "one two three four " * 10, max_tokens=3)
        state = session.warm.state
        before, place, resident = exports(state), state.place, state.resident
        state.park()
        assert state.resident == 0
        assert 0 < state.away <= resident
        assert (state.place, state.position) == (place, place.slot(state.seen))
        state.park()
        state.unpark()
        assert state.away == 0
        assert all(torch.equal(a, b) for a, b in zip(exports(state), before, strict=True))
        state.check()
        state.unpark()


def test_a_parked_state_can_be_given_up(opens: Opens) -> None:
    with opens() as runtime:
        session = runtime.session("s")
        session.chat("one two three", max_tokens=2)
        before = session.logits()
        session.warm.state.park()
        session.close()
        assert torch.equal(runtime.session("s").logits(), before)


def test_a_parked_state_comes_back_for_a_forward(opens: Opens) -> None:
    with opens() as runtime:
        engine = runtime.engine
        state, other = engine.adapter.new(), engine.adapter.new()
        for each in (state, other):
            engine.prefill(each, range(40, 80))
        state.park()
        assert torch.equal(engine.decode(state, 7).logits, engine.decode(other, 7).logits)


class Room:
    """An occupant with one state that says how large it is."""

    stored = True

    def __init__(self, state: State) -> None:
        self.state = state

    def drop(self) -> None:
        self.state.release()

    def states(self) -> Sequence[State]:
        return [self.state]


@pytest.fixture
def rooms(opens: Opens) -> Iterator[list[Room]]:
    with opens() as runtime:
        engine = runtime.engine
        found = [Room(engine.adapter.new()) for _ in range(3)]
        for room in found:
            engine.prefill(room.state, range(40, 72))
        yield found


def away(rooms: Sequence[Room]) -> list[bool]:
    return [room.state.away > 0 for room in rooms]


def test_those_used_least_recently_leave_first(rooms: list[Room]) -> None:
    residence = Residence(sum(room.state.resident for room in rooms) - 1)
    for room in rooms:
        residence.enter(room)
        residence.leave(room)
    assert away(rooms) == [True, False, False]
    residence.enter(rooms[0])
    assert away(rooms) == [False, True, False]
    residence.leave(rooms[0])
    residence.enter(rooms[1])
    assert away(rooms) == [False, False, True]
    assert residence.bound is not None
    assert residence.resident <= residence.bound


def test_those_in_use_stay_whatever_the_bound_is(rooms: list[Room]) -> None:
    residence = Residence(0)
    for room in rooms:
        residence.enter(room)
    assert away(rooms) == [False, False, False]
    residence.leave(rooms[1])
    assert away(rooms) == [False, True, False]
    residence.forget(rooms[2])
    residence.make_room()
    assert away(rooms) == [False, True, False]


def test_without_a_bound_nobody_leaves(rooms: list[Room]) -> None:
    residence = Residence(None)
    for room in rooms:
        residence.enter(room)
        residence.leave(room)
    assert away(rooms) == [False, False, False]


def test_without_a_bound_nobody_is_kept_alive() -> None:
    class Gone:
        stored = True

        def states(self) -> Sequence[State]:
            return []

        def drop(self) -> None: ...

    residence, occupant = Residence(None), Gone()
    seen = weakref.ref(occupant)
    residence.enter(occupant)
    residence.leave(occupant)
    del occupant
    gc.collect()
    assert seen() is None


def test_the_bound() -> None:
    cpu = torch.device("cpu")
    assert bound(PagingOptions(), cpu) is None
    assert bound(PagingOptions(7), cpu) == 7
    with pytest.raises(InvalidInput, match="resident_bytes is -1"):
        PagingOptions(-1)


def logits(session: Session) -> Tensor:
    found = session.logits()
    session.rest()
    return found


def test_warm_sessions_stay_within_the_bound(opens: Opens, tmp_path: Path) -> None:
    """Of many sessions that are warm those used last are on the device; each goes on as if it had been alone."""
    texts = ["one two three", "four five six", "seven eight nine"]
    with opens() as alone:
        wanted = []
        for text in texts:
            session = alone.session(text.replace(" ", "-"))
            session.chat(text, max_tokens=3, seed=1)
            session.chat("and now?", max_tokens=3, seed=1)
            wanted.append(logits(session))
        names = [text.replace(" ", "-") for text in texts]
    with opens(store=tmp_path / "elsewhere", paging=PagingOptions(1 << 40)) as runtime:
        residence, sessions = runtime.residence, [runtime.session(name) for name in names]
        for session, text in zip(sessions, texts, strict=True):
            session.chat(text, max_tokens=3, seed=1)
        residence.bound = residence.resident - 1
        residence.make_room()
        assert [any(state.away for state in session.states()) for session in sessions] == [True, False, False]
        for session in sessions:
            assert session.chat("and now?", max_tokens=3, seed=1).receipt.bytes_read == 0
            assert residence.resident <= residence.bound
        assert all(torch.equal(logits(session), each) for session, each in zip(sessions, wanted, strict=True))


def test_states_leave_before_one_is_restored(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    with opens(paging=PagingOptions(1 << 40)) as runtime:
        warm, cold = runtime.session("warm"), runtime.session("cold")
        for session in (warm, cold):
            session.chat("one two three", max_tokens=2)
        cold.close()
        runtime.residence.bound = runtime.residence.resident
        seen: list[bool] = []

        def noted(whose: checkout.Checkout, debt: Cost) -> Warm:
            seen.extend(state.away > 0 for state in warm.states())
            return restored(whose, debt)

        monkeypatch.setattr(checkout, "restored", noted)
        runtime.session("cold").logits()
        assert seen == [True]


def test_sessions_in_several_threads_leave_for_one_another(opens: Opens, tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(4)]

    def talk(session: Session) -> Tensor:
        for turn in range(3):
            session.chat(f"{turn}: I am {session.name}.", max_tokens=3, seed=turn)
        return logits(session)

    with opens() as runtime:
        wanted = [talk(runtime.session(name)) for name in names]
    with opens(tmp_path / "elsewhere", paging=PagingOptions(0)) as runtime, ThreadPoolExecutor(len(names)) as pool:
        found = list(pool.map(talk, [runtime.session(name) for name in names]))
        assert runtime.residence.resident == 0
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
