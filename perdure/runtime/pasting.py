"""What a recall pastes: the KV of episodes, from the store or, where that lost it, encoded again."""

from __future__ import annotations

from collections.abc import Sequence

from ..memory.commits import BLOCK
from ..memory.episodes import Episode
from ..memory.events import RECALL, Event
from ..memory.remembering import Entry
from ..memory.repository import Repository
from ..memory.tokenlog import unpack
from ..stores.base import Digest
from .alone import Alone
from .engine import Engine
from .state.base import Chunk


class Pastes:
    """The chunks that recalls pasted, by their events. `recipe` is that of the session's state."""

    def __init__(self, repository: Repository, engine: Engine, recipe: Digest) -> None:
        self._repository = repository
        self._engine = engine
        self._recipe = recipe

    def chunks(self, event: Event) -> Sequence[Chunk]:
        """What a recall pasted; nothing for other events. Raises ObjectMissing for an episode that is gone."""
        if event.kind != RECALL:
            return ()
        chosen = event.detail["chunks"]
        found = self._repository.episodes([digest for digest, _, _ in chosen])
        alone = Alone(self._engine, self._recipe, unpack(event.detail["header"]))
        pairs = zip(chosen, found, strict=True)
        pasted = [self._chunk(episode, used, bias, alone) for (_, used, bias), episode in pairs]
        alone.close()
        return pasted

    def mend(self, entries: Sequence[Entry], notes: list[str], header: Sequence[int]) -> None:
        """Encode the episodes again whose KV the store has lost, where something else was lost too."""
        lost = [entry for entry in entries if entry.kv is not None and self._repository.payload(entry.kv) is None]
        alone = Alone(self._engine, self._recipe, header)
        for episode in self._repository.episodes([entry.digest for entry in lost]):
            if alone.lineage(episode.tokens) == episode.lineage and episode.kv is not None:
                self._repository.heal(*alone.encode(episode.tokens), episode.kv, episode.lineage, BLOCK)
        alone.close()
        if lost:
            notes.append(f"The KV of {len(lost)} memories was damaged or missing; they were encoded again.")

    def _chunk(self, episode: Episode, used: int, bias: float, alone: Alone) -> Chunk:
        stored = self._repository.payload(episode.kv)
        if stored is None:
            stored = alone.encode(episode.tokens)
            if episode.kv is not None:
                self._repository.heal(stored[0], stored[1], episode.kv, episode.lineage, BLOCK)
        return Chunk(stored[1], len(episode.tokens), int(stored[0]["start"]), used, bias)
