"""What the blocks of a KV map are, by each of the things that they can be coloured by, and what the legends say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ....client.results import BlockGroup, Blocks
from .figures import ago, count, reach, size

BY = {"tier": "Tier", "sharing": "Sharing", "codec": "Codec", "age": "Age"}

TIERS = {
    "system": "System prompt",
    "sink": "Sinks",
    "window": "Window",
    "summary": "In the summary",
    "stored": "On disk alone",
}
SHARING = ((1, "This session alone"), (2, "2 sessions"), (4, "3 or 4 sessions"), (1 << 62, "5 sessions or more"))
AGES = 6
"""Shades from the oldest turn to the latest."""
CODECS = 4
"""Colours that there are for codecs."""


class Kind(NamedTuple):
    """A line of a legend; `colour` is a variable of the style sheet."""

    name: str
    colour: str
    said: str


class Kinds(NamedTuple):
    """For each group of layers a number into `legend` for each of its blocks."""

    of: Mapping[str, Sequence[int]]
    legend: Sequence[Kind]


def kinds(found: Blocks, system: int) -> dict[str, Kinds]:
    """By all of `BY`. The first `system` tokens are those of the system prompt."""
    return {"tier": _tiers(found, system), "sharing": _sharing(found), "codec": _codecs(found), "age": _ages(found)}


def tier(found: Blocks, group: BlockGroup, number: int, system: int) -> str:
    """A name of `TIERS`: a sink that begins within the system prompt is called by that."""
    name = found.tiers[group.columns["tier"][number]]
    return "system" if name == "sink" and group.columns["start"][number] < system else name


def _tiers(found: Blocks, system: int) -> Kinds:
    names = list(TIERS)
    return _by(
        found,
        lambda group, number: names.index(tier(found, group, number, system)),
        [(said, f"--c-tier-{name}") for name, said in TIERS.items()],
    )


def _sharing(found: Blocks) -> Kinds:
    def of(group: BlockGroup, number: int) -> int:
        return next(at for at, (most, _) in enumerate(SHARING) if group.columns["sessions"][number] <= most)

    return _by(found, of, [(said, f"--c-sharing-{at}") for at, (_, said) in enumerate(SHARING)])


def _codecs(found: Blocks) -> Kinds:
    names = sorted({_codec(group) for group in found.groups})
    listed = [(name, f"--c-codec-{at % CODECS}") for at, name in enumerate(names)]

    def of(group: BlockGroup, number: int) -> int:
        return names.index(_codec(group)) if group.columns["bytes"][number] else len(names)

    return _by(found, of, [*listed, ("Not in the store; computed again when needed", "--c-bad")])


def _codec(group: BlockGroup) -> str:
    return f"{group.codec} ({group.dtype})" if group.codec else "not known"


def _ages(found: Blocks) -> Kinds:
    """Turns in as many parts as there are shades; a block that no commit of the conversation wrote counts as the oldest."""
    times = [each["created_at"] for each in found.commits]
    turns = sorted({each["turn"] for each in found.commits}) or [0]
    shades = {turn: at * AGES // len(turns) for at, turn in enumerate(turns)}

    def of(group: BlockGroup, number: int) -> int:
        written = group.columns["commit"][number]
        return 0 if written is None else shades[found.commits[written]["turn"]]

    said = []
    for shade in range(AGES):
        mine = [turn for turn in turns if shades[turn] == shade]
        when = [time for time, each in zip(times, found.commits, strict=True) if each["turn"] in mine]
        turn = f"turn{'s' * (len(mine) > 1)} {reach(mine[0], mine[-1] + 1)}" if mine else ""
        said.append((f"{turn}, {ago(max(when))}" if when else turn, f"--c-age-{shade}"))
    return _by(found, of, said)


def _by(found: Blocks, of: Callable[[BlockGroup, int], int], listed: Sequence[tuple[str, str]]) -> Kinds:
    """Count blocks and bytes of each kind; kinds without any say nothing."""
    numbers = {group.group: [of(group, at) for at in range(len(group.columns["start"]))] for group in found.groups}
    blocks, nbytes = [0] * len(listed), [0] * len(listed)
    for group in found.groups:
        for kind, each in zip(numbers[group.group], group.columns["bytes"], strict=True):
            blocks[kind] += 1
            nbytes[kind] += each
    said = [
        f"{count(each)} block{'s' * (each > 1)}, {size(total)}" if each else ""
        for each, total in zip(blocks, nbytes, strict=True)
    ]
    return Kinds(numbers, [Kind(name, colour, text) for (name, colour), text in zip(listed, said, strict=True)])


def drawn(found: Blocks, system: int, other: str | None) -> dict[str, Any]:
    """All that a map draws; `other` is the session that it is compared with."""
    by = kinds(found, system)
    return {
        "other": other,
        "groups": [
            {
                "name": group.group,
                "layers": [{"layer": each["layer"], "kind": each["kind"]} for each in group.layers],
                **group.columns,
                "kinds": {key: each.of[group.group] for key, each in by.items()},
            }
            for group in found.groups
        ],
        "commits": [{**each, "ago": ago(each["created_at"])} for each in found.commits],
        "legends": {key: [kind._asdict() for kind in each.legend] for key, each in by.items()},
    }
