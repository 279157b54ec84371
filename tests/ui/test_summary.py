"""What left the window, by layers and heads, and what a question reads of it: the numbers of the interface."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .conftest import NARROW
from .served import Served, taught

NAME = "su-aunt"
PROBE = "Which wizards judge the lazy dog?"


@pytest.fixture(scope="module", autouse=True)
def aunt(api: Served) -> None:
    taught(api, NAME)


def heads(api: Served) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/sessions/{NAME}/memory/summary/heads")
    return found


def map_of(page: Page, panel: str) -> Locator:
    return page.locator(".panel", has=page.get_by_role("heading", name=panel)).locator("figure.heat")


def tile(page: Page, name: str) -> Locator:
    return page.locator(".tile", has_text=name).locator(".value")


def walked(grid: Locator, *keys: str) -> Locator:
    """Where the arrow keys lead from the first cell; what is told of it."""
    grid.locator("canvas").focus()
    for key in keys:
        grid.locator("canvas").press(key)
    return grid.locator(".told")


def test_numbers_and_heads_are_those_of_the_interface(page: Page, api: Served) -> None:
    page.goto(f"/ui/sessions/{NAME}/summary")
    tier, found = api.ask(f"/v1/sessions/{NAME}/memory/summary"), heads(api)
    expect(tile(page, "backend")).to_have_text("heavy-hitters")
    expect(tile(page, "entries per head")).to_have_text(f"{tier['entries']:,}")
    expect(tile(page, "after tokens")).to_have_text(f"{found['position']:,}")
    grid = map_of(page, "What each head holds")
    expect(walked(grid)).to_have_text(f"head 0, layer 0: {shown(found['layers'][0]['scores'][0])}")
    expect(walked(grid, "ArrowRight", "ArrowDown")).to_have_text(
        f"head 1, layer 1: {shown(found['layers'][1]['scores'][1])}"
    )
    grid.locator("canvas").press("Enter")
    expect(page.locator(".picked")).to_contain_text(f"{found['layers'][1]['entries'][1]:,} entries of tokens")
    expect(page).to_have_url(re.compile("layer=1&head=1"))
    page.get_by_role("button", name="Entries").click()
    expect(page.get_by_text("The attention that the entries")).to_have_count(0)
    expect(walked(grid)).to_have_text(f"head 0, layer 0: {found['layers'][0]['entries'][0]}")
    expect(page).to_have_url(re.compile("show=entries"))
    spread = map_of(page, "Where the entries are from")
    kept = sum(head[0] for head in found["layers"][0]["histogram"])
    expect(walked(spread)).to_have_text(
        f"layer 0, tokens {found['bins'][0]['start']}-{found['bins'][0]['end']}: {kept} entries"
    )


def test_a_heat_map_paints_more_where_there_is_more(page: Page, api: Served) -> None:
    page.goto(f"/ui/sessions/{NAME}/summary")
    canvas = map_of(page, "What each head holds").locator("canvas")
    expect(canvas).to_have_attribute(
        "aria-label",
        "The attention that the entries of each KV head had received when they "
        "left the window, by layer and head. Arrow keys go from cell to cell.",
    )
    scores = [layer["scores"][0] for layer in heads(api)["layers"]]
    painted = canvas.evaluate(
        """(canvas, count) => {
            const [context, dots] = [canvas.getContext("2d"), canvas.width / canvas.clientWidth];
            const left = Math.ceil(context.measureText("head 0").width) + 8;
            const across = (canvas.clientWidth - left) / count;
            const blue = (at) => context.getImageData((left + (at + 0.5) * across) * dots, 8 * dots, 1, 1).data[0];
            return Array.from({ length: count }, (_, at) => blue(at));
        }""",
        len(scores),
    )
    assert painted[scores.index(max(scores))] < painted[scores.index(min(scores))]


def test_a_probe_tells_what_a_question_reads(page: Page, api: Served) -> None:
    before = api.ask(f"/v1/sessions/{NAME}")["head"]
    page.goto(f"/ui/sessions/{NAME}/summary")
    page.get_by_label("A question").fill(PROBE)
    page.get_by_role("button", name="Probe").click()
    expect(page.get_by_text("By token of the question")).to_be_visible()
    found = api.ask(f"/v1/sessions/{NAME}/memory/summary/probe", "POST", json={"text": PROBE})
    expect(tile(page, "of what attention gives is the summary's")).to_have_text(f"{100 * found['mass']:.1f} %")
    tokens = page.locator(".shaded .token")
    expect(tokens).to_have_count(len(found["tokens"]))
    tokens.nth(2).hover()
    expect(page.locator(".shaded .told")).to_contain_text(f"{100 * found['by_token'][2]:.1f} %")
    rows = page.locator("table.entries tbody tr")
    expect(rows).to_have_count(len(found["entries"]))
    expect(rows.first).to_contain_text(f"{100 * found['entries'][0]['mass']:.2f} %")
    expect(rows.first.locator(".this")).to_contain_text(found["entries"][0]["text"].replace("\n", "⏎").strip())
    assert api.ask(f"/v1/sessions/{NAME}")["head"] == before
    expect(page).to_have_url(re.compile(r"probe=Which\+wizards"))
    page.reload()
    expect(rows).to_have_count(len(found["entries"]))


def test_where_nothing_has_left_the_window_it_says_so(page: Page, api: Served) -> None:
    api.say("su-new", "Hello")
    page.goto("/ui/sessions/su-new/summary?probe=Hello")
    expect(page.get_by_text("There is no summary: nothing has left the window yet.")).to_be_visible()
    expect(page.get_by_text("There is nothing to read: nothing has left the window yet.")).to_be_visible()


def test_a_telephone_shows_it_without_scrolling_sideways(narrow: Page) -> None:
    narrow.goto(f"/ui/sessions/{NAME}/summary?probe=Which wizards")
    expect(narrow.locator("table.entries tbody tr").first).to_be_visible()
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def shown(number: float) -> str:
    return f"{number:.2f}" if abs(number) >= 1 else f"{number:.2g}"
