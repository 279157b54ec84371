"""Facts in what a user writes: sentences that state something of a person, and whatever the user asks to remember."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from . import guards
from .base import USER, Fact, Found
from .incidental import Incidental, joined
from .mentions import Mention, mentions, persons
from .names import located
from .parsing import ADVERBS, parsed
from .patterns import heard
from .referents import is_full
from .renewal import renewed
from .sentences import Sentence, clauses, sentences
from .statements import heard_as, unknown
from .verbs import is_finite

_LONGEST = 400
"""Characters of the longest sentence that is read."""

_PEOPLE = ("kin", "married")
_HAS_ONE = re.compile(r"\b(?:have|has|got|adopted|bought|['\u2019]ve) (?:got |adopted |bought )?(?:a|an|one) ")
_ITS_NAME = re.compile(
    r"(?:(?:his|her|its|their) name(?: is|['\u2019]s)|(?:he|she|it)(?: is|['\u2019]s) (?:called|named)) ", re.IGNORECASE
)
_OF_MANY = re.compile(r"(?:they|their)\b", re.IGNORECASE)


def extract(text: str) -> list[Found]:
    """The facts that a user's message teaches, in order, each with the place of its sentence.

    What follows "remember:" (to the end of the paragraph), "remember that", "please note that" and the like is a fact even
    if its relation is unknown. Any other sentence is one where it states a known relation of the speaker or of a named
    person, or anything at all of somebody with first and last name. Questions, orders, suppositions, denials, hearsay,
    quoted passages and texts handed over to be worked on are none. Takes time linear in the text, and never raises.
    """
    reader = _Reader()
    return [found for sentence in sentences(text) for found in reader.read(sentence)]


@dataclass
class _Reader:
    """What the sentences of a message so far mean for the next one."""

    person: str = ""
    """Whom a pronoun means: the only person of the sentence before."""
    full_names: dict[str, str] = field(default_factory=dict)
    """The full name to a first name, where the message gave it."""
    block: int = -1
    """The paragraph in which everything is to be remembered."""
    material: str = ""
    """What is not the user's own claim from here on, as `guards.gives_material` says."""
    last: Sentence | None = None
    """The sentence before, as long as it gave no fact."""
    owner: str = ""
    """The last clause, if it says that somebody has one of something."""
    earlier: bool = True
    """Whether that clause is of an earlier sentence."""
    changes: bool = False
    """Whether this sentence says that something was otherwise before."""
    joined: bool = False
    """Whether a fact of this sentence began in the one before."""
    incidental: Incidental = field(default_factory=Incidental)
    """What is told in passing."""

    def read(self, sentence: Sentence) -> list[Found]:
        """The facts of the next sentence."""
        self.joined, self.earlier = False, True
        found = self._read(sentence) if len(sentence.text) <= _LONGEST else []
        self.last = sentence if not found else None
        self.incidental.follow(
            _in_line(sentence) if len(sentence.text) <= _LONGEST and not sentence.quoted else "", self.full_names
        )
        return found

    def _read(self, sentence: Sentence) -> list[Found]:
        self.changes = guards.tells_change(_in_line(sentence))
        text = guards.unprefaced(_in_line(sentence))
        if guards.points_back(text):
            return self._noted_back(sentence)
        request = None if sentence.quoted else guards.explicit(text)
        text, asked = guards.without_request(request[0] if request else text)
        if request and request[1]:
            self.block = sentence.paragraph
        direct = bool(request) or asked
        explicit = direct or self.block == sentence.paragraph
        facts = self._facts(guards.unprefaced(text), explicit, direct) if explicit or not sentence.quoted else []
        start = self.last.start if self.joined and self.last else sentence.start
        return [Found(fact, start, sentence.end, explicit) for fact in facts]

    def _noted_back(self, sentence: Sentence) -> list[Found]:
        """ "Remember that." is about the sentence before, where that was no fact by itself."""
        before = self.last
        if before is None or before.paragraph != sentence.paragraph:
            return []
        facts = self._facts(guards.unprefaced(_in_line(before)), True, True)
        return [Found(fact, before.start, before.end, True) for fact in facts]

    def _facts(self, text: str, explicit: bool, direct: bool) -> list[Fact]:
        facts: list[Fact] = []
        text = renewed(text.rstrip(".! ")) if self.changes else text
        if text and not guards.is_question(text):
            facts = joined(self._stated(text, explicit), self._in_passing(text, explicit))
            if explicit and not facts:
                facts = self._noted_parts(text) or self._noted(text, direct)
        elif text:
            self._follow(text, [])
        self.material = self.material or guards.gives_material(text)
        return self._current(facts) if self.changes else facts

    def _current(self, facts: list[Fact]) -> list[Fact]:
        """What a sentence that tells a change says of now: beside a known relation, the rest tells what was."""
        found = [fact for fact in facts if fact.relation] or facts
        return [replace(fact, changed=True) for fact in found] if len(found) == 1 else found

    def _stated(self, text: str, explicit: bool) -> list[Fact]:
        """The facts that the clauses of a sentence claim."""
        given = "all" in (self.material, guards.gives_material(text)) and not explicit
        idle = given or guards.is_conditional(text) or guards.is_hearsay(text)
        facts: list[Fact] = []
        missed: list[str] = []
        parts = clauses(text)
        for at, clause in enumerate(parts):
            self._forget_person(clause, parts[:at])
            found = [] if idle else [fact for fact in self._claimed(clause, explicit) if self._is_own(fact, explicit)]
            self._follow(clause, found)
            facts += [replace(fact, changed=guards.tells_change(clause)) for fact in found]
            missed += [] if found else [clause]
        facts = [fact for fact in facts if len(facts) == 1 or not _is_done(fact)]
        return facts + [fact for clause in missed if facts and explicit for fact in self._noted(clause, False)]

    def _forget_person(self, clause: str, before: list[str]) -> None:
        if is_full(self.person) and self.incidental.may_be_another(self.person, clause, " ".join(before)):
            self.person = ""

    def _in_passing(self, text: str, explicit: bool) -> list[Fact]:
        given = explicit or self.material or guards.gives_material(text)
        return [] if given else self.incidental.facts(text, self.full_names)

    def _is_own(self, fact: Fact, explicit: bool) -> bool:
        return explicit or self.material != "others" or fact.subject.startswith(USER)

    def _claimed(self, clause: str, explicit: bool) -> list[Fact]:
        if not guards.is_claim(clause):
            return []
        if self.owner and _ITS_NAME.match(clause):
            named = self._known(mentions(f"{self.owner} and {clause}", self.person, self.full_names))
            self.joined = bool(named) and self.earlier
            return named
        readings = mentions(clause, self.person, self.full_names)
        return self._known(readings) or ([] if _OF_MANY.match(clause) else self._unknown(readings, explicit))

    def _known(self, readings: list[Mention]) -> list[Fact]:
        """A statement of a known relation."""
        for mention in readings:
            found = heard(mention.marked, mention.subject == USER)
            if found:
                return [heard_as(mention.subject, found)]
        return []

    def _unknown(self, readings: list[Mention], explicit: bool) -> list[Fact]:
        """A plain statement about somebody whose full name is known, of the moment only where it is to be remembered."""
        for mention in readings:
            told = mention.opening[len(mention.subject) :].lstrip()
            plain = mention.opening and is_full(mention.subject) and _is_statement(mention)
            if plain and (explicit or guards.lasts(told)):
                fact = unknown(mention.subject, mention.opening)
                return [fact] if fact and not guards.is_idle(fact.value.split()) else []
        return []

    def _noted_parts(self, text: str) -> list[Fact]:
        """The clauses of a sentence to be remembered, if there are several and each has a verb of its own."""
        parts = clauses(text)
        facts = [fact for part in parts for fact in self._noted(part, False)]
        return facts if len(facts) == len(parts) > 1 else []

    def _noted(self, text: str, direct: bool) -> list[Fact]:
        """A sentence to be remembered whatever it says. Behind "remember:", only the first may lack a verb."""
        clause = text.strip().rstrip(".!?\u2026 ")
        opening = next((one for one in mentions(clause, self.person, self.full_names) if one.opening), None)
        subject = opening.subject if opening else _topic(clause)
        fact = unknown(subject, opening.opening if opening else clause)
        if fact is None or guards.is_idle(clause.split()):
            return []
        plain = direct or (parsed(subject, fact.spoken).verb and len(clause.split()) > 2 and not guards.is_order(clause))
        return [fact] if plain else []

    def _follow(self, clause: str, facts: list[Fact]) -> None:
        """Keep in mind whom the next pronoun may mean."""
        named = persons(clause)
        for name in named:
            if is_full(name):
                self.full_names.setdefault(name.split()[0], name)
        self.owner, self.earlier = (clause, False) if _HAS_ONE.search(clause) else ("", True)
        if facts:
            self.person = _meant(facts[-1])
        elif len(named) == 1:
            self.person = self.full_names.get(named[0], named[0])
        elif named or not re.match(r"(?:he|she|his|her|they|their)\b", clause, re.IGNORECASE):
            self.person = ""


