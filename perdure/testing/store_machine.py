"""A store against a model made of dictionaries, driven by hypothesis."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from ..errors import RefChanged
from ..stores import codec
from ..stores.base import Digest, ReadTxn, Store, WriteTxn
from .store_suite import lineage

_NAMES = st.sampled_from(["heads/a", "heads/b", "tags/a", "x"])
_LINEAGES = st.integers(1, 5).map(lineage)
_PAYLOADS = st.tuples(st.integers(0, 12), st.sampled_from([0, 10, 3000, 9000])).map(lambda p: bytes([p[0]]) * p[1])


class _Abort(Exception):
    pass


class Model:
    """What a store should hold."""

    def __init__(self) -> None:
        self.objects: dict[Digest, bytes] = {}
        self.lineage: dict[Digest, Digest] = {}
        self.refs: dict[str, tuple[Digest, dict[str, Any]]] = {}
        self.log: dict[str, list[tuple[Digest | None, Digest | None]]] = {}

    def copy(self) -> Model:
        model = Model()
        model.objects, model.lineage, model.refs = dict(self.objects), dict(self.lineage), dict(self.refs)
        model.log = {name: list(entries) for name, entries in self.log.items()}
        return model

    def delete(self, digest: Digest) -> int:
        self.lineage = {key: value for key, value in self.lineage.items() if value != digest}
        return len(self.objects.pop(digest, b""))

    def compare(self, txn: ReadTxn) -> None:
        """Raise AssertionError unless a transaction sees exactly this."""
        assert list(txn.digests()) == sorted(self.objects)
        for digest, record in self.objects.items():
            item = txn.get(digest)
            assert codec.encode(item.kind, item.refs, item.meta, item.payload) == (digest, record)
            assert txn.size(digest) == len(record)
        assert list(txn.lineages()) == sorted(self.lineage.items())
        assert [(name, (ref.target, ref.meta)) for name, ref in txn.refs()] == sorted(self.refs.items())
        for name, moves in self.log.items():
            assert [(entry.old, entry.new) for entry in txn.reflog(name)] == moves


class StoreMachine(RuleBasedStateMachine):
    """Subclass it and give `opener`: a callable that opens the same store each time (it is closed in between)."""

    def __init__(self) -> None:
        super().__init__()
        self._opener = self.opener()
        self.store = self._opener()
        self.committed = Model()
        self.model = self.committed
        self._context: Any = None
        self._txn: WriteTxn | None = None

    @abstractmethod
    def opener(self) -> Callable[[], Store]:
        """Make a new store's place and return what opens it."""

    @property
    def txn(self) -> WriteTxn:
        if self._txn is None:
            self._context = self.store.write()
            self._txn = self._context.__enter__()
            self.model = self.committed.copy()
        return self._txn

    def writing(self) -> bool:
        return self._txn is not None

    @rule(payload=_PAYLOADS, kind=st.sampled_from(["leaf", "node"]), number=st.integers(0, 2))
    def put(self, payload: bytes, kind: str, number: int) -> None:
        refs = sorted(self.model.objects)[:number]
        digest, record = codec.encode(kind, refs, {"n": number}, payload)
        assert self.txn.put(kind, payload, refs=refs, meta={"n": number}) == digest
        self.model.objects[digest] = record

    @rule(payload=_PAYLOADS)
    def put_record(self, payload: bytes) -> None:
        digest, record = codec.encode("record", (), {}, payload)
        assert self.txn.put_record(record) == digest
        self.model.objects[digest] = record

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data(), key=_LINEAGES)
    def link(self, data: st.DataObject, key: Digest) -> None:
        digest = self._choose(data)
        winner = self.txn.link(key, digest)
        assert winner == self.model.lineage.setdefault(key, digest)

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        digest = self._choose(data)
        txn = self.txn
        assert txn.delete(digest) == self.model.delete(digest)

    @precondition(lambda self: self.model.objects)
    @rule(data=st.data(), name=_NAMES, right=st.booleans(), meta=st.none() | st.just({"uid": "u"}))
    def set_ref(self, data: st.DataObject, name: str, right: bool, meta: dict[str, Any] | None) -> None:
        new = self._choose(data)
        txn = self.txn
        present, old_meta = self.model.refs.get(name, (None, {}))
        old = present if right else b"\x02" * 32
        try:
            txn.set_ref(name, old, new, meta=meta)
        except RefChanged:
            assert not right
        else:
            assert right
            self.model.refs[name] = (new, old_meta if meta is None else meta)
            self.model.log.setdefault(name, []).append((present, new))

    @precondition(lambda self: self.model.refs)
    @rule(data=st.data(), keep=st.booleans())
    def delete_ref(self, data: st.DataObject, keep: bool) -> None:
        name = data.draw(st.sampled_from(sorted(self.model.refs)))
        txn = self.txn
        target, _ = self.model.refs.pop(name)
        txn.delete_ref(name, target, keep_log=keep)
        self.model.log[name] = [*self.model.log[name], (target, None)] if keep else []

    @rule(name=_NAMES)
    def trim(self, name: str) -> None:
        txn = self.txn
        log = self.model.log.get(name, [])
        assert txn.trim_reflog(name, 1 << 60) == max(0, len(log) - 1)
        self.model.log[name] = log[-1:]

    @precondition(writing)
    @rule()
    def commit(self) -> None:
        self._txn = None
        self._context.__exit__(None, None, None)
        self.committed = self.model

    @precondition(writing)
    @rule()
    def abort(self) -> None:
        self._txn = None
        with suppress(_Abort):
            self._context.__exit__(_Abort, _Abort(), None)
        self.model = self.committed

    @precondition(lambda self: not self.writing())
    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self._opener()

    @invariant()
    def agrees(self) -> None:
        with self.store.read() as view:
            self.committed.compare(view)
        if self._txn is not None:
            self.model.compare(self._txn)

    def teardown(self) -> None:
        if self.writing():
            self.abort()
        self.store.close()

    def _choose(self, data: st.DataObject) -> Digest:
        digest: Digest = data.draw(st.sampled_from(sorted(self.model.objects)))
        return digest


def run_machine(machine: type[StoreMachine], *, examples: int, steps: int = 30) -> None:
    """Run a machine as a test."""
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(machine, settings=chosen)
