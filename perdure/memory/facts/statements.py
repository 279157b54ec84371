"""Facts as sentences: made from a relation and its value, or from a sentence of no known relation."""

from __future__ import annotations

from .base import Fact
from .parsing import parsed
from .patterns import Heard
from .perspective import about_user, to_user
from .relations import find
from .values import without_tail
from .voices import USER, answering, capital, recording, render


def known(subject: str, relation: str, value: str) -> Fact:
    """A fact of a relation of the library, with `value` as the user says it. Raises InvalidInput for unknown relations."""
    found, noun = find(relation)
    statement = render(found.tells[0], recording(subject), about_user(noun, True), about_user(value, subject == USER)) + "."
    spoken = to_user(value)
    return Fact(subject, relation, spoken, statement, told(subject, found.tells[0], noun, spoken))


def told(subject: str, template: str, noun: str, value: str) -> str:
    """A statement to the user from a template of the library."""
    return render(template, answering(subject), to_user(noun), value) + "."


def heard_as(subject: str, heard: Heard) -> Fact:
    """The fact that a recognised clause states."""
    return known(subject, heard.relation.named(heard.noun), heard.value)


def unknown(subject: str, sentence: str) -> Fact | None:
    """A fact of no known relation from a sentence as the user says it; None where it has fewer than two words."""
    said = without_tail(" ".join(sentence.split()))
    spoken, statement = capital(to_user(said)), capital(about_user(said))
    value = parsed(subject, spoken).value if " " in spoken else ""
    return Fact(subject, "", value, statement + ".", spoken + ".") if value else None
