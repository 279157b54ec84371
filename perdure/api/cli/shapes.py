"""The JSON that the commands print (docs/cli.md names every member). Members are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ...memory.records import Commit, Diff, GcReport, Message, SessionInfo, Tag
    from ...runtime.session_memory import Added
    from ...stores.base import RefLogEntry
    from ..wiring import PulledModel

Shape = dict[str, Any]


def commit(record: Commit) -> Shape:
    return {
        "commit": record.hex,
        "parents": [parent.hex() for parent in record.parents],
        "kind": record.kind,
        "reason": record.reason,
        "author": record.author,
        "time_ms": record.time_ms,
        "turn": record.turn,
        "tokens": record.tokens,
        "messages": record.messages,
        "title": record.title,
        "recipe": record.recipe.hex(),
        "metrics": dict(record.metrics),
    }


def message(record: Message) -> Shape:
    return {
        "role": record.role,
        "content": record.content,
        "start": record.start,
        "end": record.end,
        "time_ms": record.time_ms,
    }


def messages(records: Iterable[Message]) -> list[Shape]:
    return [message(record) for record in records]


def session(record: SessionInfo) -> Shape:
    return {
        "name": record.name,
        "uid": record.uid,
        "model": record.model,
        "head": commit(record.head),
        "created_ms": record.created_ms,
        "updated_ms": record.updated_ms,
        "kv_bytes": record.kv_bytes,
        "forked_from": record.forked_from,
    }


def tag(record: Tag) -> Shape:
    return {"name": record.name, "session": record.session, "commit": commit(record.commit)}


def diff(record: Diff) -> Shape:
    return {
        "base": commit(record.base),
        "head": commit(record.head),
        "ancestor": None if record.ancestor is None else commit(record.ancestor),
        "common_tokens": record.common_tokens,
        "common_messages": record.common_messages,
        "base_messages": messages(record.base_messages),
        "head_messages": messages(record.head_messages),
        "shared_blocks": record.shared_blocks,
        "base_blocks": record.base_blocks,
        "head_blocks": record.head_blocks,
    }


def gc(report: GcReport) -> Shape:
    return dict(report._asdict())


def model(record: PulledModel) -> Shape:
    return dict(record._asdict())


def answer(session_name: str, text: str, receipt: Mapping[str, Any]) -> Shape:
    return {"session": session_name, "text": text, "receipt": {**receipt, "notes": list(receipt["notes"])}}


def added(record: Added) -> Shape:
    return {"memories": record.episodes, "tokens": record.tokens, "commit": record.commit.hex, "whole": record.whole}


def move(entry: RefLogEntry) -> Shape:
    old, new = (digest.hex() if digest else None for digest in (entry.old, entry.new))
    return {"number": entry.number, "old": old, "new": new, "time_ms": entry.time_ms, "reason": entry.reason}
