"""One browser and one server for all tests of the pages; those that break something start one of their own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from perdure.api.access.keyring import Keyring

from .served import Served, served

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 844}


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed at the end of these tests, since its event loop would be in the way of others that run one of their own."""
    if CHROMIUM is None:
        pytest.skip(
            "no Chromium is installed, and the pages are only tested in a real browser (Debian: apt install chromium)"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def api(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The server that tests share; each uses sessions of its own, by names of its own."""
    with served(model, tmp_path_factory.mktemp("ui") / "store") as api:
        yield api


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The store as "store", and the secrets of an admin, of a reader, and of another tenant's writer."""
    store = tmp_path_factory.mktemp("keyed") / "store"
    keyring = Keyring(store)
    wanted = {"admin": ("default", "admin"), "reader": ("default", "read"), "other": ("acme", "write")}
    made = {name: keyring.create(name, tenant, (scope,)).token for name, (tenant, scope) in wanted.items()}
    keyring.close()
    return {"store": str(store), **made}


@pytest.fixture(scope="session")
def keyed(model: Path, keys: dict[str, str]) -> Iterator[Served]:
    """A server that asks for keys, to its admin."""
    with served(model, Path(keys["store"]), key=keys["admin"]) as api:
        api.say("secret-plans", "Nobody may read this")
        yield api


@pytest.fixture
def page(browser: Browser, api: Served) -> Iterator[Page]:
    """A page of a new visitor, on a wide screen. What its scripts complain of fails the test."""
    yield from opened(browser, api.url, WIDE)


@pytest.fixture
def narrow(browser: Browser, api: Served) -> Iterator[Page]:
    """The same on a telephone."""
    yield from opened(browser, api.url, NARROW)


def opened(browser: Browser, url: str, size: dict[str, int]) -> Iterator[Page]:
    expect.set_options(timeout=15_000)
    context = browser.new_context(base_url=url, viewport=size)  # type: ignore[arg-type]
    complaints: list[str] = []
    elsewhere: list[str] = []
    try:
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((url, "data:", "blob:")) else elsewhere.append(request.url),
        )
        yield page
    finally:
        context.close()
    assert not complaints
    assert not elsewhere
