"""What a session knows by fast weights: its ledger, what it mounts, and which records a question would open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from ....client.results import Job, Judged, Mounts, Page, Record
from .. import links
from ..parts.asking import asking, sure
from ..parts.figures import ago, count, moment, short, size
from ..parts.jobs import watched
from ..parts.pages import Pager
from ..parts.panels import badge, nothing, panel, tile, tiles
from ..parts.tables import cell, row, table, text
from ..view import View
from .base import screen

Again = Callable[[], Awaitable[None]]

MEASURES = "recall: the share of wordings not trained on that it answers; drift: how far ordinary text moves, in nats"


@screen("/sessions/{name}/weights", "Fast weights")
async def weights(view: View, name: str) -> None:
    """Numbers, a probe, the records, and what is mounted."""
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        known = (await view.client.memory.fast_weights(name)).body
        mounts = await view.client.profiles.mounts(name)
        place.clear()
        with place:
            _numbers(known)
            _mounted(view, name, mounts, draw)

    await draw()
    _teach(view, name)
    await _probe(view, name)
    with panel("Ledger", note=MEASURES, wide=True):
        ask = partial(_ask, view, name)
        pager: Pager[Record] = Pager(view, ask, lambda page: _rows(view, name, page, again))

        async def again() -> None:
            await draw()
            await pager.show()

        await pager.show()
    view.follow(name, again)


async def _ask(view: View, name: str, limit: int, after: str | None) -> Page[Record]:
    page: Page[Record] = await view.client.profiles.records(name, limit=limit, after=after, at=view.query.get("at"))
    return page


def _numbers(known: Any) -> None:
    with tiles():
        tile("records", count(known["records"]))
        tile("of its own", count(known["own"]))
        tile("superseded by later ones", count(known["superseded"]))
        tile("in all", size(known["bytes"]))


def _mounted(view: View, name: str, mounts: Mounts, again: Again) -> None:
    with panel("Mounted profiles", note="what other ledgers teach this session"):
        if not mounts.data:
            nothing("No profile is mounted here.", icon="link_off")
        else:
            with table(("Profile", "Records", "Size", ""), right=frozenset({1, 2})):
                for each in mounts.data:
                    _mount_row(view, name, each, mounts, again)
        if view.may("write"):
            ask = partial(_mount, view, name, mounts, again)
            ui.button("Mount a profile", icon="add_link", on_click=ask).props("outline no-caps")


def _mount_row(view: View, name: str, each: Any, mounts: Mounts, again: Again) -> None:
    async def unmount() -> None:
        left = [one for one in mounts.names if one != each["name"]]
        await view.client.profiles.mount(name, left, if_head=mounts.commit)
        await again()

    with row():
        with cell():
            ui.link(each["name"], links.session(each["name"], "weights")).classes("name")
            if each["missing"]:
                badge("not here", "bad", hint="No branch of this name is in the store")
        text(count(each["records"]), "n")
        text(size(each["bytes"]), "n")
        with cell("n"):
            if view.may("write"):
                ask = partial(sure, view, f"Have {name} forget what {each['name']} teaches?", "Unmount", unmount)
                button = ui.button(icon="link_off", on_click=ask).props("flat round dense")
                button.props["aria-label"] = f"Unmount {each['name']}"


def _mount(view: View, name: str, mounts: Mounts, again: Again) -> None:
    async def mount() -> None:
        await view.client.profiles.mount(name, [*mounts.names, (wanted.value or "").strip()], if_head=mounts.commit)
        await again()

    with asking(view, "Mount a profile", "Mount it", mount):
        wanted = ui.input("Its name").props("outlined dense autofocus")


def _teach(view: View, name: str) -> None:
    if not view.may("write"):
        return
    with panel("Teach what was said", note="writes what the user told here into fast weights"):
        with ui.element("div").classes("actions"):
            into = ui.input("Profile (empty: its first, else its own)").props("outlined dense").classes("grow")
            ui.button("Consolidate", icon="school", on_click=lambda: teach()).props("unelevated no-caps")
        place = ui.element("div")

    async def teach() -> None:
        place.clear()
        async with view.told():
            job = await view.client.profiles.consolidate(name, into=(into.value or "").strip() or None)
            with place:
                await watched(view, job, _taught)


def _taught(job: Job) -> None:
    result = job.result or {}
    ui.label(f"{count(result['written'])} written into {result['ledger']}, {count(result['known'])} known before.")
    for outcome in [*result["outcomes"], *result["refused"]]:
        if not outcome.get("kept", False):
            ui.label(f"Not kept: {outcome['statement']} ({outcome['why']})").classes("dim")


async def _probe(view: View, name: str) -> None:
    """The question stands in the address, so that what it opens can be passed on. A probe takes the session for a moment."""
    if not view.may("write"):
        return
    with panel("Which records would a question open?", note="nothing is kept of it", wide=True):
        with ui.element("div").classes("actions"):
            asked = ui.input("A question", value=view.query.get("q", "")).props("outlined dense clearable").classes("grow")
            ui.button("Try", icon="bolt", on_click=lambda: ask()).props("unelevated no-caps")
        place = ui.element("div")

    async def ask() -> None:
        question = (asked.value or "").strip()
        view.keep(q=question)
        place.clear()
        if question:
            async with view.told():
                found = await view.client.profiles.probe(name, question)
                with place:
                    said = f"{found.opened} of {found.records} would act; the threshold is {found.threshold:.2f}"
                    _judged(found.data, said)

    asked.on("keydown.enter", ask)
    if asked.value:
        await ask()


def _judged(data: tuple[Judged, ...], said: str) -> None:
    ui.label(said).classes("dim")
    if not data:
        nothing("There is no record that it could open.", icon="bolt")
        return
    with table(("Record", "", "Score", "Against", "Gain, nats"), right=frozenset({2, 3, 4})):
        for each in data:
            with row():
                with cell():
                    ui.label(each.statement)
                    if each.closed:
                        ui.label(each.closed).classes("dim")
                with cell():
                    badge("open" if each.open else "closed", "good" if each.open else "plain")
                for number in (each.score, each.against, each.gain):
                    text("" if number is None else f"{number:.2f}", "n")


def _rows(view: View, name: str, page: Page[Record], again: Again) -> None:
    if not page.data:
        nothing("Nothing is written into fast weights yet. Consolidate what was said here, or mount a profile.", icon="bolt")
        return
    with table(("Knows", "From", "Recall", "Drift", "Size", "Written", ""), right=frozenset({2, 3, 4})):
        for record in page:
            with row():
                _record(view, name, record, again) if record.kind == "record" else _native(record)


def _record(view: View, name: str, record: Record, again: Again) -> None:
    body = record.body
    with cell():
        ui.label(record.statement or "").classes("name")
        ui.label(f"{body['relation']} of {body['subject']} · {body['writer']}").classes("dim")
        if body["superseded_by"]:
            badge("contradicted" if body["contradicted"] else "superseded", "bad" if body["contradicted"] else "plain")
        if not record.own:
            ui.label(f"in {', '.join(body['branches'])}").classes("dim")
    with cell():
        for source in body["sources"]:
            _source(source)
    for measure in ("recall", "drift"):
        value = body["measured"].get(measure)
        text("" if value is None else f"{value:.2f}", "n")
    text(size(body["bytes"]), "n")
    with cell(), ui.label(ago(record.body["created_at"])):
        ui.tooltip(moment(body["created_at"]))
    with cell("n"):
        _revert(view, name, record, again)


def _source(source: Any) -> None:
    if source["deleted"] or not source["session"]:
        ui.label("a source that is gone").classes("dim")
    else:
        target = links.said(source["session"], source["turn"])
        ui.link(f"{source['session']}, turn {source['turn']}", target)


def _revert(view: View, name: str, record: Record, again: Again) -> None:
    """What a profile holds is taken out where it is held."""
    if not record.own:
        for branch in record.body["branches"][:1]:
            ui.link("in its profile", links.session(branch, "weights"))
        return

    async def forget() -> None:
        await view.client.profiles.forget(name, record.id, if_digest=record.body["digest"])
        await again()

    if view.may("write"):
        question = f"Take out {record.statement!r}? The model is as it was before, to the bit; a reset brings it back."
        button = ui.button(icon="undo", on_click=lambda: sure(view, question, "Revert", forget))
        button.props(f'flat round dense aria-label="Revert {short(record.id)}"')


def _native(record: Record) -> None:
    body = record.body
    with cell():
        ui.label(f"Layer {body['layer']}: {body['tensor']}").classes("name")
        ui.label("fast weights by nature").classes("dim")
    text(f"after {count(body['position'])} tokens")
    text("", "n")
    text(f"norm {body['norm']:.2f}", "n")
    text(size(body["bytes"]), "n")
    text("")
    text("")
