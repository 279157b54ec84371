"""Names taken out of texts."""

from __future__ import annotations

import pytest

from perdure.memory.facts import USER, masked


@pytest.mark.parametrize(
    ("subject", "text", "expected"),
    [
        ("Nerys Quill", "What is Nerys Quill's parrot called?", "What is someone's parrot called?"),
        ("Nerys Quill", "what does nerys quill eat?", "what does someone eat?"),
        ("Nerys Quill", "What does Nerys eat?", "What does someone eat?"),
        ("Nerys Quill", "What does Nerys Olsen eat?", None),
        ("Nerys Quill", "What does Oskar eat?", None),
        ("Ada van der Berg", "Where does Ada van der Berg live?", "Where does someone live?"),
        (USER, "What is my dog called?", "What is my dog called?"),
        (USER, "What is a dog called?", None),
    ],
)
def test_what_is_asked_of_somebody(subject: str, text: str, expected: str | None) -> None:
    assert masked(subject, text) == expected
