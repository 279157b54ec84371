"""Running the application on a socket."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.server import HANDLED_SIGNALS

from ...errors import InvalidInput
from ...memory.repository import Repository
from ..access.keyring import Keyring
from .app import create_app
from .ports import RuntimePort
from .settings import HttpSettings
from .trimming import trimming

GRACE_AFTER_CANCEL = 10
LOOK_S = 0.02
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


def serve(
    runtime: RuntimePort,
    host: str = "127.0.0.1",
    port: int = 8400,
    *,
    insecure: bool = False,
    settings: HttpSettings | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM, then return: answers get a few seconds to end, are cut and committed after that, and
    new requests are told to come back. A second signal ends the process at once; what was streamed is in the journals.

    `started` is called with the URL once connections are accepted; port 0 takes a free one. Without keys there is no
    authentication, so an address that other machines reach is refused then unless `insecure`; on a loopback address only
    requests for a loopback Host are answered, so that a web page cannot reach the server through a name of its own.
    """
    settings = guarded(settings or HttpSettings(), host, insecure or keyed(runtime))
    with listen(host, port) as listener, trimming():
        app = create_app(runtime, settings=settings)
        server = Server(app, settings.grace_seconds)
        server.on_start = lambda: started(url(host, listener)) if started is not None else None
        try:
            server.run([listener])
        finally:
            app.state.tenants.close()


def guarded(settings: HttpSettings, host: str, guarded_otherwise: bool) -> HttpSettings:
    """The settings with the Host names that `host` calls for; raises where others would get in."""
    if is_loopback(host):
        names = tuple(dict.fromkeys((*LOOPBACK_HOSTS, host.lower())))
        return settings if settings.allowed_hosts else replace(settings, allowed_hosts=names)
    if guarded_otherwise:
        return settings
    raise InvalidInput(
        f"Serving on {host} would let other machines read and change every session, since there is no authentication "
        "without keys; make one with `perdure keys create`, use 127.0.0.1, or pass --insecure if the network is trusted."
    )


def keyed(runtime: RuntimePort) -> bool:
    """Whether the runtime's store has keys, so that nobody comes in without one."""
    store = runtime.repository
    if not isinstance(store, Repository):
        return False
    keyring = Keyring(store.path)
    try:
        return keyring.keyed
    finally:
        keyring.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address; of names, localhost alone is trusted."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A bound, listening socket. What it accepts sends each piece at once: asyncio sees to that only for sockets that are
    said to be TCP, and otherwise an answer's body waits for 40 ms until the client has acknowledged its headers.
    """
    if not 0 <= port <= 65535:
        raise InvalidInput(f"The port is {port}; give a number from 0 to 65535.")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise InvalidInput(f"Port {port} of {host} cannot be opened: {error.strerror}; choose another.") from error
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url(host: str, listener: socket.socket) -> str:
    """Where a browser on this machine finds the listener."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


class Server(uvicorn.Server):
    """uvicorn, except that a signal ends it without being raised again: the caller still has a runtime to close."""

    def __init__(self, app: FastAPI, grace_seconds: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                ws="websockets-sansio" if app.state.tenants.default.settings.inspector else "none",
                # The same everywhere, whatever faster ones are installed: what rubbish gets is tested with these.
                loop="asyncio",
                http="h11",
                lifespan="on",
                timeout_graceful_shutdown=grace_seconds + GRACE_AFTER_CANCEL,
            )
        )
        self._tenants = app.state.tenants
        self._grace_seconds = grace_seconds
        self.on_start: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cut the answers that outlast the grace period, so that their clients get a proper end.

        Until they have ended connections are still taken, and new requests refused by name.
        """
        self._tenants.refuse()
        self._tenants.silence()
        timer = asyncio.get_running_loop().call_later(self._grace_seconds, self._tenants.cancel)
        try:
            await self._drained(self._grace_seconds + GRACE_AFTER_CANCEL)
            await super().shutdown(sockets)
        finally:
            timer.cancel()

    async def _drained(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._tenants.under_way and not self.force_exit and time.monotonic() < until:
            await asyncio.sleep(LOOK_S)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal asks for an orderly end; a second one is one, as killing the process would be."""
        if self.should_exit:
            os._exit(128 + sig)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
