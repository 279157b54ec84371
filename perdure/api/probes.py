"""What summaries hold by layers and heads, and what probes found, as JSON. Members are only ever added."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..memory.fastweights import Decision, Record
    from ..memory.heads import Heads, Layer
    from ..memory.summary import Calibration
    from ..runtime.probing import Entry, Probed

Shape = dict[str, Any]
Spelled = Callable[[int, int], Sequence[str] | None]
"""The texts of tokens [start, end) of a conversation."""

AROUND = 8
"""Tokens of the conversation that are told on either side of one."""

UNNAMED = "the text does not name its subject"
OTHER_VECTORS = "another sentence encoder made its vectors"


def heads(found: Heads, made_with: Calibration | None) -> Shape:
    """A summary by layers; `made_with` are the numbers of its memory, where they are known."""
    return {
        "backend": found.backend,
        "position": found.position,
        "why": found.why or None,
        "fade": found.fade,
        "rule": found.rule or None,
        "maker": found.maker or None,
        "absorbed": found.absorbed,
        "spans": [{"start": start, "end": end} for start, end in found.spans],
        "bins": [{"start": start, "end": end} for start, end in found.bins],
        "layers": [_layer(each, *rest) for each, rest in zip(found.layers, _memories(found, made_with), strict=True)],
    }


def _memories(found: Heads, made_with: Calibration | None) -> list[tuple[Sequence[float] | None, Sequence[float] | None]]:
    """The gates of each layer's query heads and the norms of its KV heads' matrices; None: there are none, or not known."""
    gates: list[Sequence[float] | None] = [None] * len(found.layers)
    norms: list[Sequence[float] | None] = [None] * len(found.layers)
    for bank, places in enumerate(found.banks):
        opened = None if made_with is None else made_with.layers[bank]
        for place, row in found.norms_of(bank, opened).items():
            norms[place] = row
        for number, place in enumerate(places if made_with is not None and found.maker else ()):
            gates[place] = [round(gate, 6) for gate in made_with.gates[bank][number].tolist()] if made_with else None
    return list(zip(gates, norms, strict=True))


def _layer(each: Layer, gates: Sequence[float] | None, norms: Sequence[float] | None) -> Shape:
    return {**each._asdict(), "gates": gates, "norms": norms}


def probed(found: Probed, texts: Sequence[str], spelled: Spelled) -> Shape:
    """What a text read of a summary; `texts` are those of its tokens as they were fed."""
    return {
        "why": found.why or None,
        "mass": found.mass,
        "tokens": list(texts),
        "by_token": list(found.by_token),
        "layers": [each._asdict() for each in found.layers],
        "entries": [_entry(each, spelled) for each in found.entries],
    }


def _entry(each: Entry, spelled: Spelled) -> Shape:
    texts = spelled(each.token, each.token + 1)
    return {**each._asdict(), "text": "".join(texts) if texts else None, **around(spelled, each.token, each.token + 1)}


def around(spelled: Spelled, start: int, end: int) -> Shape:
    """What stands before and after tokens [start, end); null where another tokenizer made them."""
    before, after = spelled(max(0, start - AROUND), start), spelled(end, end + AROUND)
    return {
        "before": None if before is None else "".join(before),
        "after": None if after is None else "".join(after),
    }


def weighed(decision: Decision) -> Shape:
    """What the gate decided of a record."""
    return {
        **_named(decision.record),
        "open": decision.opened,
        "closed": decision.why or None,
        "score": round(decision.score, 6),
        "against": round(decision.against, 6),
        "gain": None if decision.gain is None else round(decision.gain, 6),
        "question": decision.question or None,
    }


def unnamed(record: Record, encoder: str) -> Shape:
    """A record that the gate did not look at."""
    why = UNNAMED if record.encoder == encoder else OTHER_VECTORS
    nothing = dict.fromkeys(("score", "against", "gain", "question"))
    return {**_named(record), "open": False, "closed": why, **nothing}


def _named(record: Record) -> Mapping[str, Any]:
    return {
        "id": record.id,
        "object": "memory.record.probe",
        "statement": record.statement,
        "subject": record.subject,
        "relation": record.relation,
        "value": record.value,
    }
