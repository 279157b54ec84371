"""The conformance suite of a store: subclass `StoreTests`, give it a store and a way round it, and pytest does the rest."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

import pytest

from ..errors import InvalidInput, ObjectCorrupt, ObjectMissing, RefChanged, StoreError
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Store

ABSENT = b"\x01" * 32


class _Abort(Exception):
    pass


def lineage(number: int) -> Digest:
    """A lineage id for tests."""
    return number.to_bytes(32, "big")


class StoreTests(ABC):
    """What every store promises. `raw_get` and `raw_set` reach a record without the store's own code."""

    @abstractmethod
    def make(self) -> Store:
        """A new, empty store."""

    @abstractmethod
    def raw_get(self, store: Store, digest: Digest) -> bytes | None:
        """The record under a digest, read past the store."""

    @abstractmethod
    def raw_set(self, store: Store, digest: Digest, record: bytes) -> None:
        """Put a record under a digest, past the store."""

    @pytest.fixture
    def store(self) -> Iterator[Store]:
        with self.make() as store:
            yield store

    # objects

    def test_put_and_get(self, store: Store) -> None:
        with store.write() as txn:
            first = txn.put("leaf", b"payload", meta={"b": 1, "a": [None, 1.5, "x", b"y", {"c": True}]})
            second = txn.put("node", refs=[first], meta={})
        with store.read() as txn:
            leaf, node = txn.get(first), txn.get(second)
            assert (leaf.digest, leaf.kind, list(leaf.refs), bytes(leaf.payload)) == (first, "leaf", [], b"payload")
            assert leaf.meta == {"b": 1, "a": [None, 1.5, "x", b"y", {"c": True}]}
            assert (node.kind, list(node.refs), node.meta, bytes(node.payload)) == ("node", [first], {}, b"")

    def test_a_record_is_stored_as_the_codec_writes_it(self, store: Store) -> None:
        digest, record = codec.encode("leaf", (), {"n": 1}, b"payload")
        with store.write() as txn:
            assert txn.put("leaf", b"payload", meta={"n": 1}) == digest
        assert self.raw_get(store, digest) == record
        with store.read() as txn:
            assert txn.size(digest) == len(record)

    def test_a_write_sees_its_own_writes(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"1")
            txn.set_ref("r", None, digest)
            txn.link(lineage(1), digest)
            assert txn.has(digest)
            assert bytes(txn.get(digest).payload) == b"1"
            assert txn.find(lineage(1)) == digest
            assert [name for name, _ in txn.refs()] == ["r"]
            assert len(list(txn.reflog("r"))) == 1

    def test_a_payload_read_while_writing_stays_valid(self, store: Store) -> None:
        with store.write() as txn:
            item = txn.get(txn.put("leaf", b"a" * 10_000))
            others = [txn.put("leaf", bytes([n]) * 10_000) for n in range(50)]
            txn.delete(item.digest)
            for digest in others:
                txn.delete(digest)
            assert bytes(item.payload) == b"a" * 10_000

    def test_put_twice_is_one_object(self, store: Store) -> None:
        with store.write() as txn:
            assert txn.put("leaf", b"x", meta={"a": 1, "b": 2}) == txn.put("leaf", b"x", meta={"b": 2, "a": 1})
        with store.write() as txn:
            txn.put("leaf", b"x", meta={"a": 1, "b": 2})
            assert len(list(txn.digests())) == 1

    @pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
    def test_any_buffer_is_a_payload(self, store: Store, make: type) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", make(b"abcdef"))
            assert bytes(txn.get(digest).payload) == b"abcdef"

    def test_a_buffer_of_wider_items_is_taken_as_bytes(self, store: Store) -> None:
        wide = memoryview(bytearray(range(16))).cast("I")
        with store.write() as txn:
            assert bytes(txn.get(txn.put("leaf", wide)).payload) == bytes(range(16))

    def test_the_callers_memory_is_not_kept(self, store: Store) -> None:
        payload, meta, refs = bytearray(b"before"), {"list": [1]}, [ABSENT]
        with store.write() as txn:
            digest = txn.put("leaf", payload, meta=meta, refs=refs)
            payload[:] = b"after!"
            meta["list"].append(2)
            refs.clear()
        payload.clear()
        with store.read() as txn:
            item = txn.get(digest)
            assert (bytes(item.payload), item.meta, list(item.refs)) == (b"before", {"list": [1]}, [ABSENT])

    @pytest.mark.parametrize("size", [0, 1, 100, 4096, 1_400_000])
    def test_payloads_of_all_sizes(self, store: Store, size: int) -> None:
        payload = bytes(range(256)) * (size // 256 + 1)
        with store.write() as txn:
            digest = txn.put("leaf", payload[:size])
        with store.read() as txn:
            assert txn.get(digest).payload == payload[:size]

    def test_an_absent_object(self, store: Store) -> None:
        for absent in (ABSENT, b"", b"short", b"x" * 600):
            with store.read() as txn:
                assert not txn.has(absent)
                assert txn.size(absent) == 0
                assert txn.find(absent) is None
                with pytest.raises(ObjectMissing) as caught:
                    txn.get(absent)
                assert caught.value.digest == absent
            with store.write() as txn:
                assert txn.delete(absent) == 0

    def test_digests_are_ordered_and_filtered(self, store: Store) -> None:
        with store.write() as txn:
            expected = sorted(txn.put("leaf", str(n).encode()) for n in range(300))
        with store.read() as txn:
            assert list(txn.digests()) == expected
            for prefix in (expected[0][:1], expected[150][:2], expected[299], b"\xff" * 32):
                assert list(txn.digests(prefix)) == [d for d in expected if d.startswith(prefix)]

    def test_deleting_while_iterating(self, store: Store) -> None:
        with store.write() as txn:
            everything = sorted(txn.put("leaf", bytes([n % 256]) * (n * 37 % 5000)) for n in range(200))
        with store.write() as txn:
            seen = []
            for digest in txn.digests():
                seen.append(digest)
                txn.delete(digest)
            assert seen == everything
            assert list(txn.digests()) == []

    def test_delete_tells_the_size(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"x" * 100)
            size = txn.size(digest)
            assert txn.delete(digest) == size > 100
            assert txn.delete(digest) == 0
            assert not txn.has(digest)

    @pytest.mark.parametrize("meta", [{"x": object()}, {1: "x"}, {"x": {2: 3}}, {"x": 1 << 70}, {"x": {1, 2}}])
    def test_meta_that_cannot_be_stored(self, store: Store, meta: dict[str, object]) -> None:
        with store.write() as txn:
            with pytest.raises(InvalidInput):
                txn.put("leaf", meta=meta)
            assert list(txn.digests()) == []

    def test_refs_must_be_digests(self, store: Store) -> None:
        with store.write() as txn, pytest.raises(InvalidInput):
            txn.put("leaf", refs=[b"short"])

    # damage

    def test_damage_anywhere_is_found(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"payload", refs=[ABSENT], meta={"n": 1})
        record = self.raw_get(store, digest)
        assert record is not None
        for at in range(len(record)):
            broken = bytearray(record)
            broken[at] ^= 1 << at % 8
            self._expect_corrupt(store, digest, bytes(broken))

    def test_truncation_and_extension_are_found(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"payload", meta={"n": 1})
        record = self.raw_get(store, digest)
        assert record is not None
        for broken in [*(record[:size] for size in range(len(record))), record + b"\0", b"x" * 64]:
            self._expect_corrupt(store, digest, broken)

    def test_a_sound_record_under_a_wrong_key_is_found(self, store: Store) -> None:
        with store.write() as txn:
            first, second = txn.put("leaf", b"1"), txn.put("leaf", b"2")
        record = self.raw_get(store, first)
        assert record is not None
        self._expect_corrupt(store, second, record)

    def test_put_record_replaces_a_damaged_one(self, store: Store) -> None:
        digest, record = codec.encode("leaf", (), {}, b"payload")
        with store.write() as txn:
            assert txn.put_record(memoryview(record)) == digest
        self.raw_set(store, digest, record[:-1] + b"!")
        with store.write() as txn:
            txn.put_record(bytearray(record))
        with store.read() as txn:
            assert bytes(txn.get(digest).payload) == b"payload"

    def test_put_record_refuses_damage(self, store: Store) -> None:
        _, record = codec.encode("leaf", (), {}, b"payload")
        for broken in (b"", record[:-1], record[:20], record[:-1] + b"!", b"PDO1" + b"\xff" * 40):
            with store.write() as txn:
                with pytest.raises(ObjectCorrupt):
                    txn.put_record(broken)
                assert list(txn.digests()) == []

    def _expect_corrupt(self, store: Store, digest: Digest, record: bytes) -> None:
        self.raw_set(store, digest, record)
        with store.read() as txn, pytest.raises(ObjectCorrupt) as caught:
            txn.get(digest)
        assert caught.value.digest == digest

    # lineage

    def test_the_first_link_wins_while_its_object_is_there(self, store: Store) -> None:
        with store.write() as txn:
            first, second = txn.put("leaf", b"1"), txn.put("leaf", b"2")
            assert txn.find(lineage(1)) is None
            assert txn.link(lineage(1), first) == first
            assert txn.link(lineage(1), second) == first
        with store.write() as txn:
            txn.delete(first)
            assert txn.find(lineage(1)) is None
            assert list(txn.lineages()) == []
            assert txn.link(lineage(1), second) == second
            txn.put("leaf", b"1")
            assert txn.find(lineage(1)) == second

    def test_lineages_are_ordered(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"1")
            for number in (5, 1, 300, 2):
                txn.link(lineage(number), digest)
        with store.read() as txn:
            assert list(txn.lineages()) == [(lineage(number), digest) for number in (1, 2, 5, 300)]

    def test_links_need_an_object_and_an_id(self, store: Store) -> None:
        with store.write() as txn:
            with pytest.raises(ObjectMissing):
                txn.link(lineage(1), ABSENT)
            with pytest.raises(InvalidInput):
                txn.link(b"short", txn.put("leaf", b"1"))

    # refs

    def test_refs_move_by_compare_and_swap(self, store: Store) -> None:
        with store.write() as txn:
            first, second = txn.put("leaf", b"1"), txn.put("leaf", b"2")
            with pytest.raises(RefChanged):
                txn.set_ref("r", first, second)
            txn.set_ref("r", None, first, meta={"uid": "u", "n": 1}, reason="made")
            with pytest.raises(RefChanged):
                txn.set_ref("r", None, second)
            with pytest.raises(RefChanged):
                txn.set_ref("r", second, second)
            txn.set_ref("r", first, second, reason="moved")
        with store.read() as txn:
            ref = txn.ref("r")
            assert ref is not None
            assert (ref.target, ref.meta) == (second, {"uid": "u", "n": 1})
            assert txn.ref("other") is None

    def test_the_log_of_a_ref(self, store: Store) -> None:
        before = time.time_ns() // 1_000_000
        with store.write() as txn:
            digests = [txn.put("leaf", str(n).encode()) for n in range(300)]
            txn.set_ref("r", None, digests[0], reason="0")
            for n in range(1, 300):
                txn.set_ref("r", digests[n - 1], digests[n], reason=str(n))
            txn.set_ref("r2", None, digests[0])
        with store.read() as txn:
            log = list(txn.reflog("r"))
            assert [entry.reason for entry in log] == [str(n) for n in range(300)]
            assert [entry.new for entry in log] == digests
            assert [entry.old for entry in log] == [None, *digests[:-1]]
            assert [entry.number for entry in log] == sorted({entry.number for entry in log})
            assert all(before <= entry.time_ms <= time.time_ns() // 1_000_000 for entry in log)
            assert list(txn.reflog("unknown")) == []

    def test_refs_are_ordered_and_filtered(self, store: Store) -> None:
        names = ["heads/b", "heads/a", "tags/x", "heads/ä", "heads", "heads/a/b", "z" * 400]
        with store.write() as txn:
            digest = txn.put("leaf")
            for name in names:
                txn.set_ref(name, None, digest)
        with store.read() as txn:
            assert [name for name, _ in txn.refs()] == sorted(names, key=str.encode)
            assert [name for name, _ in txn.refs("heads/")] == ["heads/a", "heads/a/b", "heads/b", "heads/ä"]
            assert list(txn.refs("none")) == []

    def test_deleting_a_ref(self, store: Store) -> None:
        with store.write() as txn:
            first, second = txn.put("leaf", b"1"), txn.put("leaf", b"2")
            txn.set_ref("r", None, first)
            txn.set_ref("r", first, second)
            for old in (first, ABSENT):
                with pytest.raises(RefChanged):
                    txn.delete_ref("r", old)
            txn.delete_ref("r", second)
            assert txn.ref("r") is None
            assert list(txn.reflog("r")) == []
            with pytest.raises(RefChanged):
                txn.delete_ref("r", second)

    def test_a_kept_log_goes_on(self, store: Store) -> None:
        with store.write() as txn:
            first = txn.put("leaf", b"1")
            txn.set_ref("r", None, first)
            txn.delete_ref("r", first, keep_log=True)
            txn.set_ref("r", None, first)
            log = list(txn.reflog("r"))
        assert [(entry.old, entry.new) for entry in log] == [(None, first), (first, None), (None, first)]
        assert [entry.number for entry in log] == sorted({entry.number for entry in log})

    def test_trimming_a_log_keeps_the_newest(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf")
            txn.set_ref("r", None, digest)
            for _ in range(4):
                txn.set_ref("r", digest, digest)
            numbers = [entry.number for entry in txn.reflog("r")]
            assert txn.trim_reflog("r", 0) == 0
            assert txn.trim_reflog("r", 1 << 60) == 4
            assert [entry.number for entry in txn.reflog("r")] == numbers[-1:]
            txn.set_ref("r", digest, digest)
            assert [entry.number for entry in txn.reflog("r")] == [numbers[-1], numbers[-1] + 1]
            assert txn.trim_reflog("unknown", 1 << 60) == 0

    @pytest.mark.parametrize("name", ["", "a\0b", "x" * 401])
    def test_names_that_cannot_be(self, store: Store, name: str) -> None:
        with store.write() as txn:
            digest = txn.put("leaf")
            with pytest.raises(InvalidInput):
                txn.set_ref(name, None, digest)

    def test_a_ref_needs_its_object(self, store: Store) -> None:
        with store.write() as txn, pytest.raises(ObjectMissing):
            txn.set_ref("r", None, ABSENT)

    # transactions

    def test_an_exception_rolls_everything_back(self, store: Store) -> None:
        with store.write() as txn:
            first = txn.put("leaf", b"1")
            txn.link(lineage(1), first)
            txn.set_ref("r", None, first)
        with pytest.raises(_Abort):
            self._abort_changes(store, first)
        with store.read() as txn:
            assert list(txn.digests()) == [first]
            assert list(txn.lineages()) == [(lineage(1), first)]
            assert [(name, ref.target) for name, ref in txn.refs()] == [("r", first)]
            assert len(list(txn.reflog("r"))) == 1
            assert list(txn.reflog("r2")) == []

    def _abort_changes(self, store: Store, first: Digest) -> None:
        with store.write() as txn:
            second = txn.put("leaf", b"2")
            txn.link(lineage(2), second)
            txn.set_ref("r", first, second)
            txn.set_ref("r2", None, second)
            txn.delete(first)
            raise _Abort

    def test_the_version_changes_with_what_is_there_to_see(self, store: Store) -> None:
        before = store.version()
        with store.read() as txn:
            list(txn.digests())
        assert store.version() == before
        with pytest.raises(_Abort), store.write() as rolled_back:
            rolled_back.put("leaf", b"never")
            raise _Abort
        assert store.version() == before
        seen = {before}
        for number in range(3):
            with store.write() as written:
                written.put("leaf", bytes([number]))
            seen.add(store.version())
        assert len(seen) == 4
        store.close()
        with pytest.raises(StoreError):
            store.version()

    def test_a_view_does_not_see_later_writes(self, store: Store) -> None:
        with store.write() as txn:
            first = txn.put("leaf", b"1" * 5000)
            txn.set_ref("r", None, first)
        with store.read() as view:
            item = view.get(first)
            with store.write() as txn:
                second = txn.put("leaf", b"2")
                txn.set_ref("r", first, second)
                txn.delete(first)
            for n in range(20):
                with store.write() as txn:
                    txn.put("leaf", bytes([n]) * 5000)
            ref = view.ref("r")
            assert ref is not None
            assert ref.target == first
            assert list(view.digests()) == [first]
            assert bytes(item.payload) == bytes(view.get(first).payload) == b"1" * 5000

    def test_writers_take_turns(self, store: Store) -> None:
        with store.write() as txn:
            txn.set_ref("r", None, txn.put("leaf", b"0"))

        def add() -> None:
            for _ in range(20):
                with store.write() as txn:
                    ref = txn.ref("r")
                    assert ref is not None
                    count = int(bytes(txn.get(ref.target).payload)) + 1
                    txn.set_ref("r", ref.target, txn.put("leaf", str(count).encode()))

        threads = [threading.Thread(target=add) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with store.read() as view:
            ref = view.ref("r")
            assert ref is not None
            assert bytes(view.get(ref.target).payload) == b"80"
            assert len(list(view.reflog("r"))) == 81

    def test_readers_run_beside_a_writer(self, store: Store) -> None:
        failures: list[BaseException] = []
        with store.write() as txn:
            digests = [txn.put("leaf", bytes([n]) * 20_000) for n in range(20)]

        def read() -> None:
            try:
                for _ in range(20):
                    with store.read() as txn:
                        assert all(txn.get(d).payload == bytes([n]) * 20_000 for n, d in enumerate(digests))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for n in range(20):
            with store.write() as txn:
                txn.put("leaf", f"other {n}".encode())
        for thread in threads:
            thread.join()
        assert not failures

    def test_writing_inside_a_write_is_refused(self, store: Store) -> None:
        with store.write() as txn:
            with pytest.raises(StoreError), store.write():
                pass
            digest = txn.put("leaf")
        with store.read() as txn:
            assert txn.has(digest)

    def test_an_ended_transaction_is_of_no_use(self, store: Store) -> None:
        with store.write() as written:
            digest = written.put("leaf")
        with store.read() as view:
            pass
        ended: list[ReadTxn] = [written, view]
        for past in ended:
            with pytest.raises(StoreError):
                past.get(digest)
            with pytest.raises(StoreError):
                list(past.digests())
        with pytest.raises(StoreError):
            written.put("leaf", b"late")

    # the whole

    def test_check_of_a_sound_store(self, store: Store) -> None:
        with store.write() as txn:
            digest = txn.put("leaf", b"1")
            node = txn.put("node", refs=[digest])
            txn.link(lineage(1), node)
            txn.set_ref("r", None, node)
        assert store.check() == []

    def test_check_finds_what_is_wrong(self, store: Store) -> None:
        with store.write() as txn:
            leaf, other = txn.put("leaf", b"1"), txn.put("leaf", b"2")
            txn.set_ref("r", None, txn.put("node", refs=[leaf]))
            txn.set_ref("r2", None, leaf)
            txn.delete(leaf)
        record = self.raw_get(store, other)
        assert record is not None
        self.raw_set(store, other, record[:-1] + b"!")
        found = " ".join(store.check())
        assert f"refers to {leaf.hex()[:16]}" in found
        assert "'r2'" in found
        assert other.hex()[:16] in found
        assert len(store.check()) == 3

    def test_bytes_on_disk(self, store: Store) -> None:
        with store.write() as txn:
            txn.put("leaf", b"x" * 100_000)
        assert store.bytes_on_disk() >= 0

    def test_a_closed_store(self, store: Store) -> None:
        store.close()
        store.close()
        with pytest.raises(StoreError), store.read():
            pass
        with pytest.raises(StoreError), store.write():
            pass
        with pytest.raises(StoreError):
            store.check()
