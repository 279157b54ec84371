"""Signing in with a key, and what is behind the door for whom."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from .conftest import WIDE, opened
from .served import Served, served


@pytest.fixture
def visitor(browser: Browser, keyed: Served) -> Iterator[Page]:
    yield from opened(browser, keyed.url, WIDE)


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("Key of this server").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_deep_link_leads_past_the_door_to_its_page(visitor: Page, keys: dict[str, str]) -> None:
    visitor.goto("/ui/sessions")
    assert "/ui/sign-in" in visitor.url
    sign_in(visitor, keys["reader"])
    expect(visitor.get_by_role("link", name="secret-plans")).to_be_visible()
    assert visitor.url.endswith("/ui/sessions")


def test_a_wrong_key_is_told_so_and_stays_outside(visitor: Page) -> None:
    visitor.goto("/ui/")
    sign_in(visitor, "pd_nonsense")
    expect(visitor.get_by_role("alert")).to_contain_text("unknown")
    assert "/ui/sign-in" in visitor.url


def test_a_reader_is_offered_nothing_to_change(visitor: Page, keys: dict[str, str]) -> None:
    visitor.goto("/ui/sessions")
    sign_in(visitor, keys["reader"])
    expect(visitor.get_by_role("link", name="secret-plans")).to_be_visible()
    expect(visitor.get_by_role("button", name="New session")).to_have_count(0)
    expect(visitor.get_by_role("link", name="Keys")).to_have_count(0)


def test_another_tenant_sees_nothing_of_this_one(visitor: Page, keys: dict[str, str]) -> None:
    visitor.goto("/ui/sessions")
    sign_in(visitor, keys["other"])
    expect(visitor.get_by_text("No session yet.")).to_be_visible()
    assert visitor.get_by_text("secret-plans").count() == 0


def test_signing_out_closes_the_door(visitor: Page, keys: dict[str, str]) -> None:
    visitor.goto("/ui/")
    sign_in(visitor, keys["reader"])
    visitor.get_by_role("button", name="Who is signed in").click()
    visitor.get_by_text("Sign out").click()
    visitor.wait_for_url("**/ui/sign-in*")
    visitor.goto("/ui/sessions")
    assert "/ui/sign-in" in visitor.url


def test_the_cookie_is_kept_from_scripts_and_other_sites(keyed: Served, keys: dict[str, str]) -> None:
    answer = httpx.post(f"{keyed.url}/ui/sign-in", data={"key": keys["reader"]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "path=/ui" in cookie
    assert keys["reader"] not in cookie


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null"])
def test_no_other_site_signs_anybody_in(keyed: Served, keys: dict[str, str], origin: str) -> None:
    answer = httpx.post(f"{keyed.url}/ui/sign-in", data={"key": keys["reader"]}, headers={"Origin": origin})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example/ui/", "/ui/..\\evil", "/v1/sessions"])
def test_nobody_is_sent_elsewhere_after_signing_in(keyed: Served, keys: dict[str, str], goal: str) -> None:
    answer = httpx.post(f"{keyed.url}/ui/sign-in", params={"next": goal}, data={"key": keys["reader"]})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ui/"


def test_nothing_but_the_sign_in_is_there_without_a_key(keyed: Served) -> None:
    for path in ("/ui/", "/ui/sessions", "/ui/api/v1/sessions"):
        assert httpx.get(keyed.url + path).status_code == 401
    origin = {"Origin": keyed.url, "Connection": "Upgrade", "Upgrade": "websocket"}
    asked = {**origin, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x" * 22 + "=="}
    assert httpx.get(f"{keyed.url}/ui/_nicegui_ws/socket.io/?EIO=4&transport=websocket", headers=asked).status_code == 403
    assert httpx.get(f"{keyed.url}/ui/_nicegui_ws/socket.io/?EIO=4&transport=polling").status_code == 401


def test_a_revoked_key_opens_nothing_more(keyed: Served) -> None:
    made = keyed.ask("/v1/keys", "POST", json={"name": "brief", "scopes": ["read"]})
    with httpx.Client(base_url=keyed.url) as browser:
        browser.post("/ui/sign-in", data={"key": made["token"]})
        assert browser.get("/ui/sessions").status_code == 200
        keyed.ask(f"/v1/keys/{made['id']}", "DELETE")
        assert browser.get("/ui/sessions").status_code == 401


def test_a_server_that_hangs_or_is_dead_is_said_to_be_away(browser: Browser, model: Path, tmp_path: Path) -> None:
    with served(model, tmp_path / "store", away_s=3.0) as api:
        pages = opened(browser, api.url, WIDE)
        page = next(pages)
        page.goto("/ui/")
        expect(page.get_by_role("heading", name="Memory by tier")).to_be_visible()
        os.killpg(api.process.pid, signal.SIGSTOP)
        expect(page.locator("#popup")).to_be_visible()
        os.killpg(api.process.pid, signal.SIGCONT)
        expect(page.locator("#popup")).to_be_hidden()
        api.say("awake", "Are you there?")
        expect(page.get_by_role("link", name="awake").first).to_be_visible()
        api.stop(signal.SIGKILL)
        expect(page.locator("#popup")).to_be_visible()
        expect(page.get_by_role("heading", name="Memory by tier")).to_be_visible()
        next(pages, None)
