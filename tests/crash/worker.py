"""A zygote that loads a tiny model once and forks a child for every job: working, examining or mending a store.

It reads jobs as JSON lines and answers each with ``{"pid": n}`` when the child runs and ``{"status": n}`` when it is gone.
The zygote makes no forward pass itself and stays single-threaded, so that its children can use torch.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from perdure.config import MemoryOptions, Sampling
from perdure.errors import PerdureError
from perdure.memory.repository import Repository
from perdure.memory.tokenlog import tokens
from perdure.runtime.models import LoadedModel
from perdure.runtime.runtime import Runtime, load_model
from perdure.runtime.session import Session
from perdure.stores import faults
from perdure.testing.encoder import HashedWords

PROMPTS = (
    "Hello.",
    "And then?",
    "The lighthouse keeper wrote down every ship that passed, its colour and its course.",
    "Tell me more about the harbour, the ships and the weather of that winter. " * 4,
)

VISITOR = "visitor"

Report = Callable[..., None]


MEMORY = MemoryOptions(window=64, block=64, sinks=4, summary=16, recall_tokens=64)
"""So small that sessions outgrow it, and are killed while they evict, archive and recall."""


def runtime(loaded: LoadedModel, store: Path) -> Runtime:
    repository = Repository.open(store)
    try:
        sampling = Sampling(max_tokens=6, temperature=0.9)
        return Runtime(loaded, repository, sampling, threads=1, memory=MEMORY, encoder=HashedWords)
    except BaseException:
        repository.close()
        raise


class Script:
    """A seeded life of a store. `say` notes what is about to be done ("try") and what was acknowledged."""

    def __init__(self, rt: Runtime, rng: random.Random, say: Report, folder: Path) -> None:
        self._rt = rt
        self._rng = rng
        self._say = say
        self._folder = folder
        self._open: dict[str, Session] = {}

    def run(self, steps: int) -> None:
        for name in ("alice", "bob"):
            self._session(name)
        for step in range(steps):
            self._step(step)

    def _step(self, step: int) -> None:
        weights = {"chat": 8, "fork": 3, "undo": 2, "reset": 1, "tag": 2, "remove": 1, "gc": 1, "export": 1, "ephemeral": 1}
        what = self._rng.choices(list(weights), list(weights.values()))[0]
        getattr(self, f"_{what}")(step)

    def _session(self, name: str) -> Session:
        if name not in self._open:
            self._say(did="try", op="create", session=name)
            self._open[name] = self._rt.session(name)
            self._say(did="create", session=name)
        return self._open[name]

    def _any(self) -> tuple[str, Session]:
        name = self._rng.choice(sorted(info.name for info in self._rt.sessions()))
        return name, self._session(name)

    def _chat(self, step: int) -> None:
        name, session = self._any()
        if session.head.tokens > 900:
            return self._undo_to(name, session, 0)
        text = f"{step}. {self._rng.choice(PROMPTS)}"
        self._say(did="try", op="chat", session=name, text=text)
        stream = session.stream(text, max_tokens=self._rng.randint(1, 10))
        self._say(did="message", session=name, text=text)
        early = self._rng.random() < 0.15
        with stream:
            for chunk in stream:
                self._say(did="token", session=name, token=chunk.token)
                if early:
                    break
        self._say(did="end", session=name, **told(session))
        if self._rng.random() < 0.2:
            session.release()
        return None

    def _fork(self, step: int) -> None:
        if len(self._rt.sessions()) > 4:
            self._remove(step)
        name, session = self._any()
        new = f"f{step}-{self._rng.randrange(10**6)}"
        self._say(did="try", op="fork", session=name, new=new)
        self._open[new] = session.fork(new)
        self._say(did="fork", session=name, new=new)

    def _undo(self, step: int) -> None:
        name, session = self._any()
        if session.head.turn:
            self._undo_to(name, session, session.head.turn - 1)

    def _reset(self, step: int) -> None:
        name, session = self._any()
        self._undo_to(name, session, self._rng.randint(0, session.head.turn))

    def _undo_to(self, name: str, session: Session, turn: int) -> None:
        target = session.repository.resolve(f"@turn:{turn}", name)
        self._say(did="try", op="reset", session=name, messages=plain(session.repository.messages_of(target)))
        session.reset(target.hex)
        self._say(did="reset", session=name, **told(session))

    def _tag(self, step: int) -> None:
        name, session = self._any()
        tag = f"t{step}-{self._rng.randrange(10**6)}"
        self._say(did="try", op="tag", tag=tag, commit=session.head.hex)
        session.repository.tag(tag, session.head.hex, name)
        self._say(did="tag", tag=tag, commit=session.head.hex)
        tags = [found.name for found in session.repository.tags()]
        if len(tags) > 4:
            self._say(did="try", op="untag", tag=tags[0])
            session.repository.untag(tags[0])
            self._say(did="untag", tag=tags[0])

    def _remove(self, step: int) -> None:
        names = [info.name for info in self._rt.sessions() if info.name not in ("alice", "bob")]
        if not names:
            return
        name = self._rng.choice(names)
        self._session(name).close()
        del self._open[name]
        self._say(did="try", op="remove", session=name)
        self._rt.repository.remove(name)
        self._say(did="remove", session=name)

    def _gc(self, step: int) -> None:
        self._say(did="try", op="gc")
        self._rt.repository.gc(expire_days=self._rng.choice([0.0, 30.0]), compact=self._rng.random() < 0.5)

    def _export(self, step: int) -> None:
        name, _ = self._any()
        file = self._folder / f"{step}.bundle"
        self._rt.repository.export(name, file)
        if len(self._rt.sessions()) < 6:
            new = f"i{step}-{self._rng.randrange(10**6)}"
            self._say(did="try", op="fork", session=name, new=new)
            self._rt.repository.import_bundle(file, new)
            self._say(did="fork", session=name, new=new)
        file.unlink()

    def _ephemeral(self, step: int) -> None:
        self._say(did="try", op="ephemeral")
        self._rt.ephemeral().chat(self._rng.choice(PROMPTS) * 2, max_tokens=2)


def plain(messages: Any) -> list[list[str]]:
    return [[message.role, message.content] for message in messages]


def told(session: Session) -> dict[str, Any]:
    return {"messages": plain(session.messages()), "head": session.head.hex, "turn": session.head.turn}


def described(session: Session) -> dict[str, Any]:
    """All that a client could have seen of a session, and the exact state behind it."""
    head = session.head
    messages = session.messages()
    log = tokens(session.repository.runs(head))
    last = messages[-1] if messages else None
    return {
        **told(session),
        "tokens": log,
        "answer": log[last.start : last.end] if last else [],
        "logits": (head.state.logits.hex() if head.state and head.tokens else ""),
        "computed": digest(session) if head.tokens else "",
        "parents": [commit.hex for commit in session.log()],
        "notes": list(session.notes),
    }


def digest(session: Session) -> str:
    session.logits()
    boundary = session.warm.boundary
    return "" if boundary is None else boundary.digest.hex()


def work(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    if job.get("point"):
        faults.arm(job["point"], after=job.get("after", 0))
    rng = random.Random(job["seed"])
    with runtime(loaded, Path(job["store"])) as rt:
        Script(rt, rng, say, Path(job["acks"]).parent).run(job["steps"])
    say(did="done")


def examine(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    """Fsck, open every session, tell what it holds, and go on with one of them."""
    with runtime(loaded, Path(job["store"])) as rt:
        repository = rt.repository
        say(did="fsck", **fscked(repository, repair=job.get("repair", False)), notes=list(repository.notes))
        sessions = {}
        for info in repository.sessions():
            session = rt.session(info.name, create=False)
            sessions[info.name] = described(session)
            problems = repository.verify(info.name)
            if job.get("verify"):
                problems += session.verify()
            sessions[info.name]["problems"] = [problem.sentence for problem in problems]
            session.release()
        tags = {tag.name: tag.commit.hex for tag in repository.tags()}
        say(did="sessions", sessions=sessions, tags=tags)
        if job.get("chat"):
            session = rt.session(job["chat"])
            session.chat("Are you still there?", max_tokens=3)
            say(did="end", session=job["chat"], **told(session))
            say(did="fsck", **fscked(repository, repair=False))
    say(did="done")


def look(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    """Read everything as a user would who suspects nothing; what is refused is told apart from what is served."""
    with runtime(loaded, Path(job["store"])) as rt:
        for name in job["names"]:
            try:
                session = rt.session(name, create=False)
                say(did="served", session=name, state=described(session))
                session.release()
            except PerdureError as error:
                say(did="refused", session=name, error=type(error).__name__, sentence=str(error))
        for tag in rt.repository.tags():
            say(did="tag", tag=tag.name, commit=tag.commit.hex)
        try:
            for _ in range(3):
                rt.session(VISITOR).chat(PROMPTS[2], max_tokens=2)
            rt.repository.gc(expire_days=0.0)
        except PerdureError as error:
            say(did="refused", session=VISITOR, error=type(error).__name__, sentence=str(error))
    say(did="done")


def rewind(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    with runtime(loaded, Path(job["store"])) as rt:
        rt.repository.reset(job["session"], job["rev"])
        say(did="sessions", sessions={job["session"]: described(rt.session(job["session"], create=False))})
    say(did="done")


def template(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    """Two sessions, a fork, several turns, a tag and, where asked for, an answer that is cut short by a kill."""
    with runtime(loaded, Path(job["store"])) as rt:
        alice = rt.session("alice", system="You keep a lighthouse.")
        for prompt in PROMPTS:
            alice.chat(prompt, max_tokens=8)
        alice.chat("A long tale of the sea. " * 20, max_tokens=20)
        alice.repository.tag("dawn", "HEAD~2", "alice")
        bob = alice.fork("bob", "HEAD~1")
        bob.chat("You are Bob.", max_tokens=8)
        carol = rt.session("carol")
        carol.chat("Hello, I am Carol.", max_tokens=8)
        carol.undo()
        carol.chat(PROMPTS[3], max_tokens=8)
        if job.get("die"):
            stream = carol.stream("And now?", max_tokens=9)
            for number, chunk in enumerate(stream):
                say(did="token", token=chunk.token)
                if number == 4:
                    faults.arm("journal.append.written")
    say(did="done")


def fscked(repository: Repository, *, repair: bool) -> dict[str, Any]:
    report = repository.fsck(repair=repair)
    return {
        "ok": report.ok,
        "problems": [[p.subject, p.sentence, p.mended] for p in report.problems],
        "lost": list(report.lost),
    }


def mend(loaded: LoadedModel, job: dict[str, Any], say: Report) -> None:
    if job.get("point"):
        faults.arm(job["point"], after=job.get("after", 0))
    with Repository.open(Path(job["store"])) as repository:
        say(did="fsck", **fscked(repository, repair=True), notes=list(repository.notes))
    say(did="done")


JOBS: dict[str, Callable[[LoadedModel, dict[str, Any], Report], None]] = {
    "work": work,
    "examine": examine,
    "look": look,
    "mend": mend,
    "rewind": rewind,
    "template": template,
}


def child(loaded: LoadedModel, job: dict[str, Any]) -> int:
    acks = os.open(job["acks"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def say(**what: Any) -> None:
        os.write(acks, json.dumps(what).encode() + b"\n")

    try:
        JOBS[job["job"]](loaded, job, say)
    except PerdureError as error:
        say(did="refused", error=type(error).__name__, sentence=str(error), trace=traceback.format_exc())
        return 3
    except BaseException:
        say(did="failed", trace=traceback.format_exc())
        return 4
    return 0


def main(model: str) -> None:
    torch.set_num_threads(1)
    loaded = load_model(Path(model), "tiny", threads=1, cache=Path(model).parent / "cache")
    gc.freeze()  # so that collecting garbage in a child does not copy all that it shares with this process
    answer({"ready": True})
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if not pid:
            status = 5
            with contextlib.suppress(BaseException):
                status = child(loaded, job)
            os._exit(status)
        answer({"pid": pid})
        answer({"status": os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])})


def answer(what: dict[str, Any]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1])
