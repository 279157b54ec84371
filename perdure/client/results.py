"""What the server answers, as frozen records. Members that a later server adds are passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import ServiceError

T = TypeVar("T")

Body = Mapping[str, Any]


def made(kind: type[T], body: Body) -> T:
    """A record of this kind out of a JSON object. Raises ServiceError where a member is missing."""
    values: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]
        name = each.metadata.get("named", each.name)
        if name in body:
            read = each.metadata.get("read")
            values[each.name] = body[name] if read is None or body[name] is None else read(body[name])
        elif each.name == "body":
            values["body"] = body
        elif each.default is MISSING and each.default_factory is MISSING:
            raise ServiceError(f"The server's answer has no {name}; is it a Perdure server of this version?")
    return kind(**values)


def reader(kind: type[T]) -> Callable[[Body], T]:
    return partial(made, kind)


def several(kind: type[T]) -> Callable[[Sequence[Body]], tuple[T, ...]]:
    return lambda bodies: tuple(made(kind, body) for body in bodies)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list. `last_id` as `after` gives the next one, where `has_more`; `total` counts all (None: not told)."""

    data: tuple[T, ...]
    has_more: bool
    last_id: str | None
    total: int | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)


def pages(kind: type[T]) -> Callable[[Body], Page[T]]:
    return lambda body: Page(several(kind)(body["data"]), bool(body.get("has_more")), body.get("last_id"), body.get("total"))


@dataclass(frozen=True, slots=True)
class Session:
    """A session; `id` is its name, `head` the commit that it is at. Times are seconds since 1970."""

    id: str
    created_at: int
    updated_at: int
    model: str
    head: str
    turns: int
    messages: int
    tokens: int
    kv_bytes: int
    forked_from: str | None
    previous: str | None = None
    title: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Key:
    """A key; `state` is "active", "expired" or "revoked". `token`, which opens the server, is told once."""

    id: str
    name: str
    tenant: str
    scopes: tuple[str, ...] = field(metadata={"read": tuple})
    state: str
    created_at: int
    last_used_at: int | None
    expires_at: int | None
    revoked_at: int | None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What a tenant may have; None is without bound. `tokens` are those computed for it in a minute."""

    id: str
    nbytes: int | None = field(metadata={"named": "bytes"})
    sessions: int | None
    tokens: int | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Something that was done: by which key of which tenant, to what, and what the answer said."""

    id: str
    time: str
    tenant: str
    key: str | None
    action: str
    ids: tuple[str, ...] = field(metadata={"read": tuple})
    outcome: str


