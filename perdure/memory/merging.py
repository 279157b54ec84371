"""What becomes of two commits in one: a three-way merge of what they remember and know, on top of one conversation.

A conversation (working state, token log, messages) cannot be merged, so one of both goes on; a linear summary takes in the
other's sums. Memories, records, refusals and mounts are merged against the last common commit: what one side alone added,
changed or removed since then is taken over. (docs/decisions/0018)
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ..errors import MergeConflict, RecipeMismatch
from ..stores.base import Digest, ReadTxn
from . import ancestry, commits, episodes, events, fastweights, joining, remembering, tokenlog, tree
from .draft import Recorder, revised, state_of
from .events import JOIN, Event
from .fastweights import Record, Refusal
from .recipe import Recipe
from .records import Clash, Commit
from .remembering import Entry

Side = Literal["ours", "theirs"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose conversation goes on, and who is right where both changed the same thing (None: that is refused)."""

    conversation: Side = "ours"
    prefer: Side | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A merge that can be carried out. `parents` are in their order: the first is the commit whose conversation goes on.

    `bare` are the objects of episodes that lose their KV, which was computed behind another system prompt. `gained` and
    `lost` count by tier what `ours` did not have, and what of its own is gone. `joined` are parts of the second summary
    that the first takes in. `clashes` are settled.
    """

    parents: tuple[Commit, Commit]
    base: Commit | None
    entries: tuple[Entry, ...]
    bare: frozenset[Digest]
    ledger: tuple[Record, ...]
    refused: tuple[Refusal, ...]
    mounts: tuple[str, ...]
    gained: Mapping[str, int]
    lost: Mapping[str, int]
    joined: joining.Parts | None
    clashes: tuple[Clash, ...]
    notes: tuple[str, ...]


class _Sides(NamedTuple):
    """The commit that goes on, the one merged into it, what both come from, and who is right: the first, or nobody."""

    first: Commit
    second: Commit
    base: Commit | None
    first_is_ours: bool
    first_is_right: bool | None

    def clash(self, tier: str, name: str, first: str | None, second: str | None) -> Clash:
        return Clash(tier, name, *((first, second) if self.first_is_ours else (second, first)))


def planned(txn: ReadTxn, ours: Commit, theirs: Commit, name: str, choice: Choice) -> Plan:
    """What merging `theirs` into the branch `name`, which is at `ours`, comes to.

    Raises RecipeMismatch where different models computed them, MergeConflict where both changed the same thing and
    nobody is said to be right.
    """
    _require_one_model(txn, ours, theirs)
    mine = choice.conversation == "ours"
    first, second = (ours, theirs) if mine else (theirs, ours)
    right = None if choice.prefer is None else choice.prefer == choice.conversation
    sides = _Sides(first, second, ancestry.common(txn, ours, theirs), mine, right)
    remembered, clashes = _remembered(txn, sides)
    ledger, contradictions = _known(txn, sides)
    clashes += contradictions
    if clashes and choice.prefer is None:
        raise MergeConflict(_refusal(clashes), tuple(clashes))
    bare = _bare(txn, sides, remembered)
    joined = _joined(txn, sides)
    before = {entry.digest for entry in _entries(txn, ours)}, {held.digest for held in _ledger(txn, ours)}
    after = {entry.digest for entry in remembered}, {record.digest for record in ledger}
    tiers = ("memories", "records")
    return Plan(
        (first, second),
        sides.base,
        tuple(remembered),
        bare,
        tuple(ledger),
        tuple(_refused(txn, sides)),
        tuple(mount for mount in _mounts(sides) if mount != name),
        {tier: len(new - old) for tier, old, new in zip(tiers, before, after, strict=True)},
        {tier: len(old - new) for tier, old, new in zip(tiers, before, after, strict=True)},
        joined,
        tuple(clashes),
        tuple(_notes(txn, sides, bare, joined)),
    )


def merge_commit(recorder: Recorder, plan: Plan, journal: tuple[str, int]) -> Commit:
    """The commit with two parents that a plan comes to; it is not written yet. Raises RevisionNotFound."""
    first, second = plan.parents
    commits.require_kept(recorder, second)
    state = state_of(first)
    entries = [remembering.bare(recorder, each) if each.digest in plan.bare else each for each in plan.entries]
    found = remembering.rebuilt(recorder, entries)
    ledger = fastweights.append(recorder, None, plan.ledger)
    known = {held.digest for held in fastweights.read(recorder, state.ledger)}
    taught = {record.key for record in plan.ledger if record.digest not in known}
    refused = fastweights.settled(recorder, state.refused, plan.refused, taught)
    merged = replace(
        state,
        episodes=found.episodes,
        episode_kv=found.kv,
        ledger=ledger,
        refused=refused,
        mounts=plan.mounts,
        journal=journal,
        events=_with_parts(recorder, first, plan.joined),
    )
    metrics = {**{f"gained_{tier}": n for tier, n in plan.gained.items()}, **{f"lost_{t}": n for t, n in plan.lost.items()}}
    return replace(revised(first, "merge", merged), parents=(first.digest, second.digest), metrics=metrics)


# memories


def _remembered(txn: ReadTxn, sides: _Sides) -> tuple[list[Entry], list[Clash]]:
    """What is remembered after the merge: the first side's, changed where the second did, then what that alone has."""
    first, second = _entries(txn, sides.first), _entries(txn, sides.second)
    base = {entry.id: entry for entry in _entries(txn, sides.base)}
    there, here = {entry.id: entry for entry in second}, {entry.id for entry in first}
    kept: list[Entry] = []
    clashes: list[Clash] = []
    for entry in first:
        chosen = _chosen(txn, sides, entry, there.get(entry.id), base.get(entry.id), clashes)
        kept += [] if chosen is None else [chosen._replace(end=entry.end)]
    shared = _shared(txn, sides)
    for entry in second:
        if entry.id in here:
            continue
        old = base.get(entry.id)
        # What both heard is remembered by the conversation that goes on, when it leaves its window.
        heard = old is None and 0 < entry.end <= shared and not entry.pinned
        chosen = None if heard else _chosen(txn, sides, None, entry, old, clashes) if old else entry
        # As a document's: its place is in another token log, and going back in this one must not take it away.
        kept += [] if chosen is None else [chosen._replace(end=0)]
    return kept, clashes


