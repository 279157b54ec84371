"""Where everything on the pages is found: each thing that can be looked at has an address of its own.

Addresses are below that of the pages, as the library's links and pages want them; `whole` gives them as a browser has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from .door import PATH, SIGN_OUT, THROUGH

OVERVIEW = "/"
OUT = SIGN_OUT.removeprefix(PATH)


class Tab(NamedTuple):
    """A screen of a session: the last part of its path, what it is called, and its icon."""

    key: str
    title: str
    icon: str


TABS = (
    Tab("chat", "Chat", "chat"),
    Tab("graph", "Commits", "account_tree"),
    Tab("context", "Context", "segment"),
    Tab("blocks", "KV blocks", "grid_view"),
    Tab("states", "States", "stacked_line_chart"),
    Tab("episodes", "Episodes", "history_edu"),
    Tab("summary", "Summary", "compress"),
    Tab("weights", "Fast weights", "bolt"),
    Tab("diff", "Diff", "difference"),
)


def session(name: str, tab: str = "chat", **query: str | int | None) -> str:
    return with_query(f"/sessions/{quote(name, safe='')}/{tab}", query)


def said(name: str, turn: int) -> str:
    """Where a turn of a session's conversation stands."""
    return session(name, "chat", turn=turn)


def commit(name: str, digest: str) -> str:
    """A commit among those of a session."""
    return session(name, "graph", at=digest)


def sessions(**query: str | int | None) -> str:
    return with_query("/sessions", query)


def memories(**query: str | int | None) -> str:
    return with_query("/memories", query)


def trace(response: str, **query: str | int | None) -> str:
    """Of an answer: the id of a response, or the hash of its commit; with `session` there is a way back to that."""
    return with_query(f"/traces/{quote(response, safe='')}", query)


def transfer() -> str:
    return "/transfer"


def keys() -> str:
    return "/keys"


def export(name: str, at: str | None = None) -> str:
    """A bundle, straight from the interface."""
    return with_query(f"{THROUGH.removeprefix(PATH)}/v1/sessions/{quote(name, safe='')}/export", {"at": at})


def ingest(name: str) -> str:
    """Where documents for a session's memory are sent to."""
    return f"{THROUGH.removeprefix(PATH)}/v1/sessions/{quote(name, safe='')}/ingest"


def taking_in(name: str | None = None) -> str:
    """Where a bundle is sent to."""
    return with_query(f"{THROUGH.removeprefix(PATH)}/v1/sessions/import", {"name": name})


def whole(address: str) -> str:
    return PATH + address


def with_query(path: str, query: Mapping[str, str | int | None]) -> str:
    """An address that says more after a question mark; what is None or empty is left out."""
    kept = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path
