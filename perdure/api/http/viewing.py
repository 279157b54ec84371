"""What a session looks like inside: what the model sees, where its KV lies, how its states grow. From the store alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query

from ...errors import NotFound
from ...memory.blockmap import Block, Group
from .. import blocks, recalling, views
from ..blocks import MOST, NAMES
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
    found, runtime = store.context(commit), cast("Runtime", hub.runtime)
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
        **views.context(found, recalling.chosen(store, commit), runtime.budget(system), runtime.model.context_length),
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
    groups = blocks.held(store, commit, name)
    also = None if other is None else {each.group.name: _also(each, name, other) for each in groups}
    return {
        **head("session.blocks", name, commit),
        **blocks.listed(store, commit, groups, start=start, end=end, limit=limit, also=also),
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
        **blocks.packed(store, commit, found),
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


def _also(each: blocks.Held, name: str, other: str) -> int:
    """How many blocks, from the first on, the other session has."""
    return len(each.group.blocks) if other == name else each.sharing.get(other, 0)


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


def _no_states(store: Repository, commit: Commit) -> str:
    layers = store.layers(commit)
    if not layers:
        return "Nothing was said yet."
    if not any(each.fixed for each in layers):
        return "All layers of the model attend to keys and values; none has a state that each token changes."
    return "No snapshot of the end of a turn is stored here any more."