@dataclass(frozen=True, slots=True)
class Message:
    id: str
    created_at: int
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit; `id` is its hash. A merge has two parents."""

    id: str
    created_at: int
    parents: tuple[str, ...] = field(metadata={"read": tuple})
    kind: str
    reason: str
    author: str
    title: str
    turn: int
    messages: int
    tokens: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Node(Commit):
    """A commit in a graph: the sessions and tags that stand at it, and the bytes that it added, by tier."""

    branches: tuple[str, ...] = field(metadata={"read": tuple})
    tags: tuple[str, ...] = field(metadata={"read": tuple})
    bytes_added: int
    added: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what the model sees. `span` is its place in the log of tokens; `more`: the text goes on.

    `messages` have the text again, cut where messages end: `roles`, `span` and `text` each.
    """

    name: str
    tokens: int
    nbytes: int = field(metadata={"named": "bytes"})
    span: Mapping[str, int]
    exact: bool
    text: str | None
    more: bool
    messages: tuple[Body, ...] = field(default=(), metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Context:
    """What the model sees after a commit, and how many tokens are `free` until some leave the window or it is full."""

    session: str
    commit: str
    parts: tuple[Part, ...] = field(metadata={"read": several(Part)})
    offset: int
    backend: str
    fixed_bytes: int
    last_recalled: tuple[Body, ...] = field(metadata={"read": tuple})
    free: int
    then: str
    limits: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class BlockGroup:
    """Blocks of layers that are stored together, in `columns` of equal length; docs/http.md tells what each holds."""

    group: str
    layers: tuple[Body, ...] = field(metadata={"read": tuple})
    total: int
    nbytes: int = field(metadata={"named": "bytes"})
    codec: str | None
    dtype: str | None
    columns: Mapping[str, Any]
    shared: tuple[Body, ...] = field(default=(), metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where a session's KV lies. `next` as `start` gives the next page, where `has_more`."""

    session: str
    commit: str
    tokens: int
    tiers: tuple[str, ...] = field(metadata={"read": tuple})
    commits: tuple[Body, ...] = field(metadata={"read": tuple})
    groups: tuple[BlockGroup, ...] = field(metadata={"read": several(BlockGroup)})
    has_more: bool
    next: int | None


@dataclass(frozen=True, slots=True)
class Block:
    """One block. `sessions` counts those that refer to it, `others` names up to a hundred of them beside this one."""

    session: str
    commit: str
    group: str
    index: int
    span: Mapping[str, int]
    digest: str
    nbytes: int = field(metadata={"named": "bytes"})
    present: bool
    tier: str
    codec: str | None
    dtype: str | None
    layers: tuple[Body, ...] = field(metadata={"read": tuple})
    written: Body | None
    sessions: int
    others: tuple[str, ...] = field(metadata={"read": tuple})
    tokens: tuple[int, ...] = field(metadata={"read": tuple})
    text: str | None


@dataclass(frozen=True, slots=True)
class StateNorms:
    """The norms after one commit, in the order of the list's `tensors`."""

    id: str
    turn: int
    kind: str
    created_at: int
    title: str
    position: int
    nbytes: int = field(metadata={"named": "bytes"})
    norms: tuple[float | None, ...] = field(metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class States:
    """The norms of states after a session's commits. `reason` says why there are none, where there are none."""

    session: str
    commit: str
    tensors: tuple[Body, ...] = field(metadata={"read": tuple})
    data: tuple[StateNorms, ...] = field(metadata={"read": several(StateNorms)})
    has_more: bool
    last_id: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Tag:
    id: str
    session: str | None
    commit: Commit = field(metadata={"read": reader(Commit)})


@dataclass(frozen=True, slots=True)
class Deleted:
    """What is gone; `commit` where that is a commit of a session."""

    id: str
    deleted: bool
    session: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Diff:
    base: Commit = field(metadata={"read": reader(Commit)})
    head: Commit = field(metadata={"read": reader(Commit)})
    ancestor: str | None
    common_tokens: int
    common_messages: int
    base_messages: tuple[Message, ...] = field(metadata={"read": several(Message)})
    head_messages: tuple[Message, ...] = field(metadata={"read": several(Message)})
    blocks: Mapping[str, int]
    tiers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a merge; `merged` False: there was nothing to do."""

    session: str
    merged: bool
    commit: str
    previous: str
    base: str | None
    gained: Mapping[str, int]
    lost: Mapping[str, int]
    settled: tuple[Body, ...] = field(metadata={"read": tuple})
    notes: tuple[str, ...] = field(metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Job:
    """Long work. `status` is queued, running, completed, cancelled or failed; `done` and `total` count its pieces."""

    id: str
    kind: str
    created_at: int
    session: str | None
    status: str
    progress: Mapping[str, int | None]
    result: Mapping[str, Any] | None
    error: Mapping[str, Any] | None

    @property
    def done(self) -> int:
        return self.progress["done"] or 0

    @property
    def total(self) -> int | None:
        return self.progress["total"]

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "cancelled", "failed")


@dataclass(frozen=True, slots=True)
class Memory:
    """A memory, and the sessions that remember it. `content_sha256` is what a change may be held against.

    `source` is the uid of the session whose conversation it is from, or a document's name; `source_session` is that
    session's name. `span` are the tokens there, `origin` the commit that held the message.
    """

    id: str
    created_at: int
    text: str
    content_sha256: str
    role: str
    source: str
    turn: int
    pinned: bool
    tokens: int
    sessions: tuple[str, ...] = field(metadata={"read": tuple})
    span: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    origin: str | None = field(default=None, kw_only=True)
    source_session: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Found(Memory):
    """A memory that a search looked at; `dropped` says why it was left out, where it was.

    The ranks are its places in the search by meaning and in the one by words (None: that one did not find it).
    """

    similarity: float
    words: float
    score: float
    dropped: str | None
    bm25: float = field(default=0.0, kw_only=True)
    vector_rank: int | None = field(default=None, kw_only=True)
    word_rank: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Report:
    """A report whose members depend on what it is of; docs/http.md names them. `body` is all of it."""

    body: Body

    def __getitem__(self, name: str) -> Any:
        return self.body[name]


@dataclass(frozen=True, slots=True)
class Record:
    """A fast-weight record, or (`kind` native) a layer that is fast weights by nature. `body` is all of it."""

    id: str
    kind: str
    own: bool
    body: Body
    statement: str | None = None


@dataclass(frozen=True, slots=True)
class SummaryHeads:
    """What a summary keeps in each layer and head; `why` says why nothing, where that is so.

    Of each of `layers` the lists have a number for each KV head, `gates` one for each query head; `bins` are the parts of
    the conversation that `histogram` counts entries in.
    """

    session: str
    commit: str
    backend: str
    position: int
    why: str | None
    fade: float
    rule: str | None
    absorbed: int
    spans: tuple[Body, ...] = field(metadata={"read": tuple})
    bins: tuple[Body, ...] = field(metadata={"read": tuple})
    layers: tuple[Body, ...] = field(metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class SummaryProbe:
    """What a text reads of a summary; `by_token` is the attention that each of its `tokens`, as they are fed, gives to it.

    Of each of `layers` the lists have a number for each query head; `entries` received most, best first.
    """

    session: str
    commit: str
    why: str | None
    mass: float
    tokens: tuple[str, ...] = field(metadata={"read": tuple})
    by_token: tuple[float, ...] = field(metadata={"read": tuple})
    layers: tuple[Body, ...] = field(metadata={"read": tuple})
    entries: tuple[Body, ...] = field(metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate decides of a record; `closed` says why it stays so. The scores are None where it was not looked at."""

    id: str
    statement: str
    open: bool
    closed: str | None
    score: float | None
    against: float | None
    gain: float | None


@dataclass(frozen=True, slots=True)
class RecordProbe:
    """Which of a session's `records` a text would open: `named` of them it is about, `opened` would act."""

    session: str
    commit: str
    threshold: float
    records: int
    named: int
    opened: int
    notes: tuple[str, ...] = field(metadata={"read": tuple})
    data: tuple[Judged, ...] = field(metadata={"read": several(Judged)})


@dataclass(frozen=True, slots=True)
class Mounts:
    session: str
    commit: str
    names: tuple[str, ...] = field(metadata={"read": tuple})
    data: tuple[Body, ...] = field(metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Running:
    """A session in memory."""

    id: str
    model: str
    status: str
    since: int | None
    tokens: int | None
    nbytes: int | None = field(metadata={"named": "bytes"})
    expires_at: int | None = None


@dataclass(frozen=True, slots=True)
class Unloaded:
    id: str
    unloaded: bool


@dataclass(frozen=True, slots=True)
class Model:
    id: str
    context_length: int
    architecture: str
    dtype: str
    parameters: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Stats:
    """What the store holds. `tiers` has logical and unique bytes by tier, `tokens` what became of them by kind.

    `tenants` is told to an admin of the server.
    """

    sessions: int
    objects: int
    nbytes: Mapping[str, int] = field(metadata={"named": "bytes"})
    dedup_ratio: float
    tiers: Mapping[str, Mapping[str, int]]
    tokens: Mapping[str, int] = field(default_factory=dict)
    turns_running: int = 0
    jobs_running: int = 0
    memory: Mapping[str, int | None] = field(default_factory=dict)
    tenants: tuple[Body, ...] = field(default=(), metadata={"read": tuple})


@dataclass(frozen=True, slots=True)
class Health:
    status: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `session` and `commit` are None where nothing is remembered; `body` is the whole answer."""

    id: str
    text: str
    finish_reason: str
    session: str | None
    commit: str | None
    tool_calls: tuple[Body, ...]
    usage: Mapping[str, Any]
    memory: Mapping[str, Any]
    body: Body


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a streamed answer."""

    text: str
    body: Body


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `id` as `last_event_id` goes on after it."""

    id: str
    kind: str
    session: str | None
    data: Body


def reply(body: Body) -> Reply:
    choice = body["choices"][0]
    message, memory = choice["message"], body["memory"]
    return Reply(
        body["id"],
        message.get("content") or "",
        choice["finish_reason"],
        memory.get("session"),
        memory.get("commit"),
        tuple(message.get("tool_calls") or ()),
        body.get("usage") or {},
        memory,
        body,
    )
