"""Names of sessions and tags, and how refs are called in the store."""

from __future__ import annotations

import re

from ..errors import InvalidName

HEADS = "heads/"
TAGS = "tags/"
CACHE = "cache/"
PATTERN = "[A-Za-z0-9_][A-Za-z0-9._:-]{0,63}"
_NAME = re.compile(PATTERN)
RESERVED = frozenset({"HEAD"})


def checked(name: str, what: str = "session") -> str:
    """The name itself. Raises InvalidName unless it is 1-64 of A-Z a-z 0-9 . _ : - and begins with none of . : -."""
    if not _NAME.fullmatch(name) or name in RESERVED or ".." in name:
        raise InvalidName(
            f"{name[:80]!r} is no {what} name. Use 1 to 64 letters, digits, '.', '_', ':' or '-', "
            "beginning with a letter, a digit or '_'."
        )
    return name


def head(name: str) -> str:
    return HEADS + name


def tag(name: str) -> str:
    return TAGS + name


def ahead(uid: str) -> str:
    """The ref that keeps what a session's turn has written before its commit."""
    return f"{CACHE}ahead-{uid}"
