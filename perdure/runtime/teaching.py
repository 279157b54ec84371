"""From facts in words to records in a ledger: written, judged, kept only where they are worth it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from blake3 import blake3

from ..memory.draft import now_ms
from ..memory.facts import Example as Wording
from ..memory.facts import Fact, about, examples, masked, negatives, stranger, texts
from ..memory.fastweights import Record, Said, pack_vectors
from .composing import packed
from .writers import Example, Lesson, Progress, Worth, Writer, Written, judge, writer_for

if TYPE_CHECKING:
    from .runtime import Runtime

RECALL, DRIFT = 0.5, 4.0
"""The least share of wordings that a record was not trained on which it must answer, and the most that it may move other
predictions while it is open, in nats (docs/decisions/0015)."""

HELD_OUT = 4
"""Each how manieth wording of a fact is kept from training, to judge by."""

JUDGED = 8
"""So many words of a sentence must be said where it is judged whether it was learned."""

BEGINNINGS = ("It is", "You told me that {}", "The answer is", "I remember that {}", "That is")
"""How answers to anything can begin; {} stands for the statement up to its value."""


class Sourced(NamedTuple):
    """A fact, where it was said, the commit that holds that (b"": none), and whether it was asked to be remembered."""

    fact: Fact
    said: Said
    origin: bytes = b""
    explicit: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a fact. `record` is None where it was not written or not kept, and `why` says why then."""

    fact: Fact
    record: Record | None
    why: str
    worth: Worth | None = None
    replaces: str = ""
    """The value that an older record of the same key has, where this one contradicts it."""


class Teacher:
    """Writes facts for one model; `generic`: with the wordings that any sentence gives, whatever its relation."""

    def __init__(self, runtime: Runtime, writer: Writer | None = None, *, generic: bool = False) -> None:
        self._runtime = runtime
        self._generic = generic
        self._engine, self._chat = runtime.engine, runtime.loaded.chat
        self._writer = writer or writer_for(self._engine, self._chat)

    @property
    def writer(self) -> str:
        """What writes, with its version."""
        return self._writer.identity

    def learns(self, fact: Fact) -> bool:
        """Whether the writer learns facts of this form."""
        return not fact.verbatim or self._writer.roomy() is not None

    def write(
        self,
        facts: Sequence[Sourced],
        *,
        progress: Progress = lambda done, total: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Outcome]:
        """Write and judge facts; nothing is committed. Fewer outcomes than facts where `cancelled` said so."""
        found: list[Outcome] = []
        for verbatim, group in groupby(facts, key=lambda each: each.fact.verbatim):
            run, writer = list(group), self._writer.roomy() if verbatim else self._writer
            if writer is None:
                found += [Outcome(each.fact, None, "this writer learns no whole sentences") for each in run]
                continue
            found += self._taught(writer, run, _part(progress, len(found), len(run), len(facts)), cancelled)
            if cancelled():
                break
        return found

    def _taught(
        self, writer: Writer, facts: Sequence[Sourced], progress: Progress, cancelled: Callable[[], bool]
    ) -> list[Outcome]:
        """Facts written, those that were not learned once more for longer."""
        lessons = [lesson_of(self._worded(each.fact)) for each in facts]
        made = self._written(writer, lessons, progress, cancelled)
        missed = [i for i, (_, worth) in enumerate(made) if worth.recall < RECALL]
        longer = writer.longer() if missed and not cancelled() else None
        if longer is not None:
            again = self._written(longer, [lessons[i] for i in missed], lambda done, total: None, cancelled)
            for i, new in zip(missed, again, strict=False):
                made[i] = new if new[1].recall > made[i][1].recall else made[i]
        return [self._outcome(each, *found) for each, found in zip(facts, made, strict=False)]

    def _written(
        self, writer: Writer, lessons: Sequence[tuple[Lesson, Lesson]], progress: Progress, cancelled: Callable[[], bool]
    ) -> list[tuple[Written, Worth]]:
        """Lessons written, each judged by what was held out of it."""
        written = writer.write([taught for taught, _ in lessons], progress, cancelled)
        held = [held for _, held in lessons[: len(written)]]
        return list(zip(written, judge(self._engine, self._chat, held, written), strict=True))

    def _worded(self, fact: Fact) -> Fact:
        return replace(fact, relation="") if self._generic else fact

    def _outcome(self, each: Sourced, written: Written, worth: Worth) -> Outcome:
        why = _shortfall(worth)
        return Outcome(each.fact, None if why else self._record(each, written, worth), why, worth)

    def _record(self, each: Sourced, written: Written, worth: Worth) -> Record:
        fact, encoder = each.fact, self._runtime.memories.encoder
        against = negatives(self._worded(fact))
        own = encoder.encode([masked(fact.subject, text) or text for text in texts(self._worded(fact))])
        beside = () if fact.verbatim else against.same_subject
        negative = pack_vectors(encoder.encode([masked(fact.subject, text) or text for text in beside])) if beside else b""
        payload, shapes = packed(written.tensors)
        about = "\0".join((fact.statement, *map(str, each.said), self._writer.identity, self._runtime.recipe["weights"]))
        return Record(
            id=blake3(about.encode() + payload).digest(8).hex(),
            form=written.form,
            subject=fact.subject,
            relation=self._worded(fact).relation,
            value=fact.value,
            statement=fact.statement,
            key=fact.key,
            places=written.places,
            shapes=shapes,
            payload=payload,
            writer=self._writer.identity,
            weights=self._runtime.recipe["weights"],
            encoder=encoder.identity,
            own=pack_vectors(own),
            negative=negative,
            sources=(each.said,),
            origin=each.origin,
            time_ms=now_ms(),
            measured=worth._asdict(),
        )


