"""What a recall pastes: the KV of episodes, from the store."""

from __future__ import annotations

from collections.abc import Sequence

from ..memory.events import Event
from ..memory.records import Commit
from ..memory.repository import Repository
from .engine import Engine
from .state.base import Chunk


class Pastes:
    """The chunks that the recalls of a commit's history pasted."""

    def __init__(self, repository: Repository, engine: Engine, commit: Commit) -> None:
        self._repository = repository
        self._engine = engine
        self._commit = commit

    def chunks(self, event: Event) -> Sequence[Chunk]:
        """What a recall pasted; nothing for other events."""
        return []
