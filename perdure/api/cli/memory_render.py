"""Memory as text for a terminal: tiers, memories, what a search found and what an answer recalled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from .output import age, size, styled, visible
from .record_render import judged_lines, weights_facts
from .render import plain_table

if TYPE_CHECKING:
    from ...memory import Commit
    from ...memory.episodes import Episode
    from ...memory.inspecting import Episodic, Memory, Summary, Working
    from ..recalling import Chosen, Considered, Found, Told
    from ..taught import Tier

LEVELS = "▁▂▃▄▅▆▇█"
WIDE = 72
MOST = 16
BAR = 40

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


def histogram(tier: Summary) -> Text:
    """Which tokens a summary keeps, as bars."""
    most = max(part.entries for part in tier.histogram) or 1
    width = len(str(tier.histogram[-1].end))
    places = [(f"{part.start:>{width}}-{part.end:<{width}} ", part.entries) for part in tier.histogram]
    lines = [Text.assemble((place, "dim"), f"{count:>6} ", _bar(count / most)) for place, count in places]
    return Text("\n").join([Text("tokens that it keeps, counted over layers and heads", "dim"), *lines])


def episode_table(episodes: Sequence[Episode]) -> Table:
    table = plain_table("ID", "ROLE", "PINNED", "TOKENS", "WHEN", "SOURCE", "TEXT", right={3})
    for episode in episodes:
        table.add_row(
            Text(episode.id, "yellow"),
            styled(episode.role),
            "pinned" if episode.pinned else "",
            str(len(episode.tokens)),
            age(episode.time_ms),
            styled(_origin(episode)),
            styled(short(episode.text)),
        )
    return table


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


def told_text(story: Told) -> Text:
    """What was asked, what was looked at, what was given to the answer, and how much it was heeded."""
    commit = story.commit
    asked = visible(short(story.query or commit.title))
    head = Text.assemble((commit.short, "yellow"), f"  turn {commit.turn}: {asked}")
    return Text("\n").join([head, *_recall_lines(story), *judged_lines(story)])


def _recall_lines(story: Told) -> Iterator[Text]:
    if not story.recalled:
        return
    where = "as text" if story.position is None else f"before token {story.position}"
    yield styled(f"recalled {_recalled(story)}, put {where} ({story.mode})")
    for item in reversed(story.chosen):
        yield from _chosen(item)
    yield styled("considered, in this order", "dim")
    for looked_at in story.considered[:MOST]:
        yield _considered(looked_at)
    if len(story.considered) > MOST:
        yield styled(f"and {len(story.considered) - MOST} more, which --json lists", "dim")


def recall_line(story: Told) -> str:
    """What an answer recalled, on one line below its receipt."""
    best = story.best
    text = short(best.episode.text) if best.episode else best.digest.hex()[:10]
    heed = "" if best.mass is None else f" ({best.mass:.0%} of the attention)"
    return f"recalled {_recalled(story)}, best: {text}{heed}"


def _recalled(story: Told) -> str:
    return f"{sum(item.tokens for item in story.chosen)} tokens of {memories(len(story.chosen))}"


def _chosen(item: Chosen) -> Iterator[Text]:
    place = f"  {item.tokens} tokens from slot {item.at} of what was recalled, score {item.bias:+.2f}"
    yield Text.assemble((_name(item), "yellow"), place, f"  {visible(short(_text(item)))}")
    if item.mass is not None:
        layers = " ".join(f"{share:.2f}" for share in item.by_layer)
        yield Text.assemble(("  attention ", "dim"), f"{item.mass:.1%}  ", ("by token ", "dim"), spark(item.by_token))
        yield Text.assemble(("  by layer ", "dim"), layers)


def _considered(item: Considered) -> Text:
    scores = f"  similarity {item.similarity:.3f}  words {item.words:.3f}  score {item.score:.3f}  "
    line = Text.assemble((_name(item), "yellow"), scores, visible(short(_text(item), 40)))
    verdict = (f"  left out: {item.dropped}", "magenta") if item.dropped else ("  recalled", "green")
    return line.append(*verdict)


def spark(shares: Sequence[float]) -> str:
    """A small bar for each number; the tallest is the largest of them."""
    most = max(shares, default=0.0) or 1.0
    return "".join(LEVELS[min(len(LEVELS) - 1, int(share / most * len(LEVELS)))] for share in shares)


def short(text: str, width: int = WIDE) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def _name(item: Chosen | Considered) -> str:
    return item.episode.id if item.episode else item.digest.hex()[:16]


def _text(item: Chosen | Considered) -> str:
    return item.episode.text if item.episode else "(no longer stored)"


def _origin(episode: Episode) -> str:
    return episode.source if episode.role == "document" else f"{episode.role}, turn {episode.turn}"


def _bar(share: float) -> str:
    return "█" * round(share * BAR)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def memories(count: int) -> str:
    """A number of memories in words."""
    return f"{count} {'memory' if count == 1 else 'memories'}"
