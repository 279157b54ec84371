"""What a session looks like inside: what the model sees, where its KV lies, how its states grow. From the store alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query

from ...errors import NotFound
from ...memory.blockmap import TIERS, Block, Group, holders
from .. import recalling, views
from .hub import Hub
from .memory import At, commit_at, head
from .mentions import mention
from .problems import refusals
from .sessions import LongLimit, Order, must_exist, page
from .store import SharedHub, Store

if TYPE_CHECKING:
    from ...memory.records import Commit
    from ...memory.repository import Repository
    from ...runtime import Runtime

router = APIRouter(prefix="/v1/sessions/{name}", tags=["memory"])

MOST = 1 << 31
"""Above every token's number."""

NAMES = 100
"""Sessions that have a block too are named up to so many, and counted."""

PartName = Literal["system", "sinks", "summary", "window", "recalled"]
Token = Annotated[int, Query(ge=0, le=MOST)]
Index = Annotated[str, Path(json_schema_extra={"pattern": "^[0-9]{1,9}$"})]


class NoSuchBlock(NotFound):
    """A session has no KV block of this number."""

    code = "block_not_found"


@router.get("/memory/context", responses=refusals(404))
def get_context(
    name: str,
    hub: SharedHub,
    store: Store,
    at: At = None,
    part: Annotated[PartName | None, Query(description="This part alone.")] = None,
    offset: Annotated[Token, Query(description="The text's first token, counted from that of the part.")] = 0,
    limit: Annotated[int, Query(ge=1, le=8192, description="Tokens of text of each part.")] = 256,
) -> dict[str, Any]:
    """What the model sees, part by part as attention reads it, each with a piece of its text; then what is left free."""
    commit = commit_at(hub, name, at)
    found = store.context(commit)
    text = _Text(hub, store, commit)
    system = next(each.tokens for each in found.parts if each.name == "system")
    return {
        **head("session.memory.context", name, commit),
        "parts": [
            {**views.part(each), **text.piece(each.start + offset, each.end, limit)}
            for each in found.parts
            if part in (None, each.name)
        ],
        "offset": offset,
        "backend": found.backend,
        "fixed_bytes": found.fixed,
        "last_recalled": _last_recalled(store, commit),
        **_room(hub, found.working.entries, found.working.window, system),
    }


@router.get("/blocks", responses=refusals(404))
def list_blocks(
    name: str,
    hub: SharedHub,
    store: Store,
    at: At = None,
    start: Annotated[Token, Query(alias="from", description="The first token that is asked about.")] = 0,
    end: Annotated[Token, Query(alias="to", description="The token behind the last one.")] = MOST,
    limit: Annotated[int, Query(ge=1, le=4096, description="Blocks of each group.")] = 2048,
    other: Annotated[str | None, Query(alias="with", description="Another session: which blocks has it too?")] = None,
) -> dict[str, Any]:
    """Where the KV of tokens `from` to `to` lies: the blocks of each group of layers, in columns."""
    commit = commit_at(hub, name, at)
    if other is not None:
        must_exist(hub, other)
        mention([other])
    written = _Written()
    groups, ends = [], []
    for found in store.block_groups(commit):
        within = [each for each in found.blocks if each.end > start and each.start < end]
        groups.append(_group(store, commit, name, found, within[:limit], other, written))
        ends += [within[limit].start] if len(within) > limit else []
    return {
        **head("session.blocks", name, commit),
        "tokens": commit.tokens,
        "tiers": list(TIERS),
        "commits": written.listed,
        "groups": groups,
        "has_more": bool(ends),
        "next": min(ends, default=None),
    }


@router.get("/blocks/{index}", responses=refusals(404))
def get_block(
    name: str,
    index: Index,
    hub: SharedHub,
    store: Store,
    at: At = None,
    group: Annotated[Literal["full", "window"], Query(description="The layers: all that attend so.")] = "full",
) -> dict[str, Any]:
    """One block: its text and tokens, its whole digest, who wrote it, and which sessions have it too."""
    commit = commit_at(hub, name, at)
    found, block = _block(store, commit, name, group, index)
    writer = store.block_writers(commit, group).get(block.digest)
    others = sorted(each for each, count in store.block_sharing(name, found).items() if count > block.number)
    tokens = store.part(commit, block.start, block.end)
    return {
        **head("session.block", name, commit),
        **views.block(block),
        **_numbers(store, commit, found),
        "group": found.name,
        "layers": [views.layer(each) for each in found.layers],
        "written": None if writer is None else views.written(writer),
        "sessions": 1 + len(others),
        "others": others[:NAMES],
        "tokens": tokens,
        "text": _Text(hub, store, commit).of(tokens),
    }


