"""What the model sees, in parts: what they are called, how large they are, and what is said of them."""

from __future__ import annotations

from nicegui import ui

from ....client.results import Context, Part
from . import bars
from .figures import count, size
from .panels import tile, tiles
from .passages import between

NAMES = {
    "system": "System prompt",
    "sinks": "Sinks",
    "recalled": "Recalled",
    "summary": "Summary",
    "window": "Window",
    "free": "Free",
    "states": "States",
    "evicted": "Left the window",
}
SEEN = ("system", "sinks", "recalled", "summary", "window")
ABOUT = {
    "system": "What the conversation begins with. It always stays.",
    "sinks": "The first tokens, which always stay: attention leans on them.",
    "summary": "Of the tokens that left the window some keys and values are kept, chosen by how much attention they drew.",
    "window": "The latest tokens, each with its exact keys and values.",
    "states": "Recurrent and convolution layers keep a state that does not grow with the conversation.",
    "evicted": "No longer before the model as they were. They are exactly on disk and come back where a turn recalls them.",
}
EMPTY = {
    "system": "This conversation begins without a system prompt.",
    "sinks": "Nothing but the system prompt stays at the beginning; sinks are kept from when tokens first leave the window.",
    "summary": "Nothing is summarised: all that was said is still in the window, or the server keeps no summary.",
    "window": "Nothing was said yet.",
    "recalled": "The last turn recalled nothing.",
    "evicted": "Nothing has left the window.",
}


def part_of(found: Context, name: str) -> Part:
    """A part by its name. What left the window is the stretch of the log that the summary is of, whatever is kept of it."""
    wanted = "summary" if name == "evicted" else name
    return next(part for part in found.parts if part.name == wanted)


def numbers(found: Context) -> None:
    """How long the conversation is, how much of it is seen, and how much could be."""
    limits, window = found.limits, part_of(found, "window")
    with tiles():
        tile("tokens in the conversation", count(window.span["end"]), hint="The position of the next token")
        seen = sum(part.tokens for part in found.parts)
        tile("entries that attention reads", count(seen), hint="Keys and values, per layer and head")
        whole = sum(part.nbytes for part in found.parts) + found.fixed_bytes
        tile("in memory", size(whole), hint="Keys and values, and states that do not grow")
        if limits["window"] is not None:
            most = limits["window"] + (limits["block"] or 0)
            about = f"When it is full the oldest leave, until it has {count(limits['window'])}"
            tile("tokens in the window, and its room", f"{count(window.tokens)} / {count(most)}", hint=about)
        tile("positions the model was trained on", count(limits["context"] or 0))


def both(found: Context, choose: bars.Choose, chosen: str) -> None:
    """A bar in tokens and one in bytes, with one legend; what left the window stands in it, but is no part of the bars."""
    tokens, nbytes = _tokens(found), _nbytes(found)
    ui.label("Tokens").classes("dim")
    bars.bar(tokens, legend=False, choose=choose, chosen=chosen)
    ui.label("Bytes").classes("dim second")
    bars.bar(nbytes, legend=False, choose=choose, chosen=chosen)
    said = {part.kind: part.said for part in tokens}
    listed = [part._replace(said=", ".join(filter(None, (said.get(part.kind), part.said)))) for part in nbytes]
    span = part_of(found, "evicted").span
    gone = span["end"] - span["start"]
    if gone:
        listed.append(bars.Part(NAMES["evicted"], gone, "evicted", f"{count(gone)} tokens, on disk"))
    bars.legend(listed, choose=choose, chosen=chosen)


def about(found: Context, name: str) -> str:
    """Where a part lies and what it is."""
    if name in ("free", "recalled", "states"):
        return ABOUT.get(name, "")
    span = part_of(found, name).span
    where = f"{between(span).capitalize()}. " if span["end"] > span["start"] else ""
    return where + ABOUT[name]


def until(found: Context) -> str:
    """What happens when the free tokens are used up."""
    block, context = found.limits["block"] or 0, found.limits["context"] or 0
    leaving = f"the oldest {count(block)} leave the window"
    then = leaving if found.then == "evict" else f"the model's {count(context)} positions end"
    return f"{count(found.free)} more tokens fit until {then}."


def _tokens(found: Context) -> list[bars.Part]:
    parts = [part_of(found, name) for name in SEEN]
    drawn = [bars.Part(NAMES[part.name], part.tokens, part.name, _said(part.tokens)) for part in parts]
    return [*drawn, bars.Part(NAMES["free"], found.free, "free", _said(found.free))]


def _nbytes(found: Context) -> list[bars.Part]:
    parts = [part_of(found, name) for name in SEEN]
    drawn = [bars.Part(NAMES[part.name], part.nbytes, part.name, size(part.nbytes)) for part in parts]
    if found.fixed_bytes:
        drawn.append(bars.Part(NAMES["states"], found.fixed_bytes, "states", size(found.fixed_bytes)))
    free = _free_bytes(found)
    return [*drawn, bars.Part(NAMES["free"], free, "free", f"about {size(free)}" if free else "")]


def _free_bytes(found: Context) -> int:
    """What the free tokens will take: as much each as one that every layer sees takes now."""
    each = [part.nbytes / part.tokens for part in found.parts if part.tokens]
    return round(found.free * min(each, default=0.0))


def _said(tokens: int) -> str:
    return f"{count(tokens)} token{'s' * (tokens != 1)}"
