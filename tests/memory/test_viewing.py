"""What a session holds inside, without a model: lists compared, blocks shared between sessions, parts of the log."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from perdure.errors import SessionNotFound
from perdure.memory import blockmap, commits, tree
from perdure.memory.memo import Memo
from perdure.memory.norms import layer_of
from perdure.memory.records import Commit
from perdure.memory.repository import Repository
from perdure.stores.memory import MemoryStore

from .conftest import Turn

SIZES = (0, 1, 31, 32, 33, 64, 1023, 1024, 1025, 1100)


@pytest.fixture
def build() -> Callable[[list[int]], bytes]:
    """Writes a list of numbers; the same number is the same object."""
    store = MemoryStore()

    def build(numbers: list[int]) -> bytes:
        with store.write() as txn:
            entries = [tree.Entry(number, txn.put("message", str(number).encode())) for number in numbers]
            return tree.build(txn, entries)

    build.store = store  # type: ignore[attr-defined]
    return build


@pytest.mark.parametrize("kept", SIZES)
@pytest.mark.parametrize("more", [0, 1, 40])
def test_lists_share_what_they_begin_with(build: Callable[[list[int]], bytes], kept: int, more: int) -> None:
    a = build(list(range(1100)))
    b = build([*range(kept), *range(5000, 5000 + more)])
    with build.store.read() as txn:  # type: ignore[attr-defined]
        assert tree.common(txn, a, b) == tree.common(txn, b, a) == kept


def test_what_sets_two_lists_apart(build: Callable[[list[int]], bytes]) -> None:
    rng = random.Random(5)
    for _ in range(20):
        a = list(range(rng.choice(SIZES)))
        b = [number for number in a if rng.random() > 0.01][: rng.choice(SIZES)] + list(
            range(9000, 9000 + rng.randrange(50))
        )
        x, y = build(a), build(b)
        with build.store.read() as txn:  # type: ignore[attr-defined]
            of = {root: {*tree.nodes(txn, root), *(entry.ref for entry in tree.iterate(txn, root))} for root in (x, y)}
            mine, others = tree.differing(txn, x, y)
            assert (mine, others) == tree.differing(txn, y, x)[::-1]
            assert of[x] - of[y] <= mine <= of[x]
            assert of[y] - of[x] <= others <= of[y]
            entries = {root: {entry.ref for entry in tree.iterate(txn, root)} for root in (x, y)}
            assert mine & entries[x] == entries[x] - entries[y]
            assert tree.differing(txn, x, None) == (of[x], set())


def test_blocks_are_counted_by_the_sessions_that_have_them(repository: Repository, turn: Turn) -> None:
    for number in range(3):
        turn("ada", f"Turn {number}.", tokens=300)
    repository.fork("ada", "bob", "@turn:1")
    turn("bob", "Other.", tokens=300)
    repository.fork("ada", "cleo")
    turn("dan", "Alone.", tokens=300)
    repository.create("new", repository.recipe(repository.info("ada").head))
    (group,) = repository.block_groups(repository.info("ada").head)
    shared = repository.block_sharing("ada", group)
    lists = {
        name: {digest for _, _, digest in repository.blocks(repository.info(name).head)} for name in ("ada", "bob", "cleo")
    }
    assert shared == {"bob": len(lists["ada"] & lists["bob"]), "cleo": len(lists["ada"])}
    wanted = [sum(block.digest in blocks for blocks in lists.values()) for block in group.blocks]
    assert blockmap.holders(shared, len(group.blocks)) == wanted
    repository.remove("cleo")
    assert repository.block_sharing("ada", group) == {"bob": shared["bob"]}


def test_writers_are_told_after_a_reset_too(repository: Repository, turn: Turn) -> None:
    turn("ada", "One.", tokens=100)
    turn("ada", "Two.", tokens=100)
    repository.reset("ada", "@turn:1")
    turn("ada", "Three.", tokens=100)
    head = repository.info("ada").head
    first, last = (repository.resolve(f"ada@turn:{number}") for number in (1, 2))
    written = repository.block_writers(head, blockmap.FULL)
    blocks = [digest for _, _, digest in repository.blocks(head)]
    assert [written[digest].hex for digest in blocks] == [first.hex] * 2 + [last.hex] * (len(blocks) - 2)


def test_a_part_of_the_log(repository: Repository, turn: Turn) -> None:
    turn("ada", tokens=2500)
    turn("ada", "More.", tokens=70)
    head, whole = repository.info("ada").head, repository.tokens("ada")
    for start, end in ((0, 10), (1000, 1030), (2490, 2570), (2569, 9999), (5, 5), (3000, 4000), (0, 2570)):
        assert repository.part(head, start, end) == whole[start:end]


def test_the_family_of_a_session(repository: Repository, turn: Turn) -> None:
    turn("ada", "One.")
    repository.fork("ada", "bob")
    repository.fork("bob", "cleo")
    turn("cleo", "Two.")
    turn("dan", "Alone.")
    order = repository.family("ada")
    assert {commit.hex for commit in order} == {commit.hex for commit in repository.log("cleo")}
    nodes = repository.nodes("ada", order)
    assert [node.branches for node in nodes] == [("cleo",), ("ada", "bob"), ()]
    assert repository.family("dan")[0].hex == repository.info("dan").head.hex
    with pytest.raises(SessionNotFound):
        repository.family("nobody")


def test_a_history_is_walked_from_its_newest_commits(repository: Repository, turn: Turn) -> None:
    for number in range(5):
        turn("ada", f"Turn {number}.", tokens=40)
        repository.fork("ada", f"fork{number}")
        turn(f"fork{number}", "Other.", tokens=40)
    heads = [info.head for info in repository.sessions()]
    whole = repository.walk(heads)
    assert {commit.hex for commit in whole} == {commit.hex for name in repository.heads() for commit in repository.log(name)}
    place = {commit.digest: number for number, commit in enumerate(whole)}
    assert all(place[commit.digest] < place[parent] for commit in whole for parent in commit.parents)
    assert len(repository.walk(heads, 4)) == 4
    listed = repository.nodes(None, whole)
    assert sorted(name for node in listed for name in node.branches) == sorted(repository.heads())
    assert repository.nodes("fork4", whole)[0].added == listed[0].added


@pytest.mark.parametrize("seed", range(5))
def test_children_come_before_their_parents_whatever_clocks_said(repository: Repository, turn: Turn, seed: int) -> None:
    rng = random.Random(seed)
    base = turn("ada").head
    made: list[Commit] = []
    with repository.store.write() as txn:
        for number in range(60):
            parents = tuple({each.digest for each in rng.sample(made, min(len(made), rng.choice((1, 1, 2))))})
            drawn = replace(base, parents=parents, title=str(number), time_ms=rng.randrange(1000))
            made.append(replace(drawn, digest=commits.write(txn, drawn)))
    order = [commit.digest for commit in repository.walk(rng.sample(made, 60))]
    assert sorted(order) == sorted(commit.digest for commit in made)
    assert all(order.index(each.digest) < order.index(parent) for each in made for parent in each.parents)


def test_a_list_that_is_lost_leaves_the_history_to_look_at(repository: Repository, turn: Turn) -> None:
    turn("ada", "One.", tokens=100)
    head = turn("ada", "Two.", tokens=100).head
    assert head.state is not None
    with repository.store.write() as txn:
        txn.delete(head.state.blocks)
    node, *_ = repository.nodes(None, [head])
    assert node.branches == ("ada",)
    assert (node.added["working"], node.added["log"] > 0) == (0, True)


def test_a_memo_keeps_what_was_asked_for_last() -> None:
    memo: Memo[int, int] = Memo(2)
    made: list[int] = []

    def make(number: int) -> int:
        made.append(number)
        return number * number

    for number in (1, 2, 1, 3, 1, 2):
        assert memo.of(number, lambda number=number: make(number)) == number * number  # type: ignore[misc]
    assert made == [1, 2, 3, 2]
    with pytest.raises(ZeroDivisionError):
        memo.of(9, lambda: 1 // 0)
    assert memo.of(9, lambda: 81) == 81


@pytest.mark.parametrize(
    ("path", "layer"),
    [("0.conv_states.0", 0), ("value.12.1", 12), ("extra.3", 3), ("value.seqlen_offset", None), ("mass.0", None)],
)
def test_the_layer_of_a_tensor(path: str, layer: int | None) -> None:
    assert layer_of(path) == layer