@router.get("/states", responses=refusals(404))
def list_states(
    name: str,
    hub: SharedHub,
    store: Store,
    at: At = None,
    limit: LongLimit = 20,
    after: str | None = None,
    order: Order = "desc",
) -> dict[str, Any]:
    """The norms of what recurrent and convolution layers kept after each commit whose snapshot is stored, newest first."""
    commit = commit_at(hub, name, at)
    marked = {each.hex: (each, mark) for each, mark in store.marked(commit)}
    listed = page([{"id": digits} for digits in reversed(marked)], limit, after, order)
    strips = store.strips([marked[each["id"]] for each in listed["data"]])
    tensors = {norm.tensor: norm for each in strips for norm in each.norms}
    return {
        **listed,
        "session": name,
        "commit": commit.hex,
        "tensors": [views.tensor(each) for each in tensors.values()],
        "data": [views.strip(each, list(tensors)) for each in strips] if tensors else [],
        "reason": None if tensors else _no_states(store, commit),
    }


class _Text:
    """What tokens of a commit's log say, where the server's model has the tokenizer that made them."""

    def __init__(self, hub: Hub, store: Repository, commit: Commit) -> None:
        self._runtime = cast("Runtime", hub.runtime)
        self._store, self._commit = store, commit
        self._recipe = store.recipe(commit)

    def of(self, tokens: list[int]) -> str | None:
        return self._runtime.spelled(tokens, self._recipe)

    def piece(self, start: int, end: int, limit: int) -> dict[str, Any]:
        """The text of up to `limit` tokens from `start` on, also cut where messages end, and whether it goes on."""
        upto = min(end, start + limit)
        tokens = self._store.part(self._commit, start, upto)
        return {"text": self.of(tokens), "more": upto < end, "messages": self._cut(tokens, start, upto)}

    def _cut(self, tokens: list[int], start: int, end: int) -> list[dict[str, Any]]:
        return [
            {**views.passage(each), "text": self.of(tokens[each.start - start : each.end - start])}
            for each in self._store.passages(self._commit, start, end)
        ]


class _Written:
    """The commits that wrote some blocks, each told once and known by its number."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}

    def number(self, commit: Commit) -> int:
        if commit.hex not in self._numbers:
            self._numbers[commit.hex] = len(self.listed)
            self.listed.append(views.written(commit))
        return self._numbers[commit.hex]


def _group(
    store: Repository, commit: Commit, name: str, found: Group, listed: list[Block], other: str | None, written: _Written
) -> dict[str, Any]:
    writers = store.block_writers(commit, found.name)
    numbers = {each.digest: written.number(writers[each.digest]) for each in listed if each.digest in writers}
    shared = store.block_sharing(name, found)
    also = None if other is None else len(found.blocks) if other == name else shared.get(other, 0)
    columns = views.group(found, listed, holders(shared, len(found.blocks)), also, numbers)
    return {**columns, **_numbers(store, commit, found)}


def _numbers(store: Repository, commit: Commit, found: Group) -> dict[str, Any]:
    """In what type the blocks of a group keep their numbers, and how these are packed: null where there are none."""
    present = next((each for each in found.blocks if each.nbytes), None)
    header = None if present is None or not found.layers else store.header(present.digest)
    dtype = store.recipe(commit)["dtype"]
    return {"codec": None if header is None else header.get("codec"), "dtype": None if header is None else dtype}


def _block(store: Repository, commit: Commit, name: str, group: str, index: str) -> tuple[Group, Block]:
    """Raises NoSuchBlock."""
    found = next((each for each in store.block_groups(commit) if each.name == group), None)
    count = 0 if found is None else len(found.blocks)
    number = int(index) if index.isdecimal() and len(index) < 10 else MOST
    if found is None or number >= count:
        raise NoSuchBlock(
            f"Session {name} has {count} blocks of the group {group}, counted from 0; there is no {index[:20]!r}."
        )
    return found, found.blocks[number]


def _last_recalled(store: Repository, commit: Commit) -> list[dict[str, Any]]:
    """What the turn that made the commit had before it, and which was taken out again at its end."""
    story = recalling.told(store, commit)
    return [] if story is None else [views.recalled(each) for each in story.chosen]


def _room(hub: Hub, entries: int, window: int, system: int) -> dict[str, Any]:
    """How many tokens fit before some must leave the window, or before the model's positions end."""
    runtime = cast("Runtime", hub.runtime)
    budget, context = runtime.budget(system), runtime.model.context_length
    free = context - entries if budget is None else min(context - entries, budget.window + budget.block - window)
    return {"free": max(0, free), "then": "end" if budget is None else "evict", "limits": views.limits(budget, context)}


def _no_states(store: Repository, commit: Commit) -> str:
    layers = store.layers(commit)
    if not layers:
        return "Nothing was said yet."
    if not any(each.fixed for each in layers):
        return "All layers of the model attend to keys and values; none has a state that each token changes."
    return "No snapshot of the end of a turn is stored here any more."
