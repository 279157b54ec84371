from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.memory.records import Commit, Message
from perdure.runtime.reconcile import InputMode, Plan, boundary, closest, normalise, reconcile

ROLES = {"s": "system", "u": "user", "a": "assistant", "t": "tool"}


def talk(*items: str) -> list[Message]:
    """ "u:hello" is a user message."""
    return [Message(ROLES[item[0]], item[2:]) for item in items]


def forms(messages: Sequence[Message]) -> list[tuple[str, str]]:
    return [normalise(message) for message in messages]


def commit(messages: int) -> Commit:
    return Commit(bytes([messages]) * 32, (), b"", "turn", "stop", "", 0, 0, messages, 0, "")


TALK = talk("s:be kind", "u:hello", "a:hi there", "u:how are you", "a:very well")


@pytest.mark.parametrize(
    ("stored", "incoming", "action", "added"),
    [
        ([], ["u:hello"], "started", ["u:hello"]),
        ([], ["s:be kind", "u:hello"], "started", ["s:be kind", "u:hello"]),
        (["s:be kind"], ["u:hello"], "started", ["u:hello"]),
        (["s:be kind"], ["s:be kind", "u:hello"], "started", ["u:hello"]),
        (["u:a", "a:b"], ["u:a", "a:b", "u:c"], "extended", ["u:c"]),
        (["u:a", "a:b"], ["u:a", "a:b\r\n", "u:c", "u:d"], "extended", ["u:c", "u:d"]),
        (["s:x", "u:a", "a:b"], ["u:a", "a:b", "u:c"], "extended", ["u:c"]),
        (["u:a", "a:b"], ["s:x", "u:a", "a:b", "u:c"], "extended", ["u:c"]),
        (["u:a", "a:b"], ["u:c"], "delta", ["u:c"]),
        (["s:x", "u:a", "a:b"], ["s:x", "u:c"], "delta", ["u:c"]),
        (["u:a", "a:b"], ["t:42", "u:c"], "delta", ["t:42", "u:c"]),
        (["u:a", "a:b"], ["s:title it", "u:c"], "detached", ["s:title it", "u:c"]),
        (["s:x", "u:a", "a:b"], ["s:title it", "u:a"], "detached", ["s:title it", "u:a"]),
        (["u:a", "a:b"], ["u:Task\nUSER: a\nASSISTANT: b\nend"], "detached", ["u:Task\nUSER: a\nASSISTANT: b\nend"]),
    ],
)
def test_auto(stored: list[str], incoming: list[str], action: str, added: list[str]) -> None:
    plan = reconcile(talk(*stored), talk(*incoming))
    assert plan.action == action
    assert forms(plan.remainder(len(stored) if action != "detached" else 0)) == forms(talk(*added))


@pytest.mark.parametrize(
    ("stored", "incoming", "common", "limit"),
    [
        (["u:a", "a:b"], ["u:a"], 1, 0),
        (["u:a", "a:b", "u:c", "a:d"], ["u:a", "a:b", "u:c"], 3, 2),
        (["u:a", "a:b", "u:c", "a:d"], ["u:a", "a:b", "u:x"], 2, 2),
        (["u:a", "a:b"], ["u:x", "a:y", "u:z"], 0, 0),
        (["s:x", "u:a", "a:b"], ["s:y", "u:a", "a:b", "u:c"], 0, 0),
        (["s:x", "u:a", "a:b"], ["u:a"], 2, 1),
        (["u:a", "a:b", "u:c"], ["u:a", "a:b", "u:c"], 3, 2),
    ],
)
def test_divergence(stored: list[str], incoming: list[str], common: int, limit: int) -> None:
    plan = reconcile(talk(*stored), talk(*incoming))
    assert (plan.action, plan.common, plan.limit) == ("diverged", common, limit)


def test_a_forgotten_system_message_is_carried_into_a_fork_from_the_beginning() -> None:
    plan = reconcile(talk("s:x", "u:a", "a:b"), talk("u:a"))
    assert forms(plan.remainder(0)) == forms(talk("s:x", "u:a"))
    assert forms(plan.remainder(1)) == forms(talk("u:a"))


