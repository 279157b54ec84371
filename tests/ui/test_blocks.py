"""The map of KV blocks: what it shows of each is what the interface says, however long the conversation is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from perdure.api.figures import size

from .conftest import NARROW
from .lengthy import LAYERS, lengthy
from .served import FACT, FILLER, Served, taught

NAME, FORK, LONG = "blocks-told", "blocks-fork", "blocks-long"
SCREEN = f"/ui/sessions/{NAME}/blocks"
LONG_TOKENS = 100_000
GUTTER, BAND, ROOM = 40, 7, 2
"""Of the map in pixels: beside the layers, above them, and what stays free at its end."""

REDRAW_MS = 50.0
"""Milliseconds in which a map is drawn again while it is scrolled, on a slow machine."""


@pytest.fixture(scope="module", autouse=True)
def told(api: Served) -> None:
    # Not as other files tell it on this server: sessions that begin alike share blocks.
    taught(api, NAME, f"{FACT}, which sleeps on blocks")
    api.ask(f"/v1/sessions/{NAME}/fork", "POST", json={"name": FORK, "at": "HEAD~2"})
    api.say(FORK, "Something else.")


def asked(api: Served, name: str = NAME, **query: Any) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"/v1/sessions/{name}/blocks", params={"limit": 4096, **query})
    return found


def columns(body: dict[str, Any]) -> dict[str, Any]:
    (group,) = body["groups"]
    found: dict[str, Any] = group["columns"]
    return found


def shown(page: Page, name: str) -> Locator:
    """The number of a tile."""
    return page.locator(".tile", has_text=re.compile(rf"\d\D*{re.escape(name)}\s*$")).locator(".value")


def spot(page: Page, body: dict[str, Any], number: int) -> tuple[float, float]:
    """The middle of a block in the map's first layer, from the map's corner."""
    found = columns(body)
    room = page.locator(".frame").evaluate("each => each.clientWidth") - GUTTER - ROOM
    middle = found["start"][number] + found["tokens"][number] / 2
    return GUTTER + middle * min(4, room / body["tokens"]), BAND + 4


def point(page: Page, body: dict[str, Any], number: int) -> Locator:
    """Point at a block; what is told of it."""
    x, y = spot(page, body, number)
    page.locator(".frame").hover(position={"x": x, "y": y})
    return page.locator(".tip")


def painted(page: Page, at: tuple[float, float]) -> list[int]:
    """The colour of the map there."""
    x, y = at
    colour: list[int] = page.locator(".frame canvas").evaluate(
        "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)", [round(x), round(y)]
    )
    return colour


def named(page: Page, variable: str) -> list[int]:
    """A colour of the style sheet."""
    written = page.evaluate("name => getComputedStyle(document.body).getPropertyValue(name).trim()", variable)
    return [int(written[at : at + 2], 16) for at in (1, 3, 5)]


def test_the_numbers_are_those_of_the_interface(page: Page, api: Served) -> None:
    body = asked(api, **{"with": FORK})
    page.goto(f"{SCREEN}?with={FORK}")
    found = columns(body)
    both = [nbytes for nbytes, also in zip(found["bytes"], found["with"], strict=True) if also]
    assert 0 < len(both) < len(found["start"])
    expect(shown(page, "blocks")).to_have_text(str(len(found["start"])))
    expect(shown(page, "tokens")).to_have_text(f"{body['tokens']:,}")
    expect(shown(page, "stored")).to_have_text(size(body["groups"][0]["bytes"]))
    expect(shown(page, "blocks shared with other sessions")).to_have_text(str(sum(each > 1 for each in found["sessions"])))
    expect(shown(page, f"blocks that {FORK} has too")).to_have_text(str(len(both)))
    expect(shown(page, "saved by sharing them")).to_have_text(size(sum(both)))


def test_a_block_that_is_pointed_at_tells_what_it_is(page: Page, api: Served) -> None:
    body = asked(api)
    page.goto(SCREEN)
    for number in (0, len(columns(body)["start"]) - 1):
        block = api.ask(f"/v1/sessions/{NAME}/blocks/{number}")
        tip = point(page, body, number)
        expect(tip).to_contain_text(f"tokens {block['span']['start']:,} \u2013 {block['span']['end'] - 1:,}")
        expect(tip).to_contain_text(block["digest"][:16])
        expect(tip).to_contain_text(f"commit {block['written']['id'][:8]}")
        expect(tip).to_contain_text("this session alone" if block["sessions"] == 1 else f"{block['sessions']} sessions")
        expect(tip.locator("q")).to_have_text(block["text"], use_inner_text=False)


def test_colours_are_those_of_tiers_and_of_sharing(page: Page, api: Served) -> None:
    body = asked(api)
    found = columns(body)
    last = len(found["start"]) - 1
    page.goto(SCREEN)
    expect(page.locator(".frame canvas")).to_be_visible()
    assert body["tiers"][found["tier"][last]] == "window"
    assert painted(page, spot(page, body, last)) == named(page, "--c-tier-window")
    middle = next(at for at, tier in enumerate(found["tier"]) if body["tiers"][tier] == "summary")
    assert painted(page, spot(page, body, middle)) == named(page, "--c-tier-summary")
    page.get_by_role("button", name="Sharing").click()
    expect(page.locator(".block-map .legend")).to_contain_text("This session alone")
    assert found["sessions"][middle] == 2
    assert painted(page, spot(page, body, middle)) == named(page, "--c-sharing-1")
    assert painted(page, spot(page, body, last)) == named(page, "--c-sharing-0")
    assert "by=sharing" in page.url
    page.get_by_role("button", name="Codec").click()
    expect(page.locator(".block-map .legend")).to_contain_text(f"{body['groups'][0]['codec']} (bfloat16)")
    page.get_by_role("button", name="Age", exact=True).click()
    expect(page.locator(".block-map .legend")).to_contain_text("turn 1")


def test_what_two_sessions_share_is_marked(page: Page, api: Served) -> None:
    body = asked(api, **{"with": FORK})
    page.goto(SCREEN)
    page.get_by_label("Compare with a session").fill(FORK)
    page.get_by_label("Compare with a session").press("Enter")
    expect(page.locator(".block-map .legend")).to_contain_text(f"{FORK} has it too")
    assert f"with={FORK}" in page.url
    shared = columns(body)["with"]
    for number, also in ((0, True), (len(shared) - 1, False)):
        assert shared[number] == also
        x, _ = spot(page, body, number)
        assert (painted(page, (x, 1)) == named(page, "--c-shared")) is also
    tip = point(page, body, 0)
    expect(tip).to_contain_text(f"{FORK} too")


def test_the_keyboard_goes_from_block_to_block(page: Page, api: Served) -> None:
    block = api.ask(f"/v1/sessions/{NAME}/blocks/2")
    page.goto(SCREEN)
    page.get_by_role("button", name="Show fewer tokens").focus()
    page.keyboard.press("Tab")
    expect(page.locator(".tip")).to_contain_text("Layer 0, tokens 0")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator(".tip")).to_contain_text("Layer 1")
    expect(page.locator(".tip")).to_contain_text("Block 2,")
    page.keyboard.press("Enter")
    facts = page.locator(".facts")
    expect(facts).to_contain_text(block["digest"])
    expect(facts).to_contain_text(size(block["bytes"]))
    expect(facts.get_by_role("link", name=FORK)).to_be_visible()
    assert "block=2" in page.url
    page.reload()
    expect(page.locator(".facts")).to_contain_text(block["digest"])
    expect(page.locator(".boxed")).to_have_text(block["text"], use_inner_text=False)


def test_a_table_says_the_same_in_words(page: Page, api: Served) -> None:
    body = asked(api)
    found = columns(body)
    page.goto(SCREEN)
    rows = page.locator("table.list tbody tr")
    expect(rows).to_have_count(min(40, len(found["start"])))
    for number, row in enumerate(rows.all()[:5]):
        cells = row.locator("td")
        expect(cells.nth(3)).to_have_text(size(found["bytes"][number]))
        expect(cells.nth(4)).to_have_text(str(found["sessions"][number]))
        expect(cells.nth(6)).to_have_text(found["digest"][number])
    page.get_by_role("button", name="Block 0 of full").click()
    expect(page.locator(".boxed")).to_contain_text(FACT[:10])


def test_a_hundred_thousand_tokens_do_not_stall(page: Page, api: Served) -> None:
    lengthy(api.store, LONG, NAME, LONG_TOKENS)
    body = asked(api, LONG)
    page.goto(f"/ui/sessions/{LONG}/blocks")
    expect(shown(page, "tokens")).to_have_text(f"{LONG_TOKENS:,}")
    expect(page.get_by_role("application")).to_have_attribute(
        "aria-label", re.compile(rf"Map of 1563 blocks, {LAYERS} layers by {LONG_TOKENS} tokens")
    )
    told = point(page, body, 1000).inner_text()
    pointed = int(re.findall(r"Block (\d+),", told)[0])
    assert abs(pointed - 1000) <= 2, "a block is narrower than a pixel"
    assert columns(body)["digest"][pointed] in told
    for _ in range(3):
        page.get_by_role("button", name="Show fewer tokens").click()
    frame = page.locator(".frame")
    assert frame.evaluate("each => each.scrollWidth") > 4 * frame.evaluate("each => each.clientWidth")
    assert frame.locator("canvas").evaluate("each => each.width") == frame.evaluate("each => each.clientWidth")
    spent = frame.evaluate(
        """each => { const begun = performance.now();
        for (let at = 0; at < 50; at++) { each.scrollLeft += 100; each.dispatchEvent(new Event("scroll")); }
        return (performance.now() - begun) / 50; }"""
    )
    assert spent < REDRAW_MS
    page.get_by_role("button", name="All", exact=True).click()
    expect(point(page, body, 1562)).to_contain_text("tokens 99,")


def test_texts_are_text_and_nothing_else(page: Page, api: Served) -> None:
    api.say("blocks-scripts", "<img src=x onerror=\"document.title='owned'\">")
    page.goto("/ui/sessions/blocks-scripts/blocks?block=0")
    expect(page.locator(".boxed")).to_contain_text("onerror=")
    expect(point(page, asked(api, "blocks-scripts"), 0).locator("q")).to_contain_text("onerror=")
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0


def test_a_session_without_blocks_says_so(page: Page, api: Served) -> None:
    api.ask("/v1/sessions", "POST", json={"name": "blocks-none"})
    page.goto("/ui/sessions/blocks-none/blocks")
    expect(page.get_by_text("Nothing was said yet")).to_be_visible()


def test_a_stranger_to_compare_with_is_refused_in_words(page: Page) -> None:
    page.goto(SCREEN)
    page.get_by_label("Compare with a session").fill("nobody-here")
    page.get_by_label("Compare with a session").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("nobody-here")
    expect(page.locator(".frame canvas")).to_be_visible()
    page.wait_for_function("!location.search.includes('nobody')")


def test_a_map_that_is_looked_at_closely_stays_so_while_more_is_said(page: Page, api: Served) -> None:
    name = "blocks-follows"
    api.say(name, FILLER * 6)
    page.goto(f"/ui/sessions/{name}/blocks")
    page.get_by_role("button", name="Show fewer tokens").click()
    expect(page.get_by_role("button", name="All", exact=True)).to_be_enabled()
    api.say(name, "And what now?")
    expect(shown(page, "tokens")).to_have_text(f"{asked(api, name)['tokens']:,}")
    expect(page.get_by_role("button", name="All", exact=True)).to_be_enabled()
    frame = page.locator(".frame")
    assert frame.evaluate("each => each.scrollWidth > each.clientWidth")


def test_a_place_beyond_the_end_says_so(page: Page) -> None:
    page.goto(f"{SCREEN}?from=99999")
    expect(page.get_by_text("No block lies beyond token 99,999.")).to_be_visible()
    page.get_by_role("button", name="From the beginning").click()
    expect(page.locator(".frame canvas")).to_be_visible()


def test_a_telephone_shows_all_without_scrolling_sideways(narrow: Page) -> None:
    narrow.goto(f"{SCREEN}?with={FORK}&block=0")
    expect(narrow.locator(".boxed")).to_contain_text(FACT[:10])
    assert narrow.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
