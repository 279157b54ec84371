"""What events bring with them: the KV of recalled episodes, from the store or encoded again, opened fast weights, sums."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ObjectCorrupt
from ..memory.commits import BLOCK
from ..memory.episodes import Episode
from ..memory.events import JOIN, OPEN, RECALL, Event
from ..memory.remembering import Entry
from ..memory.repository import Repository
from ..memory.summary import Memory
from ..memory.tokenlog import unpack
from ..stores.base import Digest
from .alone import Alone
from .composing import opened
from .encoding import unpack_summary
from .engine import Brought, Engine
from .state.base import Chunk


class Pastes:
    """What events brought with them. `origin` is what the lineage ids of the session's state begin with."""

    def __init__(self, repository: Repository, engine: Engine, origin: Digest) -> None:
        self._repository = repository
        self._engine = engine
        self._origin = origin

    def brought(self, event: Event) -> Brought:
        """The chunks of a recall, the records of an opening, the parts that join a summary; nothing for other events.

        Raises ObjectMissing for what is gone.
        """
        if event.kind == OPEN:
            found = self._repository.records(event.detail["records"])
            return opened(found, self._engine.model.base_model, self._engine.dtype)
        if event.kind == JOIN:
            return self._parts(event)
        return self._chunks(event) if event.kind == RECALL else ()

    def _parts(self, event: Event) -> Memory:
        found = unpack_summary(*self._repository.summary_parts(event.detail["summary"]), self._engine.device).memory
        if found is None:
            raise ObjectCorrupt(f"Summary {event.detail['summary'].hex()[:12]} has no sums, which a merge took from it.")
        return found

    def _chunks(self, event: Event) -> Sequence[Chunk]:
        chosen = event.detail["chunks"]
        found = self._repository.episodes([digest for digest, _, _ in chosen])
        alone = Alone(self._engine, self._origin, unpack(event.detail["header"]))
        pairs = zip(chosen, found, strict=True)
        pasted = [self._chunk(episode, used, bias, alone) for (_, used, bias), episode in pairs]
        alone.close()
        return pasted

    def mend(self, lost: Sequence[Entry], header: Sequence[int]) -> str:
        """Encode the episodes again whose KV the store has lost; says what was done."""
        alone = Alone(self._engine, self._origin, header)
        for episode in self._repository.episodes([entry.digest for entry in lost]):
            if alone.lineage(episode.tokens) == episode.lineage and episode.kv is not None:
                self._repository.heal(*alone.encode(episode.tokens), episode.kv, episode.lineage, BLOCK)
        alone.close()
        return f"The KV of {len(lost)} memories was damaged or missing; it was encoded again."

    def _chunk(self, episode: Episode, used: int, bias: float, alone: Alone) -> Chunk:
        stored = self._repository.payload(episode.kv)
        if stored is None:
            stored = alone.encode(episode.tokens)
            if episode.kv is not None:
                self._repository.heal(stored[0], stored[1], episode.kv, episode.lineage, BLOCK)
        return Chunk(stored[1], len(episode.tokens), int(stored[0]["start"]), used, bias)