def test_a_client_that_resends_everything_does_not_send_new_turns_alone() -> None:
    assert reconcile(talk("u:a", "a:b"), talk("u:c"), resends=True).action == "detached"
    assert reconcile(talk("u:a", "a:b"), talk("u:a"), resends=True).action == "diverged"


def test_a_system_message_that_comes_late_is_noted() -> None:
    assert reconcile(talk("u:a", "a:b"), talk("s:x", "u:a", "a:b", "u:c")).notes


def test_delta_appends_whatever_comes() -> None:
    plan = reconcile(TALK, TALK[:2], mode="delta")
    assert (plan.action, forms(plan.remainder(len(TALK)))) == ("delta", forms(talk("u:hello")))


def test_boundary_is_the_last_commit_that_fits() -> None:
    log = [commit(6), commit(4), commit(2), commit(0)]
    assert [found and found.messages for found in (boundary(log, n) for n in (7, 5, 1))] == [6, 4, 0]
    assert boundary(log[:2], 1) is None


def test_closest_prefers_what_is_extended_then_what_has_most_in_common() -> None:
    plans = [("a", Plan("diverged", 5, ())), ("b", Plan("diverged", 7, ())), ("c", Plan("extended", 2, ()))]
    assert closest(plans)[0] == "c"
    assert closest(plans[:2])[0] == "b"
    assert closest([("a", Plan("diverged", 1, ())), ("b", Plan("diverged", 1, ()))])[0] == "a"


texts = st.text("ab \n", max_size=3)
messages = st.builds(Message, st.sampled_from(["user", "assistant", "tool"]), texts)
systems = st.lists(st.builds(Message, st.just("system"), texts), max_size=1)
conversations = st.builds(lambda system, rest: system + rest, systems, st.lists(messages, max_size=6))
questions = st.builds(
    lambda system, rest, text: [*system, *rest, Message("user", text)], systems, st.lists(messages, max_size=6), texts
)


def apply(stored: Sequence[Message], plan: Plan, kept: int) -> list[Message]:
    return [*stored[:kept], *plan.remainder(kept)]


def turns(conversation: Sequence[Message]) -> list[tuple[str, str]]:
    return [form for form in forms(conversation) if form[0] != "system"]


@given(conversations, questions, st.sampled_from(["auto", "history"]), st.booleans())
def test_a_resent_history_never_doubles(
    stored: list[Message], incoming: list[Message], mode: InputMode, resends: bool
) -> None:
    """Whatever is kept, the turns end up as the client has them."""
    plan = reconcile(stored, incoming, mode=mode, resends=resends)
    if plan.action in ("started", "extended"):
        assert turns(apply(stored, plan, len(stored))) == turns(incoming)
    if plan.action == "diverged":
        for kept in range(plan.limit + 1):
            assert turns(apply(stored, plan, kept)) == turns(incoming)
            assert plan.remainder(kept)
    if plan.action == "delta":
        assert turns(apply(stored, plan, len(stored))) == turns(stored) + turns(incoming)
        assert not any(message.role == "assistant" for message in incoming)


@given(conversations, questions, texts, questions, st.booleans())
def test_the_next_request_of_a_resending_client_extends(
    stored: list[Message], incoming: list[Message], answer: str, following: list[Message], resends: bool
) -> None:
    """Once a history went in, the same history with one more turn only adds that turn."""
    plan = reconcile(stored, incoming, mode="history")
    kept = plan.limit if plan.action == "diverged" else len(stored)
    after = [*apply(stored, plan, kept), Message("assistant", answer)]
    again = reconcile(after, [*incoming, Message("assistant", answer), following[-1]], resends=resends)
    assert again.action == "extended"
    assert forms(again.remainder(len(after))) == forms(following[-1:])


@given(conversations, questions)
def test_reconciling_twice_says_the_same(stored: list[Message], incoming: list[Message]) -> None:
    plan = reconcile(stored, incoming)
    assert reconcile(stored, incoming) == plan
    assert reconcile(stored, list(incoming), mode="history").common <= len(stored)
