"""Which of the learned gates are opened: those that foretell held-out text better, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from ...memory.summary import Calibration, Gone, Infini, Memory, Reader, SinksOnly, Summary
from .streams import STEP, Setting, Streams

SURE = 2.0
"""How many standard errors a gain must be above nothing, so that a calibration is not luck."""

Told = Callable[[], None]
"""Called after each text that was run."""


class Candidate(NamedTuple):
    name: str
    calibration: Calibration


class Gain(NamedTuple):
    """How much better one backend foretells texts than another, in nats a token: mean and standard error over forwards.

    `before` and `after` are the mean losses of both.
    """

    before: float
    after: float
    error: float

    @property
    def mean(self) -> float:
        return self.before - self.after

    @property
    def sure(self) -> bool:
        return self.mean > SURE * self.error


def candidates(learned: Calibration) -> Iterator[Candidate]:
    """All gates; all half as far open; and the widest half, quarter and tenth of them alone, the others closed."""
    yield Candidate("all", learned)
    yield Candidate("all, half as open", replace(learned, gates=tuple(gates / 2 for gates in learned.gates)))
    for name, share in (("half", 0.5), ("quarter", 0.25), ("tenth", 0.1)):
        yield Candidate(f"the widest {name}", widest(learned, share))


def widest(learned: Calibration, share: float) -> Calibration:
    """Only that share of the gates, the widest, is open."""
    every = torch.cat([gates.flatten() for gates in learned.gates])
    least = every.sort(descending=True).values[max(1, round(share * len(every))) - 1]
    return replace(learned, gates=tuple(torch.where(gates >= least, gates, 0.0) for gates in learned.gates))


def choose(
    streams: Streams, texts: Sequence[Sequence[int]], learned: Calibration, setting: Setting, told: Told
) -> tuple[Candidate, Gain] | None:
    """The candidate that gains most over the window alone on texts; None where none gains."""
    before = _run(streams, texts, SinksOnly(), setting, told)
    found = []
    for candidate in candidates(learned):
        after = _run(streams, texts, Infini(candidate.calibration), setting, told)
        found.append((candidate, _gain(before, after)))
    best = max(found, key=lambda pair: pair[1].mean)
    return best if best[1].mean > 0 else None


def confirm(
    streams: Streams,
    texts: Sequence[Sequence[int]],
    stranger: Sequence[int],
    chosen: Calibration,
    setting: Setting,
    told: Told,
) -> tuple[Gain, Gain]:
    """What a calibration gains over the window alone on texts that neither training nor the choice has seen.

    The second gain is the control: over the same with the memory of another text, `stranger`, which is what remembering
    is worth. What is left of the first without it is the model fitted to the kind of text, by gates that any memory feeds.
    """
    before = _run(streams, texts, SinksOnly(), setting, told)
    after = _run(streams, texts, Infini(chosen), setting, told)
    tape = _Taped(chosen)
    _run(streams, [stranger], tape, setting, told)
    parts = [_run(streams, [text], _Strange(chosen, tape.tape), setting, told) for text in texts]
    return _gain(before, after), _gain(torch.cat(parts), after)


class _Taped(Infini):
    """Keeps the memory after each fold."""

    def __init__(self, calibration: Calibration) -> None:
        super().__init__(calibration)
        self.tape: list[Memory] = []

    def fold(self, memory: Memory | None, gone: Gone) -> Memory | None:
        made = super().fold(memory, gone)
        self.tape += [] if made is None else [made]
        return made


class _Strange(_Taped):
    """Reads what another text had after as many folds."""

    def __init__(self, calibration: Calibration, other: Sequence[Memory]) -> None:
        super().__init__(calibration)
        self._other = other

    def reader(self, memory: Memory) -> Reader | None:
        return super().reader(self._other[min(len(self.tape), len(self._other)) - 1])


CANDIDATES = 5


def _run(streams: Streams, texts: Sequence[Sequence[int]], summary: Summary, setting: Setting, told: Told) -> Tensor:
    """The mean loss of every forward that may have a memory, [forwards]."""
    means = []
    for tokens in texts:
        losses = streams.losses(tokens, summary)[setting.first :]
        means += [part.mean() for part in torch.split(losses, STEP)]
        told()
    return torch.stack(means)


def _gain(before: Tensor, after: Tensor) -> Gain:
    difference = before - after
    error = float(difference.std() / len(difference) ** 0.5) if len(difference) > 1 else float("inf")
    return Gain(float(before.mean()), float(after.mean()), error)
