"""The records that the memory room hands out: plain frozen data, no tensors, no disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..stores.base import Digest


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation. Tokens [start, end) of the session's token log carry it."""

    role: str
    content: str
    start: int = 0
    end: int = 0
    time_ms: int = 0


class Checkpoint(NamedTuple):
    """A stored snapshot of a state's fixed part after `position` tokens, taken in turn number `turn`.

    `mark` says why there: "turn" (the end of a turn), "prompt" (before its answer) or "grid" (a multiple of the grid).
    """

    position: int
    mark: str
    turn: int
    nbytes: int
    digest: Digest


@dataclass(frozen=True, slots=True)
class StateRefs:
    """Where a commit's contents are. Roots name Merkle lists; `boundary` holds the logits after the last token.

    `blocks` lists the KV of layers that attend to everything, `windows` that of sliding layers (None: the model has
    none). `checkpoints` are the snapshots alive when the commit was made, oldest first; later ones may have replaced
    them, since each can be computed again. `layout` describes the model's layers.

    `events` lists what happened to the working set between forwards, `episodes` the remembered chunks and `episode_kv`
    their KV; `trace` tells what the turn recalled. What was said before token `archived` became episodes, those that
    were forgotten since among it. `ledger` lists the fast-weight records, `refused` the facts that were not worth one,
    `opened` the records that acted in some turn, and `mounts` names branches whose ledgers count as well. `request` is what
    the last turn was asked with. `about` is what a user said of the session itself: any of `title`, `metadata` (texts by
    texts), `system` (the system prompt that it is to begin with) and `memory` (how it recalls, other than the runtime).

    `pending` are tokens that were sampled but not yet absorbed by the state (an end-of-turn token). `lineage` is the
    lineage id of the last KV block, `logits` the BLAKE3 of the float32 boundary logits, `journal` the uid of the
    session's journal and the number of its last record that this commit covers, `kv_bytes` the size of all KV records.
    """

    token_log: Digest
    blocks: Digest
    message_table: Digest
    boundary: Digest | None
    logits: Digest
    pending: tuple[int, ...]
    lineage: Digest
    seed: int
    journal: tuple[str, int]
    kv_bytes: int
    windows: Digest | None = None
    layout: Digest | None = None
    checkpoints: tuple[Checkpoint, ...] = ()
    events: Digest | None = None
    episodes: Digest | None = None
    episode_kv: Digest | None = None
    trace: Digest | None = None
    archived: int = 0
    opened: Digest | None = None
    ledger: Digest | None = None
    refused: Digest | None = None
    mounts: tuple[str, ...] = ()
    request: Digest | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Commit:
    """A snapshot of a session.

    `digest` names it; `tokens`, `messages` count what it holds and `turn` how many answers have been given up to it.
    `kind` is "root", "turn", "recover", "memory", "teach", "unteach", "refuse", "mount", "describe" or "merge", which has
    two parents: the first is the one whose conversation it goes on with. `reason` says why the turn ended ("stop", "length",
    "cancelled", "interrupted"). `metrics` are the turn's receipt as plain numbers, or counts of what was merged.
    """

    digest: Digest
    parents: tuple[Digest, ...]
    recipe: Digest
    kind: str
    reason: str
    author: str
    time_ms: int
    tokens: int
    messages: int
    turn: int
    title: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    state: StateRefs | None = None

    @property
    def hex(self) -> str:
        return self.digest.hex()

    @property
    def short(self) -> str:
        """The first 10 hex digits, as shown to people."""
        return self.digest.hex()[:10]


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """What a listing shows of a session. `kv_bytes` counts the KV its head refers to, shared blocks included."""

    name: str
    uid: str
    head: Commit
    model: str
    created_ms: int
    updated_ms: int
    kv_bytes: int
    forked_from: str | None = None


class LayerKind(NamedTuple):
    """One layer of a model: the kind of its state, and how its bytes grow.

    `per_token` bytes are added by each token, up to `window` - 1 tokens if it has one; `fixed` bytes are there always.
    """

    layer: int
    kind: str
    per_token: int
    window: int | None
    fixed: int

    def nbytes(self, tokens: int) -> int:
        """Bytes of this layer's state after so many tokens."""
        held = tokens if self.window is None else min(tokens, self.window - 1)
        return held * self.per_token + (self.fixed if tokens else 0)

    @property
    def growth(self) -> str:
        """ "per token", "capped", "fixed", or several of them."""
        grows = "" if not self.per_token else "per token" if self.window is None else "capped"
        return " + ".join(part for part in (grows, "fixed" if self.fixed else "") if part) or "none"


class Tag(NamedTuple):
    name: str
    commit: Commit
    session: str


class Diff(NamedTuple):
    """Two revisions compared. Counts are tokens from the start; `shared_blocks` are the same stored objects."""

    base: Commit
    head: Commit
    ancestor: Commit | None
    common_tokens: int
    common_messages: int
    base_messages: tuple[Message, ...]
    head_messages: tuple[Message, ...]
    shared_blocks: int
    base_blocks: int
    head_blocks: int


class Clash(NamedTuple):
    """A memory (by its id) or a record (by its key) that two branches changed, and what it is to each (None: forgotten)."""

    tier: str
    name: str
    ours: str | None
    theirs: str | None


class Problem(NamedTuple):
    """One defect that fsck or verify found: what it is about, one sentence, and whether it was mended."""

    subject: str
    sentence: str
    mended: bool


class FsckReport(NamedTuple):
    """`lost` names exactly what no copy could bring back."""

    objects: int
    bytes: int
    journals: int
    problems: tuple[Problem, ...]
    lost: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return all(problem.mended for problem in self.problems) and not self.lost


class GcReport(NamedTuple):
    objects: int
    bytes: int
    kept: int
    journals: int
    dry_run: bool
    compacted_bytes: int = 0
