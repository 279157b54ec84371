"""Changes that are made only to what the client has seen: ETags and If-Match."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Header, Response

from ...errors import RefChanged
from ...memory.records import Commit
from .problems import PreconditionFailed

IfMatch = Annotated[str | None, Header(description="Do it only to what has this ETag, else answer 412.")]


def matches(if_match: str | None, present: str) -> bool:
    """Whether a header If-Match, where there is one, names what is present."""
    tags = [] if if_match is None else [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")]
    return not tags or "*" in tags or present in tags


def require_at(head: Commit, if_match: str | None, name: str) -> None:
    """Raises PreconditionFailed where a session is not at the commit that If-Match names."""
    if not matches(if_match, head.hex):
        raise PreconditionFailed(f"Session {name} is at {head.hex} by now; read it again.")


@contextmanager
def moved_is_failed(if_match: str | None) -> Iterator[None]:
    """What moved since it was held against If-Match failed that precondition."""
    try:
        yield
    except RefChanged as error:
        if if_match is None:
            raise
        raise PreconditionFailed(str(error)) from error


def tagged(response: Response, head: Commit) -> None:
    """Give a response the ETag of a session that is at this commit."""
    response.headers["ETag"] = f'"{head.hex}"'
