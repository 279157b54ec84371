"""The next turn of a long conversation after the server was killed: what each system has to do until its first token.

Starting the server is not counted, and every server has answered something else before the clock runs; what it does to get
the conversation back is counted. The clients of llama.cpp and vLLM send the conversation again; ours names the session.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._measure import Sample
from ._serve_client import Answer
from ._serve_peers import Child, Llama

WARMING = [{"role": "user", "content": "Say one word."}]
FOLLOWING = {"role": "user", "content": "And what happened after that? Tell it in a few words."}
OTHER = {"role": "user", "content": "Wait a moment."}
ANSWER = 8
SLOT = "resume.bin"


@dataclass(frozen=True)
class Conversation:
    """What was said before: the system's sentence, the long message, the answer to it."""

    told: Sequence[Mapping[str, str]]

    @property
    def whole(self) -> list[Mapping[str, str]]:
        return [*self.told, FOLLOWING]


class Ours:
    """A session of a store; each repetition goes on in a fork of its own, made before the server dies."""

    def __init__(self, child: Child, never: Sequence[int], opening: Sequence[Mapping[str, str]], answer: int) -> None:
        self.system, self._child, self._never, self._next = child.system, child, never, 0
        client = child.client(never)
        said = client.one(opening, answer, "long").text
        self.conversation = Conversation([*opening, {"role": "assistant", "content": said}])
        child.post("/v1/sessions/long/fork", {"name": "truth"})
        self._truth = client.one([FOLLOWING], ANSWER, "truth").text

    def resume(self) -> Sample:
        name = f"resumed-{self._next}"
        self._next += 1
        self._child.post("/v1/sessions/long/fork", {"name": name})
        started = _again(self._child)
        client = self._child.client(self._never)
        client.one(WARMING, 2)
        answer = client.one([FOLLOWING], ANSWER, name)
        if answer.text != self._truth:
            raise RuntimeError(f"A resumed session said {answer.text!r} and not {self._truth!r}.")
        if not (restored := answer.memory["tokens"]["restored"]):
            raise RuntimeError("A session that should have been restored was not.")
        return {**_sample(answer, started), "computed": float(answer.prompt - restored)}


class WithSlot:
    """llama-server with the slot's file: restored, then asked with the whole conversation, of which it computes the rest."""

    def __init__(self, server: Llama, never: Sequence[int], conversation: Conversation) -> None:
        self.system, self._server, self._never, self._conversation = server.system, server, never, conversation
        client = server.client(never)
        self._truth = client.one(conversation.whole, ANSWER).text
        client.one([*conversation.told, OTHER], 1)
        server.slot("save", SLOT)

    def resume(self) -> Sample:
        started = _again(self._server)
        client = self._server.client(self._never)
        client.one(WARMING, 2)
        began = time.perf_counter()
        self._server.slot("restore", SLOT)
        answer = client.one(self._conversation.whole, ANSWER)
        answer.asked = began
        _require_alike(self.system, answer.text, self._truth)
        return {**_sample(answer, started), "computed": float(answer.timings.get("prompt_n", -1))}


class Again:
    """A server that keeps nothing across its death, and computes the conversation again."""

    def __init__(self, child: Child, never: Sequence[int], conversation: Conversation) -> None:
        self.system, self._child, self._never, self._conversation = child.system, child, never, conversation
        self._truth = child.client(never).one(conversation.whole, ANSWER).text

    def resume(self) -> Sample:
        started = _again(self._child)
        client = self._child.client(self._never)
        client.one(WARMING, 2)
        answer = client.one(self._conversation.whole, ANSWER)
        _require_alike(self.system, answer.text, self._truth)
        return {**_sample(answer, started), "computed": float(answer.prompt)}


def _again(server: Any) -> float:
    server.kill()
    started: float = server.start()
    return started


def _sample(answer: Answer, started: float) -> Sample:
    return {"first_token_ms": answer.first_ms, "start_s": started}


def _require_alike(system: str, said: str, truth: str) -> None:
    """The peers compute in other groups after a restart, which may round otherwise: the first word must be the same."""
    if said.split()[:1] != truth.split()[:1]:
        raise RuntimeError(f"{system} said {said!r} after its restart, and {truth!r} before.")
