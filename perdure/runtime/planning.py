"""What a turn will feed, what it puts back and which fast weights it opens, decided before anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import PromptTooLong
from ..memory.records import Message
from ..memory.tokenlog import chunk_start
from .archive import CONTEXT
from .chat import TemplateRewrites
from .gating import Opening, gate
from .recollection import QUESTION, Recollection, recollect

if TYPE_CHECKING:
    from .session import Session


@dataclass(frozen=True, slots=True)
class Plan:
    """`keep` tokens of the state stay, then `feed` is absorbed. `rewrites`: the log before `keep` is cropped.

    Memories are put back after `at` tokens of `feed`; fast weights are opened before its last `opens` ones. `moved` are
    spans of messages, the last ones of those before and the new ones, where `feed` writes old ones again.
    """

    keep: int
    feed: tuple[int, ...]
    rewrites: bool
    moved: tuple[tuple[int, int], ...] = ()
    recall: Recollection | None = None
    at: int = 0
    opening: Opening | None = None
    opens: int = 0

    def recall_record(self) -> dict[str, Any] | None:
        """What the journal keeps of the recall."""
        return None if self.recall is None else {"at": self.at, **self.recall.to_record()}

    def opening_record(self) -> dict[str, Any] | None:
        """What the journal keeps of the fast weights."""
        return None if self.opening is None else {"last": self.opens, **self.opening.to_record()}


def planned(session: Session, said: Sequence[Message], *, recall: bool = True) -> Plan:
    """What a turn that answers `said` will do; without `recall` on the base model and the conversation alone.

    Raises PromptTooLong before anything changes.
    """
    made = plan(session, said, recollect(session, said) if recall else None)
    opening = gate(session, said) if recall else None
    return made if opening is None else replace(made, opening=opening, opens=session.chat_format.opens(said))


def plain(session: Session, prompt: str) -> Plan:
    """Feeds a plain text as it is. Raises PromptTooLong before anything changes."""
    made = Plan(0, tuple(session.loaded.chat.document(prompt)), False)
    _check_length(session, made)
    return made


def plan(session: Session, messages: Sequence[Message], recall: Recollection | None = None) -> Plan:
    """Which tokens answer `messages` after what the session holds, and after what of the feed memories are put back.

    Raises PromptTooLong before anything changes.
    """
    if recall is not None:
        try:
            return _plan_recall(session, messages, recall)
        except TemplateRewrites:
            session.notes.append("Nothing was recalled: the template writes earlier messages anew.")
    return _plan_plainly(session, messages)


def _plan_recall(session: Session, messages: Sequence[Message], recall: Recollection) -> Plan:
    """The last message asks its question of the memories before it."""
    warm, chat = session.warm, session.chat_format
    _require_same_tools(session, messages)
    asks = QUESTION + messages[-1].content
    before, after = chat.around(warm.messages, messages, CONTEXT, asks, tail_is_open=bool(warm.messages))
    if recall.mode == "text":
        return Plan(warm.state.seen, (*before, *recall.tokens, *after), False, (), recall, len(before))
    return Plan(warm.state.seen, (*before, *after), False, (), recall, len(before))


def _plan_plainly(session: Session, messages: Sequence[Message]) -> Plan:
    warm, chat = session.warm, session.chat_format
    if warm.messages and not warm.state.seen:
        # Only the text of the conversation is at hand, so all of it is fed.
        whole = chat.prompt([*warm.messages, *messages])
        made = Plan(0, tuple(whole), False, moved_spans(session, messages, whole, 0))
        _check_length(session, made)
        return made
    try:
        _require_same_tools(session, messages)
        feed = chat.delta(warm.messages, messages, tail_is_open=bool(warm.messages))
        made = Plan(warm.state.seen, tuple(feed), False)
    except TemplateRewrites as rewrite:
        if warm.events and warm.messages:
            # What left the window, or was recalled between the messages, is no part of what the template would write.
            return Plan(warm.state.seen, tuple(chat.continued(warm.messages, messages)), False)
        log = warm.tokens
        same = next((i for i, (a, b) in enumerate(zip(log, rewrite.tokens, strict=False)) if a != b), len(log))
        keep = chunk_start(warm.runs, min(same, len(rewrite.tokens) - 1))
        moved = moved_spans(session, messages, rewrite.tokens, keep)
        made = Plan(keep, tuple(rewrite.tokens[keep:]), keep < warm.state.seen, moved)
    _check_length(session, made)
    return made


def _require_same_tools(session: Session, messages: Sequence[Message]) -> None:
    """Raises TemplateRewrites where the prompt offered other functions so far, which the template tells at its beginning."""
    if session.warm.messages and session.tools != session.offered:
        raise TemplateRewrites(session.chat_format.prompt([*session.warm.messages, *messages]))


def moved_spans(
    session: Session, messages: Sequence[Message], whole: Sequence[int], keep: int
) -> tuple[tuple[int, int], ...]:
    """The spans in `whole` of the messages that do not end within its first `keep` tokens."""
    every = [*session.warm.messages, *messages]
    since = next((i for i, m in enumerate(session.warm.messages) if m.end > keep), len(session.warm.messages))
    ends = session.chat_format.ends(every, whole, since)
    starts = [every[since - 1].end if since else 0, *ends[:-1]]
    return tuple(zip(starts, [*ends[:-1], len(whole)], strict=True))


def _check_length(session: Session, made: Plan) -> None:
    if session.budget is not None:
        return
    limit = session.loaded.info.context_length
    total = made.keep + len(made.feed)
    if total >= limit:
        raise PromptTooLong(
            f"The conversation would need {total} tokens with this prompt, and {session.loaded.info.name} has room for "
            f"{limit}. Shorten the prompt, or go back with `perdure reset`."
        )
