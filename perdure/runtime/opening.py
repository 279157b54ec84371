"""How a branch comes into memory: what its head is gone on with, and its working state, restored or taken back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from ..memory import events
from ..memory.recipe import Recipe
from ..memory.records import Commit
from ..memory.tokenlog import crop, spans
from .archive import header
from .engine import Engine, Script
from .restoration import Restoration
from .turn import Cost
from .warm import Warm

if TYPE_CHECKING:
    from .checkout import Checkout
    from .runtime import Runtime


class Execution(NamedTuple):
    """What a head is gone on with. `stale`: its state is another model's, so its text is computed again."""

    recipe: Recipe
    engine: Engine
    stale: bool = False


def execution(runtime: Runtime, head: Commit, *, as_text: bool) -> Execution:
    """The runtime's recipe and engine, with the thread count that the head's state was made with.

    Raises RecipeMismatch for a state that was made otherwise, unless its text is enough (`as_text`).
    """
    present = runtime.recipe
    if not head.tokens:
        return Execution(present, runtime.engine)
    stored = runtime.repository.recipe(head)
    if runtime.threads_are_free:
        present = present.replace(threads=stored["threads"])
    if not as_text:
        stored.require_same(present)
    elif stored.difference(present):
        return Execution(runtime.recipe, runtime.engine, stale=True)
    threads = present["threads"]
    return Execution(present, runtime.engine.at(int(threads)) if threads.isdigit() else runtime.engine)


def restored(checkout: Checkout, debt: Cost) -> Warm:
    """The head's working state, out of the store. What that costs is added to `debt`."""
    began = time.perf_counter()
    if checkout.stale or not checkout.head.tokens:
        warm = Warm(checkout.engine.adapter.new(), [], [], 0, b"", 0)
        if checkout.stale:
            checkout.notes.append("The conversation is computed again from its text with the present model.")
    else:
        restoration = Restoration(checkout.repository, checkout.engine, checkout.head)
        warm = restoration.run()
        debt.bytes_read += restoration.bytes
        debt.replayed += restoration.replayed
        checkout.notes.extend(restoration.notes)
    warm.messages = checkout.messages()
    _mend_memories(checkout, warm)
    debt.restore_ms += 1e3 * (time.perf_counter() - began)
    return warm


def _mend_memories(checkout: Checkout, warm: Warm) -> None:
    """Note how far the conversation is remembered, and encode again what the store lost of that."""
    remembered = checkout.repository.remembered(checkout.head)
    # Commits of before the number was kept tell it by what they remember.
    known = checkout.head.state.archived if checkout.head.state else 0
    warm.archived = known or max((entry.end for entry in remembered), default=0)
    lost = [] if checkout.stale else checkout.repository.lost(remembered)
    if lost:
        checkout.notes.append(checkout.pastes.mend(lost, header(checkout.loaded.chat, warm.messages)))


def rewound(checkout: Checkout, tokens: int) -> tuple[Warm, int]:
    """The working state where a forward ended within the present one, and how many tokens were computed again."""
    warm = checkout.warm
    if checkout.name is None:
        return _rewound_unstored(checkout, warm, tokens)
    restoration = Restoration(checkout.repository, checkout.engine, checkout.head, tokens)
    if warm.state.holds(tokens):
        back = restoration.cut(warm.state)
    else:
        back = restoration.run()
        warm.state.release()
    back.messages = warm.messages
    checkout.notes.extend(restoration.notes)
    return back, restoration.replayed


def _rewound_unstored(checkout: Checkout, warm: Warm, tokens: int) -> tuple[Warm, int]:
    """The same for an ephemeral session, whose state is nowhere else: what cannot be cut is computed again."""
    kept = events.crop(warm.events, tokens)
    back = Warm(warm.state, crop(warm.runs, tokens), warm.messages, 0, b"", events=kept)
    if back.state.holds(tokens):
        back.state.crop(tokens)
        back.state.happened, back.state.opened = len(kept), None
        return back, 0
    back.state.crop(0)
    back.state.happened, back.state.opened = 0, None
    script = Script(back.tokens, kept, checkout.pastes.brought)
    checkout.engine.replay(back.state, script, spans(back.runs))
    return back, tokens
