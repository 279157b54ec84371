"""A visitor of the server that is soaked: seeded random requests, each with the refusals that its sender must expect."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import quote

import httpx

from ._corpus import text
from ._soak_server import SoakServer

SHARED = tuple(f"shared-{number}" for number in range(3))
MOST = 5
"""Sessions that a visitor has of its own; with more it deletes one."""

JOB = 240.0
BUSY = frozenset({"session_busy"})
RACED = frozenset({"session_busy", "session_not_found", "revision_not_found", "ref_changed", "session_exists", "not_found"})
"""What may come where other visitors use the same session."""

LESSONS = ("My sister's name is {}.", "I live in {}.", "My cat is called {}.", "I work as a {}.")
NAMES = ("Ada", "Bruno", "Cleo", "Dmitri", "Esme", "Farid", "Greta", "Hugo")


class Wrong(Exception):
    """An answer that the visitor's request does not deserve."""


class Lost(Exception):
    """The server was brought down while it answered."""


@dataclass
class Findings:
    """What went wrong, and counts of all that was done, from several threads."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sentence: str) -> None:
        with self.lock:
            self.wrong.append(sentence)

    def count(self, kind: str) -> None:
        with self.lock:
            self.counts[kind] += 1

    def fresh(self, kinds: Collection[str]) -> list[str]:
        """Those that were not done yet."""
        with self.lock:
            return [kind for kind in kinds if not self.counts[kind]]

    def status(self, status: int, code: str) -> None:
        with self.lock:
            self.statuses[f"{status} {code}".strip()] += 1


class Visitor:
    """Has sessions to which nobody else writes, and knows where each must stand at least; others it shares."""

    def __init__(self, number: int, seed: int, server: SoakServer, findings: Findings) -> None:
        self.name = f"v{number}"
        self.draw = random.Random(f"{seed} {number}")
        self.server, self.findings = server, findings
        self.own: dict[str, str] = {}
        self.unsure: set[str] = set()
        self.made = 0
        self.life, self.looked = 0, 0
        self.step = ""
        self.http = server.client()
        self.verbs = {name: weight for name, weight in WEIGHTS.items() if weight}

    def run(self, done: Callable[[], bool]) -> None:
        try:
            while not done():
                self.once()
        except BaseException as error:
            self.findings.add(f"{self.name} {self.step}: {type(error).__name__}: {error}")
            raise
        finally:
            self.http.close()

    def once(self) -> None:
        """One request, or a few that belong together; what goes wrong is noted."""
        self.life = self.server.wait()
        try:
            if self.looked != self.life:
                self.look_again()
                self.looked = self.life
            kind = self._next()
            self.step = kind
            getattr(self, f"do_{kind}")()
            self.findings.count(kind)
        except Lost:
            self.findings.count("lost with the server")
        except Wrong as error:
            self.findings.add(f"{self.name} {self.step}: {error}")

    def _next(self) -> str:
        if len(self.own) > MOST:
            return "delete"
        if len(self.own) < 2:
            return "talk_anew"
        # What nobody has done yet comes first, so that a short run does all of it too.
        fresh = self.findings.fresh(self.verbs)
        return self.draw.choice(fresh) if fresh else self.draw.choices(list(self.verbs), list(self.verbs.values()))[0]

    # Requests

    def ask(
        self, method: str, path: str, *, ok: Collection[int] = (200,), but: Collection[str] = (), **options: Any
    ) -> httpx.Response:
        """The answer, which has one of these statuses, or is refused for one of these reasons."""
        try:
            response = self.http.request(method, path, **options)
        except httpx.TransportError as error:
            self._lost(error)
        return self._fitting(response, f"{method} {path}", ok, but)

    def _fitting(self, response: httpx.Response, what: str, ok: Collection[int], but: Collection[str]) -> httpx.Response:
        code = _code(response)
        self.findings.status(response.status_code, code)
        if response.status_code in ok or (400 <= response.status_code < 500 and code in but):
            return response
        if code == "unavailable" and self.life != self.server.life:
            raise Lost
        raise Wrong(f"{what} gave {response.status_code} {response.text[:400]}")

    def _lost(self, error: httpx.TransportError) -> NoReturn:
        if self.life == self.server.life:
            raise Wrong(f"connection failed while the server was up: {type(error).__name__}: {error}") from error
        raise Lost from error

    def patiently(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The same; as long as the session is busy with something that was begun before it is asked again."""
        deadline = time.monotonic() + JOB
        options["but"] = {*options.get("but", ()), *BUSY}
        while _code(response := self.ask(method, path, **options)) in BUSY:
            if time.monotonic() > deadline:
                raise Wrong(f"{method} {path} stayed busy for {JOB:.0f} s")
            time.sleep(0.05)
        return response

    def job(self, response: httpx.Response) -> dict[str, Any]:
        """How a job ended."""
        deadline = time.monotonic() + JOB
        while True:
            found: dict[str, Any] = self.ask("GET", response.headers["Location"]).json()
            if found["status"] not in ("queued", "running"):
                return found
            if time.monotonic() > deadline:
                raise Wrong(f"job {found['kind']} did not end in {JOB:.0f} s: {found}")
            time.sleep(0.05)

    def finished(self, response: httpx.Response) -> dict[str, Any]:
        """The result of a job, which must not have failed."""
        found = self.job(response)
        if found["status"] != "completed":
            raise Wrong(f"job {found['kind']} ended so: {found['status']} {found['error']}")
        result: dict[str, Any] = found["result"]
        return result

    # What it knows of its own sessions

    def look_again(self) -> None:
        """After the server was away: everything that was acknowledged must be there."""
        for name, head in list(self.own.items()):
            ids = self.commits(name, but={"session_not_found"})
            if name in self.unsure:
                self.own.pop(name) if not ids else self.own.update({name: ids[0]})
            elif head not in ids:
                self.own.pop(name)
                self.findings.add(f"{self.name}: {name} lost commit {head} when the server went down; it has {ids[:3]}")
            else:
                self.own[name] = ids[0]
        self.unsure.clear()
        self.findings.count("looked again")

    def commits(self, name: str, but: Collection[str] = ()) -> list[str]:
        response = self.ask("GET", f"{at(name)}/commits", params={"limit": 1000}, but=but)
        return [item["id"] for item in response.json().get("data", [])]

    def some(self) -> str:
        return self.draw.choice(sorted(self.own))

    def fresh(self) -> str:
        self.made += 1
        return f"{self.name}-{self.made}"

    def learn_head(self, name: str) -> None:
        self.own[name] = self.ask("GET", at(name)).json()["head"]

    # Talk

    def words(self) -> str:
        if self.draw.random() < 0.25:
            return self.draw.choice(LESSONS).format(self.draw.choice(NAMES))
        return text(self.draw.choice((3, 8, 20, 60)), self.draw.randrange(1000))

    def body(self, said: str, **more: Any) -> dict[str, Any]:
        number = self.draw.randint(1, 16)
        drawn = {"temperature": self.draw.choice((0.0, 0.9)), "seed": self.draw.randrange(100)}
        return {"messages": [{"role": "user", "content": said}], "max_tokens": number, **drawn, **more}

    def talk(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.patiently("POST", CHAT, json=body, headers={"X-Session-ID": name}).json()
        memory: dict[str, Any] = answer["memory"]
        self.own[memory["session"]] = memory["commit"]
        return memory

    def do_talk(self) -> None:
        self.talk(self.some(), self.body(self.words()))

    def do_talk_anew(self) -> None:
        self.talk(self.fresh(), self.body(self.words()))

    def do_talk_shared(self) -> None:
        self.ask("POST", CHAT, json=self.body(self.words()), headers={"X-Session-ID": self.draw.choice(SHARED)}, but=RACED)

    def do_talk_nowhere(self) -> None:
        self.ask("POST", CHAT, json=self.body(self.words()))

    def do_stream(self) -> None:
        self._stream(self.some(), pieces=10_000)

    def do_cut(self) -> None:
        """Go away in the middle of an answer; what was known before it must stay."""
        self._stream(self.some(), pieces=self.draw.randint(0, 6))

    def _stream(self, name: str, pieces: int) -> None:
        body = self.body(self.words(), stream=True, max_completion_tokens=self.draw.randint(4, 32))
        deadline = time.monotonic() + JOB
        while not self._streamed(name, body, pieces):
            if time.monotonic() > deadline:
                raise Wrong(f"{name} stayed busy for {JOB:.0f} s")
            time.sleep(0.05)

    def _streamed(self, name: str, body: dict[str, Any], pieces: int) -> bool:
        try:
            with self.http.stream("POST", CHAT, json=body, headers={"X-Session-ID": name}) as response:
                if response.status_code != 200:
                    response.read()
                    self._fitting(response, "POST a stream", (), BUSY)
                    return False
                self.findings.status(200, "")
                self._listen(name, response, pieces)
        except httpx.TransportError as error:
            self._lost(error)
        return True

    def _listen(self, name: str, response: httpx.Response, pieces: int) -> None:
        ended = False
        for number, line in enumerate(line for line in response.iter_lines() if line.startswith("data: ")):
            if number >= pieces:
                return
            if line == "data: [DONE]":
                ended = True
                continue
            frame = json.loads(line[6:])
            if "error" in frame:
                raise Wrong(f"a stream told of an error: {frame['error']}")
            if (commit := (frame.get("memory") or {}).get("commit")) is not None:
                self.own[name] = commit
        if not ended and self.life == self.server.life:
            raise Wrong("a stream ended without its last event")

    def do_diverge(self) -> None:
        """Say the history again, altered at its end: the answer goes to a fork, or the session is rewound."""
        name = self.some()
        told = self.ask("GET", f"{at(name)}/messages", params={"limit": 1000}).json()["data"]
        messages = [{"role": each["role"], "content": each["content"]} for each in told if each["content"].strip()]
        while messages and messages[-1]["role"] != "user":
            messages.pop()
        messages[-1:] = [{"role": "user", "content": self.words()}]
        choice = self.draw.choice(("fork", "rewind"))
        memory = {"session": name, "input": "history", "on_divergence": choice}
        self.unsure.add(name)
        answer = self.patiently("POST", CHAT, json={**self.body(""), "messages": messages, "memory": memory}, but=TOO_LONG)
        self.unsure.discard(name)
        if answer.status_code == 200:
            went = answer.json()["memory"]
            self.own[went["session"]] = went["commit"]

    def do_respond(self) -> None:
        """A response in a session, another after it, and perhaps the last one taken back."""
        name = self.some()
        asked = {"input": self.words(), "max_output_tokens": 16}
        first = self.patiently("POST", "/v1/responses", json={**asked, "conversation": name}).json()
        then = {**asked, "previous_response_id": first["id"]}
        second = self.patiently("POST", "/v1/responses", json=then).json()
        self.ask("GET", f"/v1/responses/{second['id']}")
        if self.draw.random() < 0.5:
            self.unsure.add(name)
            self.patiently("DELETE", f"/v1/responses/{second['id']}", but={"response_in_use"})
            self.unsure.discard(name)
        self.learn_head(name)

    def do_complete(self) -> None:
        self.ask("POST", "/v1/completions", json={"prompt": self.words(), "max_tokens": self.draw.randint(1, 12)})

    # History

    def do_fork(self) -> None:
        name, fork = self.some(), self.fresh()
        there = {"at": self.draw.choice(self.commits(name))} if self.draw.random() < 0.5 else {}
        self.own[fork] = self.ask("POST", f"{at(name)}/fork", ok=(201,), json={"name": fork, **there}).json()["head"]

    def do_fork_shared(self) -> None:
        fork = self.fresh()
        path = f"{at(self.draw.choice(SHARED))}/fork"
        if (made := self.ask("POST", path, ok=(201,), json={"name": fork}, but=RACED)).status_code == 201:
            self.own[fork] = made.json()["head"]

    def do_delete(self) -> None:
        name = self.some()
        self.unsure.add(name)
        self.patiently("DELETE", at(name))
        self.own.pop(name)
        self.unsure.discard(name)

    def do_delete_shared(self) -> None:
        self.ask("DELETE", at(self.draw.choice(SHARED)), but=RACED)

    def do_reset(self) -> None:
        name = self.some()
        self.unsure.add(name)
        self.patiently("POST", f"{at(name)}/reset", json={"to": self.draw.choice(self.commits(name))})
        self.learn_head(name)
        self.unsure.discard(name)

    def do_tag(self) -> None:
        name, tag = self.some(), f"{self.name}-tag"
        path = f"{at(name)}/tags/{tag}"
        made = self.ask("PUT", path, ok=(200, 201), but={"conflict", "session_exists", "tag_exists"})
        if made.status_code < 300:
            self.ask("DELETE", path)

    def do_merge(self) -> None:
        ours, theirs = self.some(), self.some()
        wanted = {"from": theirs, "prefer": "ours"}
        done = self.patiently("POST", f"{at(ours)}/merge", ok=(200, 201), json=wanted, but=UNMERGED)
        if done.status_code < 300:
            self.learn_head(ours)

    def do_carry(self) -> None:
        """Give a session out, and take it in under another name; a bundle that is cut short is refused."""
        bundle = self.ask("GET", f"{at(self.some())}/export").content
        name = self.fresh()
        whole = self.ask("POST", IMPORT, ok=(201,), params={"name": name}, content=bundle)
        self.own[name] = whole.json()["head"]
        short = bundle[: self.draw.randrange(len(bundle))]
        refused = self.ask("POST", IMPORT, ok=(422,), params={"name": self.fresh()}, content=short)
        if _code(refused) != "malformed_bundle":
            raise Wrong(f"a bundle cut short was refused otherwise: {refused.text[:300]}")

    # Memory

    def do_ingest(self) -> None:
        name, lines = self.some(), self.draw.choice((3, 12, 40))
        told = " ".join(f"Line {n} tells of {text(6, self.draw.randrange(1000))}." for n in range(lines))
        self.patiently("POST", f"{at(name)}/ingest", json={"text": told, "name": f"doc {self.draw.randrange(50)}"})
        self.learn_head(name)

    def do_search(self) -> None:
        self.ask("POST", "/v1/memory/search", json={"query": self.words(), "explain": self.draw.random() < 0.3})

    def do_change_memory(self) -> None:
        """Pin, edit or forget something that a session remembers."""
        name = self.some()
        held = self.ask("GET", f"{at(name)}/memory/episodic").json()["data"]
        if not held:
            return
        path, which = f"/v1/memory/{self.draw.choice(held)['id']}", {"session": name}
        kind = self.draw.randrange(3)
        changes = ({"pinned": True}, {"text": text(4, self.draw.randrange(1000))})
        if kind == 2:
            self.patiently("DELETE", path, params=which)
        else:
            self.patiently("PATCH", path, params=which, json=changes[kind])
        self.learn_head(name)

    def do_consolidate(self) -> None:
        """By the writer that trains nothing; a random model keeps few facts, which is no mistake."""
        name = self.some()
        self.talk(name, self.body(self.draw.choice(LESSONS).format(self.draw.choice(NAMES))))
        self.finished(self.patiently("POST", f"{at(name)}/consolidate", ok=(202,), json={"writer": "delta"}))
        self.learn_head(name)

    # Upkeep

    def do_verify(self) -> None:
        name = self.some()
        wanted = {"hashes_only": self.draw.random() < 0.5}
        result = self.finished(self.patiently("POST", f"{at(name)}/verify", ok=(202,), json=wanted))
        if not result["ok"]:
            raise Wrong(f"{name} is not sound: {result['problems']}")

    def do_gc(self) -> None:
        self.finished(self.ask("POST", "/v1/gc", ok=(202,), json={"expire_days": 0}))

    def do_load(self) -> None:
        name = self.some()
        self.patiently("POST", f"{at(name)}/{self.draw.choice(('load', 'unload'))}")

    def do_look(self) -> None:
        name = self.some()
        own = [f"{at(name)}{each}" for each in LOOKS]
        self.ask("GET", self.draw.choice([*own, *PLACES]))

    def do_events(self) -> None:
        """Listen for a moment, and go away without a word."""
        try:
            with self.http.stream("GET", "/v1/events", headers={"Last-Event-ID": "1"}) as response:
                for number, _ in enumerate(response.iter_lines()):
                    if number > 20:
                        return
        except httpx.TransportError as error:
            self._lost(error)

    def do_tidy(self) -> None:
        """Remove what requests have made under names of their own."""
        mine = [name for name in self._listed() if name.startswith((f"{self.name}-", "resp-")) and name not in self.own]
        for name in mine[:5]:
            self.ask("DELETE", at(name), but=RACED)

    def _listed(self) -> list[str]:
        return [item["id"] for item in self.ask("GET", "/v1/sessions", params={"limit": 100}).json()["data"]]

    def do_rubbish(self) -> None:
        """What no client should send is refused as the client's mistake."""
        method, path, options = self.draw.choice(RUBBISH)
        self.ask(method, path.format(name=quote(self.some())), ok=range(400, 500), **options)


CHAT = "/v1/chat/completions"
IMPORT = "/v1/sessions/import"
TOO_LONG = {"context_length_exceeded", "history_diverged"}
UNMERGED = {"merge_conflict", "conflict", "recipe_mismatch"}
LOOKS = ("", "/messages", "/commits", "/memory", "/memory/working", "/memory/summary", "/memory/fast-weights", "/branches")
PLACES = ("/v1/sessions", "/v1/ps", "/v1/stats", "/metrics", "/health", "/health/ready", "/v1/models", "/version")
RUBBISH: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", CHAT, {"content": b"{"}),
    ("POST", CHAT, {"content": b"\xff\xfe"}),
    ("POST", CHAT, {"json": {"messages": []}}),
    ("POST", CHAT, {"json": {"messages": [{"role": "user", "content": "x"}], "temperature": 99}}),
    ("POST", CHAT, {"json": {"messages": [{"role": "user", "content": "x"}]}, "headers": {"X-Session-ID": "../etc"}}),
    ("POST", CHAT, {"content": b'{"messages": [{"role": "user", "content": "\\ud800"}]}'}),
    ("POST", "/v1/sessions/{name}/fork", {"json": {"name": "a/b"}}),
    ("POST", "/v1/sessions/{name}/reset", {"json": {"to": "deadbeefdeadbeef"}}),
    ("GET", "/v1/sessions/{name}/memory", {"params": {"at": "\x00"}}),
    ("GET", "/v1/commits/zz", {}),
    ("POST", IMPORT, {"content": b"no bundle"}),
    ("POST", "/v1/memory/search", {"json": {"query": " "}}),
    ("DELETE", "/v1/sessions/nobody", {}),
    ("GET", "/v1/jobs/nothing", {}),
    ("BREW", "/v1/sessions", {}),
)
WEIGHTS = {
    "talk": 14,
    "talk_anew": 2,
    "talk_shared": 4,
    "talk_nowhere": 2,
    "stream": 6,
    "cut": 6,
    "diverge": 3,
    "respond": 3,
    "complete": 2,
    "fork": 4,
    "fork_shared": 2,
    "delete": 2,
    "delete_shared": 1,
    "reset": 2,
    "tag": 1,
    "merge": 2,
    "carry": 2,
    "ingest": 4,
    "search": 5,
    "change_memory": 3,
    "consolidate": 2,
    "verify": 2,
    "gc": 1,
    "load": 3,
    "look": 8,
    "events": 1,
    "tidy": 2,
    "rubbish": 4,
}
"""How often each thing is done, against the others."""


def at(name: str) -> str:
    return f"/v1/sessions/{quote(name, safe='')}"


def _code(response: httpx.Response) -> str:
    if response.status_code < 400:
        return ""
    try:
        return str(response.json().get("code", ""))
    except (ValueError, AttributeError):
        return "not a problem"
