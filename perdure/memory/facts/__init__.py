"""Facts that a user teaches in a conversation: found in text, asked about, told apart. English, without any model."""

from .base import USER, Example, Fact, Found, Negatives, contradicts, ends, holders
from .extraction import extract
from .gists import gists, taught
from .likening import Likeness
from .masking import masked
from .names import asks_about, names_in
from .negatives import negatives, ordinary, stranger
from .pronouns import with_name
from .questions import about, examples, texts
from .statements import known

__all__ = [
    "USER",
    "Example",
    "Fact",
    "Found",
    "Likeness",
    "Negatives",
    "about",
    "asks_about",
    "contradicts",
    "ends",
    "examples",
    "extract",
    "gists",
    "holders",
    "known",
    "masked",
    "names_in",
    "negatives",
    "ordinary",
    "stranger",
    "taught",
    "texts",
    "with_name",
]