def _is_done(fact: Fact) -> bool:
    """Whether a fact says that something was done and no more ("Mara has moved"), which only leads to another one."""
    return not fact.relation and bool(re.search(r"\b(?:has|have|had|been) \w+(?:ed|en)\.$", fact.statement))


def _in_line(sentence: Sentence) -> str:
    return " ".join(sentence.text.split())


def _meant(fact: Fact) -> str:
    """Whom a pronoun after a fact means: its subject, or the one whom the user's relation names; nobody if it names two."""
    if fact.relation.split(":")[0] in _PEOPLE:
        return fact.value if fact.subject == USER else ""
    return "" if fact.subject == USER else fact.subject


def _is_statement(mention: Mention) -> bool:
    """Whether a verb and more follow a subject at the beginning, at once or, where it is an owner, after what it owns."""
    rest = mention.opening[len(mention.subject) :]
    spoken = rest.split()
    if rest.startswith(("'s", "\u2019s")):
        return any(is_finite(word) for word in spoken[2:-1][:4])
    adverb = spoken[:1] and (spoken[0].endswith("ly") or spoken[0] in ADVERBS)
    return len(spoken) > 1 + bool(adverb) and is_finite(spoken[1] if adverb else spoken[0])


def _topic(clause: str) -> str:
    """The subject of a sentence to be remembered that begins with no person: the first name in it, the user, or its own."""
    if re.search(r"\b(?:I|my|me|mine|our|we|My|Our|We)\b", clause):
        return USER
    people = [name.text for name in located(clause) if is_full(name.text)]
    if people:
        return people[0]
    parts = parsed("", clause) if " " in clause else None
    return parts.subject[:1].lower() + parts.subject[1:] if parts and parts.verb else USER
