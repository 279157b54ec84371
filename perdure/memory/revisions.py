"""Revisions: how people name a commit.

revision := base suffix*
base     := "" | "HEAD" (both need a session) | branch | tag | commit hash of at least 8 hex digits
suffix   := "~" [n]          n first parents back (default 1)
          | "@turn:" n       the state right after the n-th answer
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import NamedTuple

from ..errors import AmbiguousRevision, InvalidInput, RevisionNotFound
from ..stores.base import DIGEST_SIZE, Digest, ReadTxn
from . import commits, names
from .records import Commit

_SUFFIX = re.compile(r"~([0-9]{0,9})|@turn:([0-9]{1,9})")
_HEX = re.compile(r"[0-9a-f]{8,64}")


class Parsed(NamedTuple):
    base: str
    suffixes: tuple[tuple[str, int], ...]


def parse(text: str) -> Parsed:
    """Split a revision. Raises InvalidInput when it does not follow the grammar."""
    cut = min((i for i in (text.find("~"), text.find("@")) if i >= 0), default=len(text))
    base, rest = text[:cut], text[cut:]
    suffixes = []
    while rest:
        match = _SUFFIX.match(rest)
        if match is None:
            raise InvalidInput(f"{text!r} is no revision: {rest!r} is neither '~N' nor '@turn:N'.")
        back, turn = match.groups()
        suffixes.append(("turn", int(turn)) if turn is not None else ("back", int(back or 1)))
        rest = rest[match.end() :]
    return Parsed(base, tuple(suffixes))


def resolve(txn: ReadTxn, text: str, session: str | None = None) -> Commit:
    """The commit that a revision names. Raises RevisionNotFound, AmbiguousRevision or InvalidInput."""
    parsed = parse(text)
    commit = commits.read(txn, _base(txn, parsed.base, session, text))
    for how, number in parsed.suffixes:
        commit = _back(txn, commit, number, text) if how == "back" else _turn(txn, commit, number, text)
    return commit


def _base(txn: ReadTxn, base: str, session: str | None, text: str) -> Digest:
    if base in ("", "HEAD"):
        if session is None:
            raise InvalidInput(f"{text!r} needs a session to start from; write it as 'SESSION~N' or 'SESSION@turn:N'.")
        base = session
    for name in (names.head(base), names.tag(base)):
        with suppress(InvalidInput):  # too long, or with NUL: nothing is called so
            ref = txn.ref(name)
            if ref is not None:
                return ref.target
    return _by_hash(txn, base)


def _by_hash(txn: ReadTxn, base: str) -> Digest:
    lowered = base.lower()
    if not _HEX.fullmatch(lowered):
        raise RevisionNotFound(
            f"No session, tag or commit is called {base[:80]!r}. `perdure ls` lists sessions, `perdure log` commits."
        )
    found = [digest for digest in _with_prefix(txn, lowered) if txn.get(digest).kind == commits.KIND]
    if not found:
        raise RevisionNotFound(f"No commit's hash begins with {base}. `perdure log SESSION` lists them.")
    if len(found) > 1:
        some = ", ".join(digest.hex()[:16] for digest in found[:4])
        raise AmbiguousRevision(f"{len(found)} commits begin with {base}: {some}. Give more digits.")
    return found[0]


def _with_prefix(txn: ReadTxn, text: str) -> list[Digest]:
    whole = bytes.fromhex(text[: len(text) // 2 * 2])
    return [d for d in txn.digests(whole) if d.hex().startswith(text) and len(d) == DIGEST_SIZE]


def _back(txn: ReadTxn, commit: Commit, steps: int, text: str) -> Commit:
    for _ in range(steps):
        if not commit.parents:
            raise RevisionNotFound(f"{text!r} goes back past the first commit.")
        commit = commits.read(txn, commit.parents[0])
    return commit


def _turn(txn: ReadTxn, commit: Commit, turn: int, text: str) -> Commit:
    for candidate in commits.history(txn, commit):
        if candidate.turn == turn:
            return candidate
        if candidate.turn < turn:
            break
    raise RevisionNotFound(f"{text!r} names turn {turn}; the session has turns 0 to {commit.turn}.")
