"""Two tenants behind one server: acme, who has something of everything, and globex, who has nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from perdure.api.access.audit import Audit
from perdure.api.access.keyring import Keyring
from perdure.api.http import HttpSettings
from perdure.memory import Repository, amending
from perdure.runtime import Runtime
from perdure.testing.records import record

from .http_server import WAIT, Api, serving
from .records import PANGOLIN
from .remembering import ASK, FACT, FILLER, taught

SECRETS = (FACT, "pangolin", "Biscuit", FILLER[:20])
STORY = "Once upon a time a lighthouse stood on a rock, and a keeper lived in it with his cat. " * 8


class House(NamedTuple):
    """A server whose clients are named for their keys, and what stands behind it."""

    api: Api
    root: Path
    keyring: Keyring
    audit: Audit
    tokens: dict[str, str]

    def client(self, name: str) -> httpx.Client:
        """To be closed by whoever asked."""
        headers = {"Authorization": f"Bearer {self.tokens[name]}"}
        return httpx.Client(base_url=self.api.base_url, headers=headers, timeout=WAIT)


@contextmanager
def house(runtime: Runtime, settings: HttpSettings | None = None, **keys: tuple[str, str]) -> Iterator[House]:
    """A server over a runtime with these keys: name=(tenant, scope)."""
    root = runtime.repository.path
    keyring = Keyring(root)
    tokens = {name: keyring.create(name, tenant, (scope,)).token for name, (tenant, scope) in keys.items()}
    with serving(runtime, settings) as api:
        yield House(api, root, keyring, Audit(root), tokens)
    keyring.close()


def furnish(runtime: Runtime, tenant: str) -> None:
    """Give a tenant a conversation that remembers something, and a fact in fast weights."""
    with runtime.over(Repository.open(runtime.repository.path / "tenants" / tenant, salted=True)) as own:
        alice = taught(own.session("alice"))
        alice.chat(ASK, max_tokens=4, temperature=0.0)
        alice.close()
        amending.teach(own.repository, "alice", [record(PANGOLIN, time_ms=2)], title="teach")


def chat(client: httpx.Client, text: str, session: str = "alice", **headers: str) -> httpx.Response:
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": 2}
    return client.post("/v1/chat/completions", json=body, headers={"X-Session-ID": session, **headers})


def ended(client: httpx.Client, job: str) -> dict[str, Any]:
    """A job once it has ended."""
    deadline = time.monotonic() + WAIT
    while (body := client.get(f"/v1/jobs/{job}").json())["status"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found: dict[str, Any] = body
    return found