def _chosen(
    txn: ReadTxn, sides: _Sides, first: Entry | None, second: Entry | None, base: Entry | None, clashes: list[Clash]
) -> Entry | None:
    """Which of both states of one memory holds; None: it is forgotten, or was never there."""
    a, b, old = (None if each is None else each.digest for each in (first, second, base))
    if a == b or b == old:
        return first
    if a == old:
        return second
    said = [None if each is None else episodes.get(txn, each.digest) for each in (first, second)]
    if said[0] is not None and said[1] is not None and (said[0].text, said[0].pinned) == (said[1].text, said[1].pinned):
        return first
    told = [None if each is None else f"{each.text} (pinned)" if each.pinned else each.text for each in said]
    known = first or second
    clashes.append(sides.clash("memory", known.id if known else "", *told))
    return first if sides.first_is_right else second


def _shared(txn: ReadTxn, sides: _Sides) -> int:
    """How many tokens both conversations begin with, where they come from one."""
    if sides.base is None:
        return 0
    logs = [tokenlog.tokens(commits.runs(txn, side)) for side in (sides.first, sides.second)]
    pairs = enumerate(zip(*logs, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(map(len, logs)))


def _bare(txn: ReadTxn, sides: _Sides, kept: Sequence[Entry]) -> frozenset[Digest]:
    """The episodes that came over and were encoded behind another system prompt."""
    prompts = [[each.content for each in commits.messages(txn, side)[:1] if each.role == "system"] for side in sides[:2]]
    if prompts[0] == prompts[1]:
        return frozenset()
    own = {entry.digest for entry in _entries(txn, sides.first)}
    return frozenset(entry.digest for entry in kept if entry.digest not in own and entry.kv is not None)


# records


def _known(txn: ReadTxn, sides: _Sides) -> tuple[list[Record], list[Clash]]:
    """The ledger after the merge, in the order of writing, and where both learned something else of the same thing."""
    old = {held.digest for held in _ledger(txn, sides.base)}
    ledgers = [[held.digest for held in _ledger(txn, side)] for side in (sides.first, sides.second)]
    gone = {digest for digest in old if any(digest not in ledger for ledger in ledgers)}
    first, second = ([fastweights.get(txn, d) for d in ledger if d not in gone] for ledger in ledgers)
    found = [
        each
        for each in fastweights.compare(first, second).conflicts
        if old.isdisjoint((each.ours.digest, each.theirs.digest))
    ]
    keys = {each.ours.key for each in found}
    clashes = [sides.clash("record", each.ours.key, each.ours.statement, each.theirs.statement) for each in found]
    wrong = _fresh(second if sides.first_is_right else first, old, keys)
    return [record for record in fastweights.union(first, second) if record.digest not in wrong], clashes


def _fresh(records: Sequence[Record], old: Collection[Digest], keys: Collection[str]) -> set[Digest]:
    """Those of some keys that the common commit did not have."""
    return {record.digest for record in records if record.key in keys and record.digest not in old}


def _refused(txn: ReadTxn, sides: _Sides) -> Iterator[Refusal]:
    """Refusals that the second side alone has."""
    first, second = (list(fastweights.refusals(txn, state_of(side).refused)) for side in (sides.first, sides.second))
    known = {(each.key, each.writer) for each in first}
    return (each for each in second if (each.key, each.writer) not in known)


def _mounts(sides: _Sides) -> list[str]:
    first, second = state_of(sides.first).mounts, state_of(sides.second).mounts
    base = () if sides.base is None else state_of(sides.base).mounts
    kept = [mount for mount in first if mount in second or mount not in base]
    return kept + [mount for mount in second if mount not in first and mount not in base]


# summaries


def _joined(txn: ReadTxn, sides: _Sides) -> joining.Parts | None:
    """The sums over tokens that the second side alone has summarised, where the first can take them in."""
    first, second = (joining.summary_of(txn, side) for side in (sides.first, sides.second))
    if second is None or not joining.add_up(first, second):
        return None
    met = _met(txn, sides)
    known = max(_shared(txn, sides), 0 if met is None else joining.folded(joining.summary_of(txn, met)))
    # After merges crosswise what the second has of others may be the first's own.
    return joining.parts(second, known, borrowed=met is None or met == sides.base)


def _met(txn: ReadTxn, sides: _Sides) -> Commit | None:
    """The last commit of the second side's own conversation that the first has or took in."""
    known = {commit.digest for commit in ancestry.ancestors(txn, [sides.first])}
    return next((commit for commit in commits.history(txn, sides.second) if commit.digest in known), None)


def _with_parts(recorder: Recorder, first: Commit, parts: joining.Parts | None) -> Digest | None:
    """The first side's events, and that the summary took in these parts."""
    root = state_of(first).events
    if parts is None:
        return root
    summary = recorder.put(commits.SUMMARY, parts.payload, meta=parts.meta)
    joined = Event(first.tokens, JOIN, {"summary": summary, "tokens": parts.tokens})
    return tree.extended(recorder, root, events.entries(recorder, [joined]))


# what can be said of it


def _require_one_model(txn: ReadTxn, ours: Commit, theirs: Commit) -> None:
    mine, other = (Recipe.from_meta(txn.get(commit.recipe).meta) for commit in (ours, theirs))
    differences = mine.difference(other)
    if differences:
        first = differences[0]
        raise RecipeMismatch(
            f"{theirs.short} was computed by another model, or otherwise, than {ours.short}: the part {first.field} of the "
            "recipe differs. Merge sessions of one model; the documents of the other can be remembered anew.",
            field=first.field,
            stored=first.stored,
            present=first.present,
        )


def _refusal(clashes: Sequence[Clash]) -> str:
    several = len(clashes) > 1
    named = ", ".join(f"{each.tier} {each.name[:40]}" for each in clashes[:4]) + (", ..." if len(clashes) > 4 else "")
    return (
        f"{len(clashes)} things were" if several else "One thing was"
    ) + f" changed on both sides: {named}. Nothing was merged; say which side to prefer, ours or theirs."


def _notes(txn: ReadTxn, sides: _Sides, bare: Collection[Digest], joined: joining.Parts | None) -> Iterator[str]:
    if sides.base is None:
        yield "Both have no common commit, so all that was merged in counts as new."
    if joined is not None:
        yield f"The summary takes in {joined.tokens} tokens that the other side summarised of its past."
    elif any(event.kind == "evict" for event in commits.events(txn, sides.second)):
        yield "What the other side summarised of its past stays behind; what it remembers of that came along."
    if bare:
        yield f"{len(bare)} memories were encoded behind another system prompt; they are encoded again when recalled."


def _entries(txn: ReadTxn, commit: Commit | None) -> list[Entry]:
    return [] if commit is None else list(remembering.read(txn, state_of(commit).episodes))


def _ledger(txn: ReadTxn, commit: Commit | None) -> list[fastweights.Held]:
    return [] if commit is None else list(fastweights.read(txn, state_of(commit).ledger))
