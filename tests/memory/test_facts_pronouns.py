"""Pronouns replaced by the name that was spoken of."""

from __future__ import annotations

import pytest

from perdure.memory.facts.pronouns import with_name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("And what is her dog called?", "And what is Ann Lee's dog called?"),
        ("Where does she live?", "Where does Ann Lee live?"),
        ("What should I cook for her?", "What should I cook for Ann Lee?"),
        ("What did you give her in spring?", "What did you give Ann Lee in spring?"),
        ("Which is his car?", "Which is Ann Lee's car?"),
        ("Do they play chess?", "Do Ann Lee play chess?"),
        ("What is the capital of France?", "What is the capital of France?"),
        ("Is there a theory here?", "Is there a theory here?"),
        ("", ""),
    ],
)
def test_the_first_pronoun_is_replaced(text: str, expected: str) -> None:
    assert with_name(text, "Ann Lee") == expected
