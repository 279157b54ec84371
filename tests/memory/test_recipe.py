"""The recipe names what differs."""

from __future__ import annotations

import pytest
import torch

from perdure.errors import InvalidInput, RecipeMismatch
from perdure.memory.recipe import PARTS, Difference, Recipe, content_digest, weights_digest


def recipe(**changes: str) -> Recipe:
    return Recipe.of(**{**{name: f"{name} value" for name in PARTS}, **changes})


def test_equal_parts_in_any_order_are_the_same_recipe() -> None:
    parts = recipe().to_meta()
    again = Recipe.from_meta(dict(reversed(parts.items())))
    assert again == recipe()
    assert again.digest == recipe().digest
    assert len(again.digest) == 32
    assert again.hex == again.digest.hex()
    recipe().require_same(again)


@pytest.mark.parametrize("name", PARTS)
def test_every_part_counts_and_is_named(name: str) -> None:
    stored, present = recipe(), recipe(**{name: "another"})
    assert stored.digest != present.digest
    assert stored.difference(present) == [Difference(name, f"{name} value", "another")]
    with pytest.raises(RecipeMismatch, match="--as-text") as caught:
        stored.require_same(present)
    assert PARTS[name] in str(caught.value)
    assert (caught.value.field, caught.value.stored, caught.value.present) == (name, f"{name} value", "another")


def test_the_weightiest_difference_comes_first_and_the_others_are_counted() -> None:
    present = recipe(threads="2", weights="f" * 64, dtype="float32")
    assert [part.field for part in recipe().difference(present)] == ["weights", "dtype", "threads"]
    with pytest.raises(RecipeMismatch, match=r"the model's weights have changed.*digest f{12} \(2 more parts differ too\)"):
        recipe().require_same(present)


def test_a_recipe_of_another_version_is_compared_part_by_part() -> None:
    newer = Recipe.from_meta({**recipe().to_meta(), "rope": "long"})
    older = Recipe.from_meta({k: v for k, v in recipe().to_meta().items() if k != "grid"})
    assert newer.difference(recipe()) == [Difference("rope", "long", "")]
    assert older.difference(recipe()) == [Difference("grid", "", "grid value")]
    with pytest.raises(RecipeMismatch, match="computed with none"):
        older.require_same(recipe())
    assert Recipe.from_meta(newer.to_meta()) == newer


def test_what_is_no_recipe_is_refused() -> None:
    with pytest.raises(InvalidInput, match="weights"):
        Recipe.of(dtype="float32")
    with pytest.raises(InvalidInput, match="damaged"):
        Recipe.from_meta({"dtype": 3})


def test_replace_changes_one_part() -> None:
    assert recipe().replace(adapters="a").difference(recipe()) == [Difference("adapters", "a", "adapters value")]
    with pytest.raises(InvalidInput):
        recipe().replace(colour="red")


def test_content_digest_ignores_the_order_of_maps_only() -> None:
    assert content_digest("d", {"a": 1, "b": [1, 2]}) == content_digest("d", {"b": [1, 2], "a": 1})
    assert content_digest("d", [1, 2]) != content_digest("d", [2, 1])
    assert content_digest("d", {"a": 1}) != content_digest("e", {"a": 1})
    assert content_digest("d", {"a": 1}) != content_digest("d", {"a": 1.0})
    assert content_digest("d", {3, 1, 2}) == content_digest("d", {1, 2, 3})


def test_weights_are_told_apart_by_name_dtype_shape_and_bits() -> None:
    base = torch.arange(12, dtype=torch.float32)
    variants = [
        [("a", base)],
        [("b", base)],
        [("a", base.bfloat16())],
        [("a", base.reshape(3, 4))],
        [("a", base.reshape(4, 3).T)],
        [("a", torch.cat([base[:-1], base[-1:] + 1e-6]))],
        [("a", -base)],
        [("a", base), ("b", torch.zeros(()))],
        [("a", base), ("b", torch.empty(0))],
    ]
    assert len({weights_digest(tensors) for tensors in variants}) == len(variants)


def test_order_and_ties_do_not_matter() -> None:
    one, two = torch.ones(3), torch.zeros(2, 2)
    assert weights_digest([("a", one), ("b", two)]) == weights_digest([("b", two), ("a", one)])
    assert weights_digest([("a", one), ("b", one)]) == weights_digest([("a", one)])