def _part(progress: Progress, first: int, count: int, total: int) -> Progress:
    """Progress of some of the facts, told as that of all."""
    return progress if count == total else lambda done, steps: progress(first * steps + done * count, total * steps)


def _shortfall(worth: Worth) -> str:
    """Why a record is not worth keeping; "" for one that is."""
    if worth.recall < RECALL:
        return f"only {worth.recall:.0%} of the wordings that it was not trained on are answered"
    return f"it would move other answers by {worth.drift:.1f} nats" if worth.drift > DRIFT else ""


def lesson_of(fact: Fact) -> tuple[Lesson, Lesson]:
    """What a fact is trained on, and what it is judged by: other wordings, other questions to be left alone."""
    if fact.verbatim:
        return _verbatim(fact)
    wordings, against = examples(fact), negatives(fact)
    few = len(wordings) < 2 * HELD_OUT
    held = wordings if few else wordings[HELD_OUT - 1 :: HELD_OUT]
    taught = [*_begun(fact, [each for each in wordings if few or each not in held]), *_about(fact)]
    left_alone = [Example(question, "", "") for question in (*against.same_subject[:3], *against.general[:3])]
    leash = (_of_another(fact, wordings[0]), left_alone[0], left_alone[-1])
    apart = tuple(left_alone[1:-1])
    return _lesson(fact, taught, leash), _lesson(fact, held, apart)


def _verbatim(fact: Fact) -> tuple[Lesson, Lesson]:
    """A sentence to be said whatever is asked of its subject, judged by its beginning."""
    wordings, general = examples(fact), negatives(fact).general
    held = wordings[1::2]
    beginning = " ".join(fact.value.split()[:JUDGED])
    leash = (_of_another(fact, wordings[-1]), Example(general[0], "", ""), Example(general[-1], "", ""))
    apart = tuple(Example(question, "", "") for question in general[1:4])
    taught = Lesson(tuple(Example(*each) for each in wordings if each not in held), leash, fact.spoken)
    return taught, Lesson(tuple(Example(each.question, fact.stem, beginning) for each in held), apart, fact.spoken)


def _begun(fact: Fact, wordings: Sequence[Wording]) -> Iterator[Wording]:
    """One answer in three begins as its question asks, one with words that say nothing of the relation, one breaks off.

    No beginning must be needed to know the value (docs/decisions/0015).
    """
    for number, each in enumerate(wordings):
        spoken = each.prefix.split()
        general = BEGINNINGS[number // 3 % len(BEGINNINGS)].format(fact.stem)
        cut = " ".join(spoken[: number % max(1, len(spoken))])
        yield each._replace(prefix=(each.prefix, general, cut)[number % 3])


def _about(fact: Fact) -> list[Wording]:
    """The subject asked about as a whole."""
    return [Wording(question, fact.stem, fact.value) for question in about(fact)[:2]]


def _lesson(fact: Fact, wordings: Sequence[Wording], leash: Sequence[Example]) -> Lesson:
    return Lesson(tuple(Example(*each) for each in wordings), tuple(leash), fact.spoken)


def _of_another(fact: Fact, wording: Wording) -> Example:
    """The same asked and begun about somebody who has nothing to do with it."""
    other = stranger(fact)
    return Example(wording.question.replace(fact.subject, other), wording.prefix.replace(fact.subject, other), "")
