"""Memory as JSON, the same on the command line and over HTTP. Members are only ever added."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .recalling import Chosen, Considered, Found, Told

if TYPE_CHECKING:
    from ..memory.episodes import Episode
    from ..memory.inspecting import Episodic, Memory, Summary, Working

Shape = dict[str, Any]


def memory(report: Memory) -> Shape:
    return {
        "working": working(report.working),
        "episodic": episodic(report.episodic),
        "summary": summary(report.summary),
    }


def working(tier: Working) -> Shape:
    return _bytes(tier._asdict())


def episodic(tier: Episodic) -> Shape:
    return _bytes({**tier._asdict(), "roles": dict(tier.roles)})


def summary(tier: Summary) -> Shape:
    shape = _bytes(tier._asdict())
    shape["digest"] = tier.digest.hex() if tier.digest else None
    shape["histogram"] = [part._asdict() for part in tier.histogram]
    return shape


def episode(record: Episode, sessions: Sequence[str] = ()) -> Shape:
    """One memory; `sessions` are those that remember it, where that was asked."""
    return {
        "id": record.id,
        "object": "memory.episode",
        "created_at": record.time_ms // 1000,
        "text": record.text,
        "content_sha256": content_sha256(record.text),
        "role": record.role,
        "source": record.source,
        "turn": record.turn,
        "span": {"start": record.start, "end": record.end},
        "part": record.part,
        "parts": record.parts,
        "pinned": record.pinned,
        "tokens": len(record.tokens),
        "encoder": record.encoder,
        "digest": record.digest.hex(),
        "kv": record.kv.hex() if record.kv else None,
        "sessions": list(sessions),
    }


def content_sha256(text: str) -> str:
    """What a client names the text by that it means to change."""
    return hashlib.sha256(text.encode()).hexdigest()


def found(item: Found) -> Shape:
    hit = item.hit
    scores = {
        "similarity": round(hit.similarity, 6),
        "words": round(hit.words, 6),
        "bm25": round(hit.bm25, 6),
        "score": round(hit.score, 6),
        "vector_rank": hit.vector_rank or None,
        "word_rank": hit.word_rank or None,
        "dropped": hit.dropped or None,
    }
    return {**episode(item.episode, item.sessions), **scores}


def trace(story: Told) -> Shape:
    return {
        "query": story.query,
        "mode": story.mode,
        "position": story.position,
        "considered": [_considered(item) for item in story.considered],
        "chosen": [_chosen(item) for item in story.chosen],
    }


def _considered(item: Considered) -> Shape:
    scores = {"similarity": item.similarity, "words": item.words, "score": item.score, "dropped": item.dropped or None}
    return {**_named(item), **scores}


def _chosen(item: Chosen) -> Shape:
    place = {"at": item.at, "tokens": item.tokens, "bias": item.bias, "mass": item.mass}
    return {**_named(item), **place, "by_token": list(item.by_token), "by_layer": list(item.by_layer)}


def _named(item: Considered | Chosen) -> Shape:
    known = item.episode
    return {"id": known.id if known else None, "digest": item.digest.hex(), "text": known.text if known else None}


def _bytes(shape: Shape) -> Shape:
    return {"bytes" if name == "nbytes" else name: value for name, value in shape.items()}
