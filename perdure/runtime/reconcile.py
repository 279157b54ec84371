"""Fitting a client's message list onto a stored conversation. Pure functions on messages: no web, no disk, no tensors.

Chat clients resend their whole history with every request. Appending it blindly would double the conversation, so the
list is compared with what is stored, message by message, and only what is new goes in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from ..memory.records import Commit, Message
from .calls import canonical

InputMode = Literal["auto", "history", "delta"]
Action = Literal["started", "extended", "delta", "diverged", "detached"]


class Plan(NamedTuple):
    """What to do with a message list.

    `started`    the conversation was empty: everything goes in
    `extended`   the list repeats the conversation and goes on: the part after it goes in
    `delta`      the list is taken as new messages only
    `diverged`   the list contradicts the conversation after `common` stored messages
    `detached`   the list is about something else (a title, tags): answer it without touching the conversation

    `messages` is the client's list, led by the stored system message where the client left it out. `shift` is how far
    its positions lie from those of the stored messages.
    """

    action: Action
    common: int
    messages: tuple[Message, ...]
    shift: int = 0
    notes: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """The most stored messages that can be kept while something is left to append."""
        return min(self.common, len(self.messages) - self.shift - 1)

    def remainder(self, kept: int) -> tuple[Message, ...]:
        """What to append to a conversation that holds the first `kept` stored messages."""
        return self.messages[kept + self.shift :] if kept else self.messages


def reconcile(
    stored: Sequence[Message], incoming: Sequence[Message], *, mode: InputMode = "auto", resends: bool = False
) -> Plan:
    """Fit `incoming`, which ends with the message to answer, onto `stored`.

    `history` takes the list for the whole conversation, `delta` for new messages only; `auto` tells them apart by
    comparing. `resends` says that this client is known to send its whole history every time, so that a lone message
    which is not the conversation's first cannot be a new turn.
    """
    if mode == "delta":
        return _delta(stored, incoming)
    plan = _history(stored, incoming)
    if mode == "history" or plan.action != "diverged" or any(m.role == "assistant" for m in incoming):
        return plan
    return _without_answers(plan, stored, incoming, resends)


def normalise(message: Message) -> tuple[str, str]:
    """The form in which two messages are compared: clients trim and re-encode what they send back, calls above all."""
    content = message.content.replace("\r\n", "\n").strip()
    return message.role, canonical(content) if message.role == "assistant" else content


def boundary(commits: Iterable[Commit], limit: int) -> Commit | None:
    """The latest commit (commits come newest first) that holds no more than `limit` messages."""
    return next((commit for commit in commits if commit.messages <= limit), None)


def closest(plans: Iterable[tuple[str, Plan]]) -> tuple[str, Plan]:
    """Of several branches the one to go on with: one that the list extends, else the longest common part."""
    return max(plans, key=lambda named: (named[1].action == "extended", named[1].common))


def _without_answers(plan: Plan, stored: Sequence[Message], incoming: Sequence[Message], resends: bool) -> Plan:
    theirs, questions = _split(incoming)
    ours, turns = _split(stored)
    if not turns:
        return plan
    foreign = theirs is not None and (ours is None or normalise(theirs) != normalise(ours))
    if foreign or _quotes(turns, questions):
        return Plan("detached", 0, tuple(incoming))
    if questions and normalise(questions[0]) == normalise(turns[0]):
        return plan
    return Plan("detached", 0, tuple(incoming)) if resends else _delta(stored, incoming)


def _history(stored: Sequence[Message], incoming: Sequence[Message]) -> Plan:
    theirs, _ = _split(incoming)
    ours, _ = _split(stored)
    messages = (ours, *incoming) if ours is not None and theirs is None else tuple(incoming)
    shift = 1 if stored and ours is None and theirs is not None else 0
    common = _common(stored, messages[shift:])
    if common < len(stored) or len(messages) - shift <= common:
        return Plan("diverged", common, messages, shift)
    if common == (ours is not None):
        return Plan("started", common, messages, shift)
    notes = ("The session began without a system message, so the one in this request was not applied.",)
    return Plan("extended", common, messages, shift, notes if shift else ())


def _delta(stored: Sequence[Message], incoming: Sequence[Message]) -> Plan:
    theirs, rest = _split(incoming)
    ours, turns = _split(stored)
    repeated = theirs is not None and ours is not None and normalise(theirs) == normalise(ours)
    messages = tuple(rest if repeated else incoming)
    return Plan("delta" if turns else "started", len(stored), messages, -len(stored))


def _split(messages: Sequence[Message]) -> tuple[Message | None, Sequence[Message]]:
    if messages and messages[0].role == "system":
        return messages[0], messages[1:]
    return None, messages


def _common(stored: Sequence[Message], incoming: Sequence[Message]) -> int:
    count = 0
    for ours, theirs in zip(stored, incoming, strict=False):
        if normalise(ours) != normalise(theirs):
            break
        count += 1
    return count


def _quotes(turns: Sequence[Message], questions: Sequence[Message]) -> bool:
    """Whether a message cites the end of the conversation as a transcript, as clients' title and tag prompts do."""
    if len(turns) < 2 or turns[-1].role != "assistant" or not questions:
        return False
    asked, answered = (f"{m.role.upper()}: {normalise(m)[1]}" for m in turns[-2:])
    text = normalise(questions[-1])[1]
    return asked in text and answered in text
