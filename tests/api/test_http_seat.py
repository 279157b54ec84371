"""Whatever a client that resends its history does with it, the store ends up with that history, and loses nothing."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perdure.api.http.schemas import ChatRequest
from perdure.api.http.seat import Seating, Target
from perdure.api.http.warm import WarmSessions
from perdure.errors import SessionBusy

from .fakes import FakeRuntime
from .http_server import serving

NAME = "alice"
TEXTS = st.sampled_from(["yes", "no", "tell me more"])


class Client(RuleBasedStateMachine):
    """A chat window over one session: it continues, regenerates, edits and fires background requests."""

    def __init__(self) -> None:
        super().__init__()
        self.runtime = FakeRuntime()
        self.warm = WarmSessions(self.runtime, 2)
        self.history: list[dict[str, str]] = []
        self.answers = 0
        self.commits: set[str] = set()

    @rule(text=TEXTS)
    def go_on(self, text: str) -> None:
        self.ask([*self.history, {"role": "user", "content": text}])

    @rule(back=st.integers(0, 3))
    def regenerate(self, back: int) -> None:
        questions = [n for n, message in enumerate(self.history) if message["role"] == "user"]
        if questions:
            self.ask(self.history[: questions[-1 - min(back, len(questions) - 1)] + 1])

    @rule(back=st.integers(1, 3), text=TEXTS)
    def edit(self, back: int, text: str) -> None:
        questions = [n for n, message in enumerate(self.history) if message["role"] == "user"]
        if len(questions) > back:
            self.ask([*self.history[: questions[-back]], {"role": "user", "content": text}])

    @rule()
    def make_a_title(self) -> None:
        if self.history:
            before = {info.name: info.head for info in self.runtime.sessions()}
            task = [{"role": "system", "content": "title"}, {"role": "user", "content": "name this chat"}]
            assert self.send(task)[0] is None
            assert before == {info.name: info.head for info in self.runtime.sessions()}

    def ask(self, messages: list[dict[str, str]]) -> None:
        name, answer = self.send(messages)
        self.history = [*messages, {"role": "assistant", "content": answer}]
        assert name is not None
        assert self.runtime.talk(name) == [(m["role"], m["content"]) for m in self.history]

    def send(self, messages: list[dict[str, str]]) -> tuple[str | None, str]:
        self.answers += 1
        self.runtime.answer = lambda _: iter([f"answer {self.answers}"])
        body = ChatRequest.model_validate({"messages": messages})
        self.warm.reserve(NAME)
        with Seating(self.runtime, self.warm, body, Target(NAME, create=True, resends=True)).taken() as seat:
            stream = seat.session.stream(seat.messages)
            list(stream)
        return seat.name, stream.text

    @invariant()
    def nothing_is_lost(self) -> None:
        reachable = {c.hex for info in self.runtime.sessions() for c in self.runtime.repository.log(info.name)}
        assert self.commits <= reachable
        self.commits = reachable

    @invariant()
    def nobody_is_left_holding_a_session(self) -> None:
        for info in self.runtime.sessions():
            self.warm.reserve(info.name)
            self.warm.discard(info.name)
            assert self.runtime.repository.branch(info.name).writer is None


TestResendingClient = Client.TestCase
TestResendingClient.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


def test_a_reserved_name_is_busy_until_it_is_given_back() -> None:
    runtime = FakeRuntime()
    warm = WarmSessions(runtime, 1)
    warm.reserve("a")
    with pytest.raises(SessionBusy):
        warm.reserve("a")
    warm.give_back("a", warm.open("a", create=True))
    warm.reserve("a")
    assert warm.open("a", create=False) is not None
    assert runtime.opened == ["a"]


def test_a_fork_takes_the_next_free_name() -> None:
    runtime = FakeRuntime()
    runtime.say(NAME, "one")
    runtime.say("alice-fork-1", "something else")
    warm = WarmSessions(runtime, 4)
    warm.reserve("alice-fork-2")
    warm.reserve(NAME)
    body = ChatRequest.model_validate({"messages": [{"role": "user", "content": "one"}]})
    with Seating(runtime, warm, body, Target(NAME, resends=True)).taken() as seat:
        assert (seat.name, seat.reconciled) == ("alice-fork-3", "forked")
    assert warm.names() == [NAME, "alice-fork-3"]


def test_a_title_that_is_asked_for_beside_the_first_answer_is_no_part_of_the_chat() -> None:
    """As Open WebUI does it: under the chat's id, and before the chat itself is answered."""
    runtime, chat = FakeRuntime(), {"X-OpenWebUI-Chat-Id": "chat"}
    task = "### Task:\nGenerate a title.\n### Chat History:\n<chat_history>\nUSER: hello\n</chat_history>"
    with serving(runtime) as api:
        title = api.chat(task, headers=chat).json()["memory"]
        assert (title["session"], title["reconciled"]) == (None, "stateless")
        assert api.chat("hello", headers=chat).json()["memory"]["session"] == "chat"
        assert api.chat(task, headers={"X-Session-ID": "mine"}).json()["memory"]["session"] == "mine"
    assert [content for role, content in runtime.talk("chat") if role == "user"] == ["hello"]
