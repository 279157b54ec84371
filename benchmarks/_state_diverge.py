"""What of a stored conversation is used again when its client goes another way somewhere in its middle.

Of `common` tokens that the new history shares with the stored one, `common` less those that are computed (the rest of a
chunk that was cut, and forwards that are run again from the nearest snapshot) are taken from the store.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from perdure.memory.records import Message
from perdure.runtime import Runtime
from perdure.runtime.chat import TemplateRewrites
from perdure.runtime.session import Session

from ._corpus import text
from ._measure import Sample
from ._state_kit import NEWEST, beside, make, runtime

TOKENS = 4_000
ROOM = 8_192
WINDOW = 512
PLACES = 20
SIZES: dict[str, dict[str, Any]] = {
    "gemma3": {"sliding_window": WINDOW, "max_position_embeddings": ROOM},
    "jamba": {"max_position_embeddings": ROOM},
    "qwen3_next": {"max_position_embeddings": ROOM},
    "mamba": {},
}
SLIDING = frozenset({"gemma3"})
ELSEWHERE = "No, tell me of the mountains instead."


class Place(NamedTuple):
    """A token of the stored conversation that the client does not repeat; `turn`: it is where that turn ended."""

    token: int
    kind: str
    turn: int | None


class Resent:
    """A chat format in whose place a client's whole history stands, as a list of tokens."""

    def __init__(self, inner: Any, tokens: list[int]) -> None:
        self._inner, self._tokens = inner, tokens

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def offering(self, _: Any) -> Resent:
        return self

    def delta(self, *_: Any, **__: Any) -> list[int]:
        raise TemplateRewrites(self._tokens)


class Conversation:
    """A stored conversation of TOKENS tokens; with `checkpoints` False it keeps what a plain cache would."""

    def __init__(self, first: Runtime, family: str, folder: Path, *, checkpoints: bool) -> None:
        self._first, self._folder = first, folder
        self._keep = None if checkpoints or family in SLIDING else NEWEST
        with beside(first, folder / "whole", checkpoints=self._keep) as rt:
            session = rt.session("s")
            _talk(session)
            self.log = session.warm.tokens
            self.messages = session.messages()
            self.commits = [commit.hex for commit in reversed(session.log())]
            if not checkpoints and family in SLIDING:
                _forget_windows(rt, session)

    def places(self, seed: int = 1) -> list[Place]:
        """Half of them where messages begin and answers begin, half at any token inside a message."""
        draw = random.Random(seed)
        ends = [Place(m.end, "turn end", i // 2 + 1) for i, m in enumerate(self.messages) if m.role == "assistant"][:-1]
        starts = [Place(m.start, "answer start", None) for m in self.messages if m.role == "assistant"]
        edges = {place.token for place in [*ends, *starts]}
        inside = [Place(t, "inside", None) for t in range(1, len(self.log)) if t not in edges]
        return [*draw.sample([*ends, *starts], PLACES // 2), *draw.sample(inside, PLACES - PLACES // 2)]

    def diverge(self, place: Place, number: int) -> Sample:
        """Restore a copy of the session in a runtime of its own and go another way at a place."""
        store = self._folder / f"copy-{number}"
        shutil.copytree(self._folder / "whole", store)
        with beside(self._first, store, checkpoints=self._keep) as rt:
            session = rt.session("s", create=False)
            sample = self._forked(session, place) if place.turn is not None else self._resent(session, place)
        shutil.rmtree(store)
        return sample

    def _forked(self, session: Session, place: Place) -> Sample:
        """As the server does with a history that parts at a message: a fork of the turn before, and the new message."""
        fork = session.fork("elsewhere", self.commits[place.turn or 0])
        receipt = fork.chat(ELSEWHERE, max_tokens=1).receipt
        new = fork.warm.tokens[: place.token + receipt.prefilled]
        return _shared(self.log, new, receipt)

    def _resent(self, session: Session, place: Place) -> Sample:
        """As under a template that writes the past differently: the whole history in tokens, other ones from there on."""
        other = session.loaded.chat.prompt([Message("user", ELSEWHERE)])
        new = [*self.log[: place.token], *other]
        if place.token < len(self.log) and new[place.token] == self.log[place.token]:
            new.pop(place.token)
        session.loaded = replace(session.loaded, chat=Resent(session.loaded.chat, new))  # type: ignore[arg-type]
        return _shared(self.log, new, session.chat(ELSEWHERE, max_tokens=1).receipt)


def _shared(log: Sequence[int], new: Sequence[int], receipt: Any) -> Sample:
    common = next((i for i, (a, b) in enumerate(zip(log, new, strict=False)) if a != b), min(len(log), len(new)))
    reused = len(new) - receipt.prefilled - receipt.replayed
    return {
        "reuse": reused / common,
        "common": float(common),
        "replayed": float(receipt.replayed),
        "recomputed": float(common - reused),
    }


def _talk(session: Session) -> None:
    """Turns of uneven prompts and answers, up to the wanted length."""
    draw = random.Random(3)
    turn = 0
    while session.head.tokens < TOKENS:
        turn += 1
        session.chat(text(draw.randint(10, 150), seed=turn), max_tokens=draw.randint(16, 96))


def _forget_windows(rt: Runtime, session: Session) -> None:
    """Delete the sliding layers' blocks that a forward after the last token no longer reads."""
    (window,) = (group for group in session.engine.adapter.groups if group.window is not None)
    floor = window.floor(session.head.tokens)
    blocks = rt.repository.blocks(session.head, windows=True)
    with rt.repository.store.write() as txn:
        for start, tokens, digest in blocks:
            if start + tokens <= floor:
                txn.delete(digest)


def measure(family: str, folder: Path, *, control_every: int) -> Iterator[tuple[str, Place, Sample]]:
    """("perdure" or "no checkpoints", place, sample); the control at each `control_every`th place only."""
    loaded = make(family, folder, **SIZES[family])
    first = runtime(loaded, folder / "first")
    first.close()
    for system, checkpoints, step in (("perdure", True, 1), ("no checkpoints", False, control_every)):
        conversation = Conversation(first, family, folder / system.replace(" ", "-"), checkpoints=checkpoints)
        for number, place in enumerate(conversation.places()[::step]):
            yield system, place, conversation.diverge(place, number)
