"""Memory as JSON, the same on the command line and over HTTP. Members are only ever added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .recalling import Chosen, Considered, Found, Judged, Told

if TYPE_CHECKING:
    from ..memory.amending import Merged
    from ..memory.episodes import Episode
    from ..memory.fastweights import Comparison, Conflict, Record, Refusal, Said
    from ..memory.inspecting import Episodic, Memory, Summary, Working
    from ..memory.native import Native
    from ..memory.records import Clash, FsckReport, Problem
    from ..runtime.consolidation import Consolidated
    from ..runtime.teaching import Outcome
    from .origins import Origins
    from .taught import Known, Mounted, Profile, Tier

Shape = dict[str, Any]


def memory(report: Memory, known: Tier) -> Shape:
    """Every tier under its name."""
    return {
        "working": working(report.working),
        "episodic": episodic(report.episodic),
        "summary": summary(report.summary),
        "fast-weights": fast_weights(known),
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


def fast_weights(tier: Tier) -> Shape:
    return {**_bytes(tier._asdict()), "mounts": [mounted(each) for each in tier.mounts]}


def mounted(each: Mounted) -> Shape:
    return _bytes(each._asdict())


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
        "origin": record.origin.hex() or None,
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
        "query": story.query or None,
        "mode": story.mode or None,
        "position": story.position,
        "considered": [_considered(item) for item in story.considered],
        "chosen": [_chosen(item) for item in story.chosen],
        "records": [_judged(item) for item in story.records],
    }


def record(each: Record, left: Origins, branches: Sequence[str] = ()) -> Shape:
    """One fast-weight record. `left` is what there is of where it is from, `branches` those that hold it."""
    return {
        "id": each.id,
        "object": "memory.record",
        "kind": "record",
        "created_at": each.time_ms // 1000,
        "statement": each.statement,
        "subject": each.subject,
        "relation": each.relation,
        "value": each.value,
        "form": each.form,
        "bytes": each.nbytes,
        "recall": each.measured.get("recall"),
        "measured": dict(each.measured),
        "sources": [_said(said, left.sessions, left.deleted(each, said)) for said in each.sources],
        "origin": each.origin.hex() if each.origin else None,
        "origin_deleted": left.lost(each),
        "writer": each.writer,
        "weights": each.weights,
        "encoder": each.encoder,
        "digest": each.digest.hex(),
        "branches": list(branches),
    }


def known(item: Known, left: Origins) -> Shape:
    """The same, with what holds in its place where something does."""
    holder = item.holder
    instead = {"superseded_by": None if holder is None else holder.id, "contradicted": item.contradicted}
    return {**record(item.record, left, item.branches), **instead}


def native(each: Native) -> Shape:
    """One layer whose state is fast weights by nature."""
    return {"id": each.layer, "object": "memory.native", "kind": "native", **_bytes(each._asdict())}


def profile(each: Profile) -> Shape:
    return {
        "name": each.info.name,
        "model": each.info.model,
        "head": each.info.head.hex,
        "records": each.records,
        "superseded": each.superseded,
        "bytes": each.nbytes,
        "created_ms": each.info.created_ms,
        "updated_ms": each.info.updated_ms,
    }


def comparison(found: Comparison, left: Origins) -> Shape:
    """What sets two ledgers apart: records of the first alone, of the second alone, of both, and where they differ."""
    return {
        "ours": [record(each, left) for each in found.ours],
        "theirs": [record(each, left) for each in found.theirs],
        "both": [record(each, left) for each in found.both],
        "conflicts": [_conflict(each) for each in found.conflicts],
    }


def merged(found: Merged) -> Shape:
    """What became of a merge; without `base` both had no common commit, without `merged` there was nothing to do."""
    plan = found.plan
    return {
        "merged": plan is not None,
        "commit": found.commit.hex,
        "previous": found.before.hex,
        "base": None if plan is None or plan.base is None else plan.base.hex,
        "gained": {} if plan is None else dict(plan.gained),
        "lost": {} if plan is None else dict(plan.lost),
        "settled": [] if plan is None else [clash(each) for each in plan.clashes],
        "notes": [] if plan is None else list(plan.notes),
    }


def clash(found: Clash) -> Shape:
    """What both sides of a merge changed; null: forgotten there."""
    return dict(found._asdict())


def later(found: Conflict) -> Record:
    """The one of two that holds where both ledgers are one."""
    return max(found.ours, found.theirs, key=lambda each: (each.time_ms, each.digest))


def problems(records: Iterable[Problem]) -> list[Shape]:
    return [{"subject": found.subject, "sentence": found.sentence, "mended": found.mended} for found in records]


def fsck(report: FsckReport) -> Shape:
    return {
        "ok": report.ok,
        "objects": report.objects,
        "bytes": report.bytes,
        "journals": report.journals,
        "problems": problems(report.problems),
        "lost": list(report.lost),
    }


def consolidated(done: Consolidated) -> Shape:
    return {
        "ledger": done.ledger,
        "commit": None if done.commit is None else done.commit.hex,
        "written": len(done.written),
        "known": done.known,
        "whole": done.whole,
        "outcomes": [outcome(each) for each in done.outcomes],
        "refused": [refusal(each) for each in done.refused],
        "why": done.why or None,
    }


def outcome(each: Outcome) -> Shape:
    """What became of a fact."""
    worth = None if each.worth is None else each.worth._asdict()
    return {
        "statement": each.fact.statement,
        "subject": each.fact.subject,
        "relation": each.fact.relation,
        "value": each.fact.value,
        "kept": each.record is not None,
        "record": None if each.record is None else each.record.id,
        "why": each.why or None,
        "recall": None if worth is None else worth["recall"],
        "measured": worth,
        "replaces": each.replaces or None,
    }


def refusal(each: Refusal) -> Shape:
    """A fact that a writer had tried before, and why it was not kept then."""
    return {"statement": each.statement, "value": each.value, "why": each.why, "writer": each.writer}


def _conflict(found: Conflict) -> Shape:
    ours, theirs = ({"id": each.id, "statement": each.statement, "value": each.value} for each in found)
    return {"ours": ours, "theirs": theirs, "holds": later(found).value}


def _said(said: Said, sessions: Mapping[str, str], deleted: bool) -> Shape:
    return {
        "uid": said.session,
        "session": sessions.get(said.session),
        "deleted": deleted,
        "turn": said.turn,
        "span": {"start": said.start, "end": said.end},
        "episode": said.episode or None,
    }


def _judged(item: Judged) -> Shape:
    return {**item._asdict(), "digest": item.digest.hex(), "closed": item.closed or None}


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
