"""What sessions and profiles know by fast weights, read from a store: no model is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import InvalidInput, SessionNotFound
from ..memory.names import checked
from .origins import Keeps, origins

if TYPE_CHECKING:
    from ..memory.fastweights import Comparison, Held, Record, Refusal
    from ..memory.native import Native
    from ..memory.records import Commit, Message, SessionInfo
    from ..stores.base import Digest


class Ledgers(Keeps, Protocol):
    """What is read of a store."""

    def sessions(self) -> list[SessionInfo]: ...

    def info(self, name: str) -> SessionInfo: ...

    def exists(self, name: str) -> bool: ...

    def messages(self, rev: str, session: str | None = None) -> list[Message]: ...

    def ledger(self, commit: Commit) -> list[Held]: ...

    def records(self, digests: Iterable[Digest]) -> list[Record]: ...

    def natives(self, commit: Commit) -> list[Native]: ...
    def refusals(self, commit: Commit) -> list[Refusal]: ...


class Ledger(NamedTuple):
    """The records that one branch holds, and where it stands; `commit` None: the branch is not there any more."""

    branch: str
    commit: Commit | None
    held: tuple[Held, ...]


class Row(NamedTuple):
    """A record that counts somewhere, the branches that hold it, and the later one that holds in its place (None: none)."""

    held: Held
    branches: tuple[str, ...]
    holder: Held | None


class Known(NamedTuple):
    """The same with the records themselves."""

    record: Record
    branches: tuple[str, ...]
    holder: Record | None

    @property
    def contradicted(self) -> bool:
        """Whether what holds in its place says something else."""
        return self.holder is not None and self.holder.value.casefold() != self.record.value.casefold()


class Mounted(NamedTuple):
    """A branch whose ledger counts in a session. `missing`: it is not there any more."""

    name: str
    records: int
    nbytes: int
    missing: bool


class Tier(NamedTuple):
    """What a session knows by fast weights: all records that count, `own` of them its own, and what it mounts.

    Of `source_deleted` of them the session or the commit that taught them is not in the store; they count as before.
    """

    records: int
    superseded: int
    source_deleted: int
    own: int
    nbytes: int
    mounts: tuple[Mounted, ...]


class Profile(NamedTuple):
    """A branch that holds records."""

    info: SessionInfo
    records: int
    superseded: int
    nbytes: int


def mounts(commit: Commit) -> tuple[str, ...]:
    """The branches whose ledgers count at a commit beside its own."""
    return commit.state.mounts if commit.state is not None else ()


def ledgers(history: Ledgers, name: str, commit: Commit) -> list[Ledger]:
    """The ledgers that count at a commit of `name`, in the order in which the later ones outweigh the former."""
    return [*(_mounted(history, branch) for branch in mounts(commit)), Ledger(name, commit, tuple(history.ledger(commit)))]


def _mounted(history: Ledgers, branch: str) -> Ledger:
    if not history.exists(branch):
        return Ledger(branch, None, ())
    head = history.info(branch).head
    return Ledger(branch, head, tuple(history.ledger(head)))


def rows(found: Iterable[Ledger]) -> list[Row]:
    """Every record once, in the ledgers' order."""
    from ..memory.facts import holders

    branches: dict[str, list[str]] = {}
    listed: dict[str, Held] = {}
    for ledger in found:
        for held in ledger.held:
            listed.setdefault(held.id, held)
            branches.setdefault(held.id, []).append(ledger.branch)
    every = list(listed.values())
    last = [every[place] for place in holders([held.key for held in every])]
    return [Row(each, tuple(branches[each.id]), _other(holder, each)) for each, holder in zip(every, last, strict=True)]


def _other(holder: Held, held: Held) -> Held | None:
    return None if holder.id == held.id else holder


def opened(history: Ledgers, listed: Sequence[Row]) -> list[Known]:
    """Rows with their records read."""
    wanted = dict.fromkeys(held.digest for row in listed for held in (row.held, row.holder) if held is not None)
    records = {record.digest: record for record in history.records(wanted)}
    return [
        Known(records[row.held.digest], row.branches, None if row.holder is None else records[row.holder.digest])
        for row in listed
    ]


def tier(history: Ledgers, found: Sequence[Ledger]) -> Tier:
    """What some ledgers come to; the last of them is the session's own."""
    listed = rows(found)
    superseded = sum(row.holder is not None for row in listed)
    nbytes = _bytes(row.held for row in listed)
    return Tier(len(listed), superseded, _orphans(history, listed), len(found[-1].held), nbytes, tuple(mounted(found)))


def mounted(found: Sequence[Ledger]) -> list[Mounted]:
    """What those ledgers come to that are not the session's own."""
    return [Mounted(each.branch, len(each.held), _bytes(each.held), each.commit is None) for each in found[:-1]]


def _orphans(history: Ledgers, listed: Iterable[Row]) -> int:
    records = history.records(row.held.digest for row in listed)
    left = origins(history, records)
    return sum(left.orphaned(record) for record in records)


def profiles(history: Ledgers) -> list[Profile]:
    """The branches that hold records, by name."""
    found = [(info, history.ledger(info.head)) for info in history.sessions()]
    return [_profile(info, held) for info, held in found if held]


def _profile(info: SessionInfo, held: Sequence[Held]) -> Profile:
    from ..memory.facts import holders

    superseded = sum(place != holder for place, holder in enumerate(holders([each.key for each in held])))
    return Profile(info, len(held), superseded, _bytes(held))


def _bytes(held: Iterable[Held]) -> int:
    return sum(each.nbytes for each in held)


def require(history: Ledgers, session: str | None, names: Iterable[str], *, hint: Callable[[str], str]) -> None:
    """That a session can mount these branches; None: any session but they themselves.

    Raises SessionNotFound, with a hint at how one is made, InvalidName or InvalidInput.
    """
    for name in names:
        if name == session:
            raise InvalidInput(f"{session} is the session itself; what it holds counts there without being mounted.")
        if not history.exists(checked(name, "profile")):
            raise SessionNotFound(f"There is no profile {name!r}. {hint(name)}")


def compared(history: Ledgers, ours: Commit, theirs: Commit) -> Comparison:
    """What sets the ledgers of two commits apart."""
    from ..memory.fastweights import compare

    a, b = (history.records(held.digest for held in history.ledger(commit)) for commit in (ours, theirs))
    return compare(a, b)


def foreign(history: Ledgers, name: str, weights: str) -> bool:
    """Whether a branch's newest record was written for other weights than these."""
    held = history.ledger(history.info(name).head)
    return bool(held) and history.records([held[-1].digest])[0].weights != weights
