"""What a text reads back of a session's summary, found out in a twin of its state: the session stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..errors import PromptTooLong
from ..memory.records import Message
from ..memory.summary import Kept
from .planning import plan
from .state.cache_state import CacheState
from .state.probe import Notes, Probe

if TYPE_CHECKING:
    from .session import Session

NOTHING_KEPT = "nothing is kept of what left the window but its first tokens"
NOTHING_LEFT = "nothing has left the window yet"
UNHEARD = "the attention of this family of models cannot be listened to"
ANOTHER = "the stored state is another model's, so that there is no summary to read"


class Layer(NamedTuple):
    """One layer's share by query head, the mean of the text's tokens.

    `summary` and `sinks` are the attention on kept entries. Of a layer with a memory of fixed size `gate` is the memory's
    share of what attention gives, `read` the norm of what the memory gives, `local` that of the rest; else they are empty.
    """

    layer: int
    summary: tuple[float, ...]
    sinks: tuple[float, ...]
    gate: tuple[float, ...] = ()
    read: tuple[float, ...] = ()
    local: tuple[float, ...] = ()


class Entry(NamedTuple):
    """A token of the conversation that the summary keeps, and the attention `mass` it received: the mean of the text's
    tokens and of all heads. `kept` KV heads keep it; it received most in one `head` of one `layer`, `most` on the mean.
    """

    token: int
    mass: float
    kept: int
    layer: int
    head: int
    most: float


class Probed(NamedTuple):
    """What a text of `tokens`, as a turn would be fed them, reads of the summary; `why` says why nothing, where it does not.

    `by_token` is each token's attention on the summary's entries, and the share that a memory of fixed size has in what
    attention gives it, by the norms: the mean of all layers and heads. `mass` is its mean. `entries` are those that received
    the most, best first.
    """

    why: str
    tokens: tuple[int, ...] = ()
    mass: float = 0.0
    by_token: tuple[float, ...] = ()
    layers: tuple[Layer, ...] = ()
    entries: tuple[Entry, ...] = ()


def probe(session: Session, text: str, top: int) -> Probed:
    """What a question would read, asked now; nothing is recalled for it and no fast weights are opened.

    The session's writer's lease is held. Raises PromptTooLong, Overloaded or OverBudget.
    """
    state = session.warm.state
    why = _why_not(session, state.kept)
    if why or not isinstance(state, CacheState) or state.kept is None:
        return Probed(why or UNHEARD)
    feed = _feed(session, text)
    # The twin takes as much again.
    session.runtime.residence.expect(session, 2 * session.need(len(feed)))
    twin, notes = state.fork(), Notes(int(torch.isinf(state.kept.scores[0][0, 0]).sum()))
    try:
        twin.listener = partial(Probe, notes)
        twin.reserve(twin.seen + len(feed))
        session.engine.prefill(twin, feed)
        return _read(state.kept, feed, notes, top)
    finally:
        twin.release()


def _why_not(session: Session, kept: Kept | None) -> str:
    if session.stale:
        return ANOTHER
    if kept is None:
        return NOTHING_LEFT
    if not session.engine.adapter.hears:
        return UNHEARD
    sinks = int(torch.isinf(kept.scores[0][0, 0]).sum()) if kept.scores else 0
    return NOTHING_KEPT if kept.memory is None and kept.count <= sinks else ""


def _feed(session: Session, text: str) -> tuple[int, ...]:
    """The tokens of a turn that says this. What was evicted keeps the template from writing anything anew."""
    session.offer(session.offered)
    feed = plan(session, [Message("user", text)]).feed
    room = session.loaded.info.context_length - session.warm.state.position
    if len(feed) > room:
        raise PromptTooLong(f"This text has {len(feed)} tokens as it is fed, and {room} have room; ask with less of it.")
    return feed


def _read(kept: Kept, feed: Sequence[int], notes: Notes, top: int) -> Probed:
    by_token = torch.stack([_by_token(notes, layer) for layer in sorted(notes.mass)]).mean(0)
    return Probed(
        "",
        tuple(feed),
        round(float(by_token.mean()), 6),
        tuple(round(float(share), 6) for share in by_token),
        tuple(_layer(notes, layer, len(feed)) for layer in sorted(notes.mass)),
        tuple(_entries(kept, notes, len(feed), top)),
    )


def _by_token(notes: Notes, layer: int) -> Tensor:
    """What each token of the text reads of the summary in a layer, [T]."""
    heard = torch.cat(notes.tokens[layer])
    if layer not in notes.gate:
        return heard
    gate = notes.gate[layer][:, None]
    read, local = gate * torch.cat(notes.read[layer], -1), (1 - gate) * torch.cat(notes.local[layer], -1)
    return heard + (read / (read + local).clamp_min(1e-12)).mean(0)


def _layer(notes: Notes, layer: int, count: int) -> Layer:
    mass = notes.mass[layer] / count
    shares = _listed(mass[:, notes.sinks :].sum(-1)), _listed(mass[:, : notes.sinks].sum(-1))
    if layer not in notes.gate:
        return Layer(layer, *shares)
    norms = (_listed(torch.cat(noted[layer], -1).mean(-1)) for noted in (notes.read, notes.local))
    return Layer(layer, *shares, _listed(notes.gate[layer]), *norms)


def _entries(kept: Kept, notes: Notes, count: int, top: int) -> Iterator[Entry]:
    """The tokens whose entries received the most attention, over all layers and heads."""
    places = [(layer, *notes.places[layer]) for layer in sorted(notes.mass)]
    every = [kept.tokens[bank][number, :, notes.sinks :].cpu() for _, bank, number in places]
    if not every or not every[0].shape[-1]:
        return
    masses = [(notes.mass[layer][:, notes.sinks :] / count).cpu() for layer, _, _ in places]
    spread = [tokens.repeat_interleave(len(m) // len(tokens), 0) for tokens, m in zip(every, masses, strict=True)]
    size = int(max(tokens.max() for tokens in every)) + 1
    total, holders = torch.zeros(size), torch.zeros(size, dtype=torch.int64)
    for tokens, kvs, mass in zip(spread, every, masses, strict=True):
        total.index_add_(0, tokens.flatten().long(), mass.flatten())
        holders += torch.bincount(kvs.flatten().long(), minlength=size)
    heads = sum(len(mass) for mass in masses)
    for token in total.topk(min(top, int((holders > 0).sum()))).indices.tolist():
        most = [torch.where(tokens == token, mass, 0).amax(1) for tokens, mass in zip(spread, masses, strict=True)]
        best = max(range(len(most)), key=lambda at: float(most[at].max()))
        share = round(float(most[best].max()), 6)
        mean = round(float(total[token]) / heads, 6)
        yield Entry(token, mean, int(holders[token]), places[best][0], int(most[best].argmax()), share)


def _listed(numbers: Tensor) -> tuple[float, ...]:
    return tuple(round(float(number), 6) for number in numbers)
