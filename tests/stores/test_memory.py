from __future__ import annotations

from collections.abc import Callable

from perdure.stores.base import Digest, Store
from perdure.stores.memory import MemoryStore
from perdure.stores.tables import OBJECTS
from perdure.testing.store_machine import StoreMachine, run_machine
from perdure.testing.store_suite import StoreTests


class TestMemoryStore(StoreTests):
    def make(self) -> Store:
        return MemoryStore()

    def raw_get(self, store: Store, digest: Digest) -> bytes | None:
        assert isinstance(store, MemoryStore)
        return store._tables[OBJECTS].values.get(digest)

    def raw_set(self, store: Store, digest: Digest, record: bytes) -> None:
        assert isinstance(store, MemoryStore)
        store._tables[OBJECTS].put(digest, record)


class MemoryMachine(StoreMachine):
    def opener(self) -> Callable[[], Store]:
        class Lasting(MemoryStore):
            def close(self) -> None:
                pass

        store = Lasting()
        return lambda: store


def test_machine() -> None:
    run_machine(MemoryMachine, examples=60)
