"""The strip of recurrent states: of a hybrid model the norms that the interface gives, of another one why there are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from perdure.testing.families import tiny_model

from .conftest import NARROW, WIDE, opened
from .served import Served, served

NAME = "states-told"
SCREEN = f"/ui/sessions/{NAME}/states"
TURNS = 4


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose model has two layers with recurrent and convolution states, and two that attend."""
    folder = tmp_path_factory.mktemp("hybrid")
    with served(tiny_model("qwen3_next", folder / "model"), folder / "store") as api:
        api.say(NAME, *(f"Question number {turn}." for turn in range(TURNS)))
        yield api


@pytest.fixture
def wide(browser: Browser, hybrid: Served) -> Iterator[Page]:
    yield from opened(browser, hybrid.url, WIDE)


def asked(api: Served, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/sessions/{NAME}/states", params=query)
    return found


def cells(page: Page, row: int) -> list[str]:
    return [each.get_attribute("aria-label") or "" for each in page.locator(".strip tbody tr").nth(row).locator("td").all()]


def test_the_norms_are_those_of_the_interface(wide: Page, hybrid: Served) -> None:
    body = asked(hybrid)
    wide.goto(SCREEN)
    expect(wide.locator(".strip thead th")).to_have_text([f"turn {turn + 1}" for turn in range(TURNS)])
    recurrent = [at for at, each in enumerate(body["tensors"]) if "recurrent" in each["tensor"]]
    expect(wide.locator(".strip tbody th")).to_have_text([f"Layer {body['tensors'][at]['layer']}" for at in recurrent])
    for row, at in enumerate(recurrent):
        told = cells(wide, row)
        assert len(told) == TURNS
        for said, commit in zip(told, body["data"][::-1], strict=True):
            assert said.startswith(f"Layer {body['tensors'][at]['layer']}, turn {commit['turn']}, commit {commit['id'][:8]}")
            assert float(said.rsplit(" ", 1)[1]) == pytest.approx(commit["norms"][at], rel=1e-5)
    expect(wide.locator(".tile", has_text="tokens absorbed").locator(".value")).to_have_text(
        f"{body['data'][0]['position']:,}"
    )


def test_the_largest_norm_has_the_strongest_colour(wide: Page, hybrid: Served) -> None:
    body = asked(hybrid)
    at = next(at for at, each in enumerate(body["tensors"]) if "recurrent" in each["tensor"])
    norms = [commit["norms"][at] for commit in body["data"][::-1]]
    wide.goto(SCREEN)
    row = wide.locator(".strip tbody tr").first.locator("td")
    expect(row).to_have_count(TURNS)
    shares = [float(each.evaluate("cell => cell.style.getPropertyValue('--share')").rstrip("%")) for each in row.all()]
    assert shares.index(max(shares)) == norms.index(max(norms))
    assert (min(shares), max(shares)) == (8, 100)
    wide.get_by_role("button", name="One scale", exact=True).click()
    expect(wide.locator(".strip .ramp")).not_to_contain_text("layer")
    assert "scale=all" in wide.url


def test_another_kind_of_state_is_a_click_away(wide: Page, hybrid: Served) -> None:
    body = asked(hybrid)
    at = next(at for at, each in enumerate(body["tensors"]) if "conv" in each["tensor"])
    wide.goto(SCREEN)
    wide.get_by_role("button", name="conv states").click()
    expect(wide.get_by_role("table", name="Norms of conv states, layers by commits")).to_be_visible()
    assert float(cells(wide, 0)[-1].rsplit(" ", 1)[1]) == pytest.approx(body["data"][0]["norms"][at], rel=1e-5)
    assert "kind=conv_states" in wide.url


def test_a_commit_tells_all_its_norms(wide: Page, hybrid: Served) -> None:
    body = asked(hybrid)
    chosen = body["data"][2]
    wide.goto(SCREEN)
    wide.locator(".strip tbody td").nth(TURNS - 1).focus()
    for key in ("ArrowLeft", "ArrowLeft", "Enter"):
        wide.keyboard.press(key)
    expect(wide.get_by_role("link", name=chosen["id"][:8])).to_be_visible()
    rows = wide.locator("table.list tbody tr")
    expect(rows).to_have_count(len(body["tensors"]))
    for row, norm, tensor in zip(rows.all(), chosen["norms"], body["tensors"], strict=True):
        expect(row.locator("td").nth(1)).to_have_text(tensor["tensor"])
        expect(row.locator("td").nth(3)).to_have_text(f"{norm:.6g}")
    assert f"commit={chosen['id']}" in wide.url
    wide.reload()
    expect(wide.get_by_role("link", name=chosen["id"][:8])).to_be_visible()


def test_it_is_shown_as_it_was(wide: Page, hybrid: Served) -> None:
    wide.goto(f"{SCREEN}?at=@turn:2")
    expect(wide.locator(".strip thead th")).to_have_text(["turn 1", "turn 2"])


def test_a_hybrid_model_has_a_map_and_a_context_too(wide: Page, hybrid: Served) -> None:
    fixed = hybrid.ask(f"/v1/sessions/{NAME}/memory/context")["fixed_bytes"]
    assert fixed > 0
    wide.goto(f"/ui/sessions/{NAME}/context")
    expect(wide.locator(".legend button", has_text="States")).to_be_visible()
    wide.goto(f"/ui/sessions/{NAME}/blocks")
    layers = {each["layer"] for each in hybrid.ask(f"/v1/sessions/{NAME}/blocks")["groups"][0]["layers"]}
    assert layers == {1, 3}
    wide.locator(".frame").hover(position={"x": 60, "y": 12})
    expect(wide.locator(".tip")).to_contain_text("Layer 1, tokens 0")


def test_a_model_that_only_attends_is_told_of(page: Page, api: Served) -> None:
    api.say("states-none", "Hello.")
    reason = api.ask("/v1/sessions/states-none/states")["reason"]
    page.goto("/ui/sessions/states-none/states")
    expect(page.get_by_text(reason)).to_be_visible()
    page.get_by_role("link", name="See the keys and values").click()
    page.wait_for_url("**/ui/sessions/states-none/blocks")


def test_a_telephone_shows_all_without_scrolling_sideways(browser: Browser, hybrid: Served) -> None:
    for narrow in opened(browser, hybrid.url, NARROW):
        narrow.goto(SCREEN)
        expect(narrow.locator(".strip tbody td").last).to_be_visible()
        assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
