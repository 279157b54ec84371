"""Takes the pictures of docs/inspector.md: a real conversation, each screen wide and light, and narrow and dark.

Two screens are those of another server, which asks for keys and runs a tiny random hybrid: the embedded model has no
recurrent states.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from perdure.api.access.keyring import Keyring
from perdure.config import Quota
from perdure.testing.families import tiny_model

from ._serve_peers import Child, perdure
from .inspector import DRAWN, browser, started

SIZES = {"wide": ({"width": 1280, "height": 800}, "light"), "narrow": ({"width": 390, "height": 844}, "dark")}
OTHERS = {"wide": "dark", "narrow": "light"}
SETTLED_MS = 1500
SAID = (
    "My name is Mara and I have a small garden in Oslo. What grows there?",
    "My sister Ingrid Solberg lives in Bergen and works as a carpenter.",
    "What should I plant in May? Give three examples.",
    "Tell me a short story about a tomato that wanted to see the sea.",
    "How do I keep snails away?",
    "Write a list of ten vegetables with a sentence about each of them.",
    "What is compost? Explain it in simple words for a child.",
)
ASKED = "Where does my sister live?"
OPENED = "Where does Ingrid Solberg live?"


KEYED = (
    ("Mara", "default", "admin"),
    ("garden bot", "default", "write"),
    ("wall display", "default", "read"),
    ("shop", "acme", "write"),
)


class Scene(NamedTuple):
    """A screen: what its picture is called, and its address below /ui/."""

    name: str
    address: str


class House(NamedTuple):
    """A server and what is to be seen there, with the key that it asks for."""

    child: Child
    scenes: Sequence[Scene]
    key: str | None = None


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    args.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perdure-pictures-") as work, ExitStack() as stack:
        child = started(stack, perdure(args.model, Path(work) / "store", Path(work) / "log", ["--window", "256"]))
        houses = (House(child, list(scenes(told(child)))), keyed(stack, Path(work)))
        browse = stack.enter_context(browser(args.chromium))
        for size, (viewport, theme) in SIZES.items():
            shown = OTHERS[size] if args.other_colours else theme
            for house in houses:
                context = browse.new_context(viewport=viewport, color_scheme=shown)
                photographed(context.new_page(), house, args.into, size)
                context.close()


def photographed(page: Any, house: House, into: Path, size: str) -> None:
    if house.key is not None:
        page.goto(f"{house.child.address}/ui/")
        page.get_by_label("Key of this server").fill(house.key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector(DRAWN)
    for scene in house.scenes:
        taken(page, f"{house.child.address}/ui/{scene.address}", into / f"{scene.name}-{size}.png")


def keyed(stack: ExitStack, work: Path) -> House:
    """Attention and Mamba in turns, four keys, two tenants, and a bound for one of them."""
    folder = tiny_model("jamba", work / "jamba", dtype="bfloat16")
    keyring = Keyring(work / "keyed")
    tokens = [keyring.create(name, tenant, (scope,)).token for name, tenant, scope in KEYED]
    keyring.set_quota("acme", Quota(bytes=1 << 30, sessions=1000, tokens=60_000))
    keyring.close()
    child = started(stack, perdure(str(folder), work / "keyed", work / "keyed.log", []))
    ask(child, "POST", "/v1/sessions", {"name": "garden"}, tokens[0])
    for text in SAID:
        say(child, "garden", text, key=tokens[0])
    return House(child, (Scene("states", "sessions/garden/states"), Scene("keys", "keys")), tokens[0])


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("--into", type=Path, default=Path("docs/inspector"), help="folder of the pictures")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="the browser")
    parser.add_argument("--other-colours", action="store_true", help="wide and dark, narrow and light instead")
    return parser.parse_args(argv)


def told(child: Child) -> str:
    """A conversation with a fork, a tag, a merge and a profile; the id of an answer that recalled something."""
    ask(
        child,
        "POST",
        "/v1/sessions",
        {"name": "garden", "system": "You are a helpful gardener.", "title": "Planning the garden"},
    )
    for text in SAID:
        say(child, "garden", text)
    ask(child, "POST", "/v1/sessions/garden/fork", {"name": "garden-flowers"})
    say(child, "garden-flowers", "Let us speak of flowers. Which ones do you like?")
    ask(child, "PUT", "/v1/sessions/garden/tags/first-plan", {"at": "HEAD~2"})
    answer = say(child, "garden", ASKED)
    ask(child, "POST", "/v1/sessions/garden/merge", {"from": "garden-flowers"})
    job = ask(child, "POST", "/v1/sessions/garden/consolidate", {"into": "user:mara"})
    while ask(child, "GET", f"/v1/jobs/{job['id']}")["status"] in ("queued", "running"):
        pass
    say(child, "garden", OPENED)
    return str(answer["id"])


def say(child: Child, session: str, text: str, key: str | None = None) -> Any:
    said = [{"role": "user", "content": text}]
    body = {"messages": said, "max_tokens": 64, "temperature": 0, "memory": {"session": session}}
    return ask(child, "POST", "/v1/chat/completions", body, key)


def ask(child: Child, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return httpx.request(method, child.address + path, json=body, headers=headers, timeout=600).raise_for_status().json()


def scenes(answer: str) -> Iterator[Scene]:
    yield Scene("overview", "")
    yield Scene("sessions", "sessions")
    for tab in (
        "chat",
        "graph",
        "context",
        "episodes?q=sister",
        "summary",
        "weights?q=Where+does+Ingrid+Solberg+live%3F",
    ):
        yield Scene(tab.partition("?")[0], f"sessions/garden/{tab}")
    yield Scene("blocks", "sessions/garden/blocks?with=garden-flowers")
    yield Scene("diff", "sessions/garden/diff?base=garden-flowers&head=garden")
    yield Scene("trace", f"traces/{answer}")
    yield Scene("store", "transfer")


def taken(page: Any, address: str, file: Path) -> None:
    page.goto(address)
    page.wait_for_selector(DRAWN, timeout=60_000)
    page.wait_for_timeout(SETTLED_MS)
    # The conversation is scrolled to its end, and shown as somebody sees it.
    page.screenshot(path=str(file), full_page="/chat" not in address)


if __name__ == "__main__":
    main()
