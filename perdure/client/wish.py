"""What a call asks of the server and how its answer is read: everything about a verb but the sending."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload
from urllib.parse import quote

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Wish(Generic[T]):
    """One request, before it has a connection.

    `place` fills the names in the operation's path, `files` are (name, content) each.
    """

    read: Callable[[Any], T]
    place: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    files: Sequence[tuple[str, bytes]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A wish and where it goes."""

    method: str
    path: str
    wish: Wish[T]

    @property
    def query(self) -> dict[str, Any]:
        return {name: _plain(value) for name, value in self.wish.query.items() if value is not None}


class Sends(Protocol):
    """A part of a client that waits for answers."""

    def _send(self, call: Call[T]) -> T: ...


class SendsAsync(Protocol):
    """A part of a client that is awaited."""

    def _send_async(self, call: Call[T]) -> Awaitable[T]: ...


class Verb(Generic[P, T]):
    """An operation of the server as a method, of both clients: called on one it sends, called on the other it is awaited.

    A POST that is done `once` gets a key, under which the server does it once however often it is sent.
    """

    def __init__(self, operation: str, build: Callable[P, Wish[T]], *, once: bool = True) -> None:
        self.operation = operation
        self.build = build
        self.once = once
        self.__doc__ = build.__doc__

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """What is to be sent."""
        method, template = self.operation.split(" ", 1)
        wish = self.build(*args, **kwargs)
        if method == "POST" and self.once:
            wish = replace(wish, headers={"Idempotency-Key": uuid.uuid4().hex, **wish.headers})
        place = {name: quote(value, safe="") for name, value in wish.place.items()}
        return Call(method, template.format_map(place), wish)

    @overload
    def __get__(self, part: None, owner: type) -> Verb[P, T]: ...

    @overload
    def __get__(self, part: Sends, owner: type) -> Callable[P, T]: ...

    @overload
    def __get__(self, part: SendsAsync, owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, part: Any, owner: type) -> Any:
        if part is None:
            return self
        send = part._send if hasattr(part, "_send") else part._send_async

        def method(*args: P.args, **kwargs: P.kwargs) -> Any:
            return send(self.call(*args, **kwargs))

        method.__doc__ = self.__doc__
        return method


def given(**values: Any) -> dict[str, Any]:
    """The values that were given; None stands for those that were not."""
    return {name: value for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value
