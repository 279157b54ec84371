"""Memory as text for a terminal: tiers, memories, and what a search found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from ..figures import age, size
from .output import styled, visible
from .record_render import weights_facts
from .screen import Column, Screen, columns, one_line

if TYPE_CHECKING:
    from ...memory import Commit
    from ...memory.episodes import Episode
    from ...memory.inspecting import Episodic, Memory, Summary, Working
    from ..recalling import Found, Told
    from ..taught import Tier

WIDE = 72
MOST = 16

Fact = tuple[str, str]


def facts(commit: Commit, rows: Iterable[Fact]) -> Text:
    """A commit, then names and what they are."""
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    head = Text.assemble((commit.short, "yellow"), f"  turn {commit.turn}, {commit.tokens} tokens")
    lines = (Text.assemble((f"{name:<{width}}  ", "dim"), visible(value)) for name, value in listed)
    return Text("\n").join([head, *lines])


def tier_facts(report: Memory, known: Tier, tier: str | None = None) -> Iterator[Fact]:
    """The lines about one tier, or about each."""
    if tier in (None, "working"):
        yield from _working(report.working)
    if tier in (None, "episodic"):
        yield from _episodic(report.episodic)
    if tier in (None, "summary"):
        yield from _summary(report.summary)
    if tier in (None, "fast-weights"):
        yield from weights_facts(known)


def _working(tier: Working) -> Iterator[Fact]:
    kept = f"{tier.sinks} sinks, {tier.summary} entries of the summary and " if tier.oldest else ""
    yield "working", f"{kept}the last {tier.window} of {tier.tokens} tokens, exactly (from token {tier.oldest} on)"
    yield "", f"{tier.entries} entries read by attention, {size(tier.nbytes)}"
    yield "", f"{_many(tier.evictions, 'eviction')} and {_many(tier.recalls, 'recall')} so far"


def _episodic(tier: Episodic) -> Iterator[Fact]:
    if not tier.memories:
        yield "episodic", "nothing yet: what leaves the window and what `perdure remember` reads comes here"
        return
    roles = ", ".join(f"{count} {role}" for role, count in tier.roles.items())
    counts = f"{memories(tier.memories)} ({roles}), {tier.pinned} pinned"
    yield "episodic", counts
    yield "", f"{tier.tokens} tokens, {size(tier.nbytes)} of KV"
    yield "", f"the oldest {age(tier.oldest_ms)}, the newest {age(tier.newest_ms)}"


def _summary(tier: Summary) -> Iterator[Fact]:
    if tier.digest is None:
        yield "summary", "nothing yet: nothing has left the window, or its snapshot is not stored"
        return
    yield "summary", f"{tier.backend}, {size(tier.nbytes)}, after {_many(tier.folds, 'eviction')}"
    yield "", f"{tier.entries} entries for each layer and head, of {tier.distinct} different tokens"
    if tier.folded:
        yield "", f"{tier.folded} other tokens in a memory of fixed size"
    yield "", f"object {tier.digest.hex()[:10]}, as of token {tier.position}"


EPISODES = (
    Column("ID", least=9),
    Column("ROLE", rank=3),
    Column("PINNED", rank=2),
    Column("TOKENS", right=True, rank=1),
    Column("WHEN", rank=5),
    Column("SOURCE", least=8, rank=4),
    Column("TEXT", least=30),
)


def episode_lines(episodes: Sequence[Episode], out: Screen) -> Iterator[Text]:
    """A table of memories."""
    return columns(EPISODES, [_episode_cells(episode) for episode in episodes], out) if episodes else iter(())


def _episode_cells(episode: Episode) -> list[Text]:
    return [
        Text(episode.id, "yellow"),
        Text(one_line(episode.role)),
        Text("pinned" if episode.pinned else "", "magenta"),
        Text(str(len(episode.tokens))),
        Text(age(episode.time_ms), "dim"),
        Text(one_line(_origin(episode)), "dim"),
        Text(one_line(short(episode.text))),
    ]


def found_text(found: Sequence[Found], *, explain: bool) -> Text:
    """Each memory with its score and where it is from, then its text."""
    return Text("\n").join([line for item in found for line in _found(item, explain=explain)])


def _found(item: Found, *, explain: bool) -> Iterator[Text]:
    hit, episode = item.hit, item.episode
    head = Text.assemble((episode.id, "yellow"), f"  score {hit.score:.3f}")
    if explain:
        ranks = f"  similarity {hit.similarity:.3f}  words {hit.words:.3f}  bm25 {hit.bm25:.2f}"
        head.append(f"{ranks}  rank {hit.vector_rank or '-'} by meaning, {hit.word_rank or '-'} by words")
    head.append(f"  {visible(', '.join(item.sessions))}", "bold cyan")
    head.append(f"  {visible(_origin(episode))}  {age(episode.time_ms)}", "dim")
    if hit.dropped:
        head.append(f"  left out: {hit.dropped}", "magenta")
    yield head
    yield styled(f"  {short(episode.text, 4 * WIDE)}")


def recall_line(story: Told) -> str:
    """What an answer recalled, on one line below its receipt."""
    best = story.best
    text = short(best.episode.text) if best.episode else best.digest.hex()[:10]
    heed = "" if best.mass is None else f" ({best.mass:.0%} of the attention)"
    return f"recalled {_recalled(story)}, best: {text}{heed}"


def _recalled(story: Told) -> str:
    return f"{sum(item.tokens for item in story.chosen)} tokens of {memories(len(story.chosen))}"


def short(text: str, width: int = WIDE) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 3]}..."


def _origin(episode: Episode) -> str:
    return episode.source if episode.role == "document" else f"{episode.role}, turn {episode.turn}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def memories(count: int) -> str:
    """A number of memories in words."""
    return f"{count} {'memory' if count == 1 else 'memories'}"
