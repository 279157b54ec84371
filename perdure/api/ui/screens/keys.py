"""Keys, quotas and the audit log, for administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from ....client.results import AuditEntry, Key, Page, Quota
from ..parts.asking import asking, sure
from ..parts.figures import ago, count, moment, size
from ..parts.pages import Pager
from ..parts.panels import badge, nothing, panel
from ..parts.tables import cell, row, table, text
from ..view import View
from .base import screen

SCOPES = ("read", "write", "admin")
STATES = {"active": "good", "expired": "plain", "revoked": "bad"}
DAY_S = 86_400

Again = Callable[[], Awaitable[None]]


@screen("/keys", "Keys")
async def keys(view: View) -> None:
    """Those of the visitor's tenant; of all for an admin of the server's own."""
    place = ui.element("div").classes("screen")

    async def draw() -> None:
        held, bounds = await view.client.keys.list(limit=100), await view.client.keys.quotas(limit=100)
        place.clear()
        with place:
            _keys(view, held, draw)
            _quotas(view, bounds, draw)

    await draw()
    await _audit(view)


def _keys(view: View, held: Page[Key], again: Again) -> None:
    with panel("Keys", wide=True):
        if not held.data:
            nothing(
                "No key was made, so everybody who reaches this server may do everything. The first one is made "
                "on its machine: perdure keys create NAME --scope admin",
                icon="key_off",
            )
            return
        with ui.element("div").classes("actions"):
            ui.button("New key", icon="add", on_click=lambda: _make(view, again)).props("unelevated no-caps")
        with table(("Name", "Tenant", "Scopes", "State", "Last used", "")):
            for key in held:
                _key(view, key, again)


def _key(view: View, key: Key, again: Again) -> None:
    with row():
        with cell():
            ui.label(key.name).classes("name")
            ui.label(key.id).classes("dim mono")
        text(key.tenant)
        text(", ".join(key.scopes))
        with cell():
            badge(key.state, STATES.get(key.state, "plain"), hint=_until(key))
        text("never" if key.last_used_at is None else ago(key.last_used_at))
        with cell("n"):
            if key.state == "active":
                _button("Rotate", "autorenew", key.name, lambda: _rotate(view, key, again))
                _button("Revoke", "block", key.name, lambda: _revoke(view, key, again))


def _button(verb: str, icon: str, name: str, act: Callable[[], None]) -> None:
    button = ui.button(icon=icon, on_click=act).props("flat round dense")
    # Not in a text of props: what somebody called a key must not become an attribute.
    button.props["aria-label"] = f"{verb} {name}"
    with button:
        ui.tooltip(verb)


def _until(key: Key) -> str:
    if key.revoked_at is not None:
        return f"Revoked {moment(key.revoked_at)}"
    return "Opens until it is revoked" if key.expires_at is None else f"Opens until {moment(key.expires_at)}"


def _make(view: View, again: Again) -> None:
    async def make() -> bool:
        expires = None if not days.value else float(days.value) * DAY_S
        made = await view.client.keys.create(
            name.value or "", tenant=tenant.value or None, scopes=list(scopes.value), expires_in=expires
        )
        dialog.close()
        _reveal(view, made)
        await again()
        return True

    with asking(view, "New key", "Make it", make) as dialog:
        name = ui.input("Who uses it, and for what").props("outlined dense autofocus")
        tenant = ui.input("Tenant (empty: your own)").props("outlined dense")
        scopes = ui.select(list(SCOPES), value=["read", "write"], multiple=True, label="Scopes").props("outlined dense")
        days = ui.number("Days until it opens nothing any more (empty: never)", min=0).props("outlined dense")


def _reveal(view: View, key: Key) -> None:
    """The token is told once, so that nobody leaves without it by mistake."""
    with view.page, ui.dialog().props("persistent") as dialog, ui.card().classes("asking"):
        ui.label(f"The token of {key.name}").classes("head")
        ui.label("It is shown this once and kept nowhere. Copy it now.")
        ui.input(value=key.token or "", label="Token").props("readonly outlined dense").classes("mono")
        with ui.element("div").classes("actions"):
            ui.button("I have copied it", on_click=dialog.close).props("unelevated no-caps")
    dialog.open()


def _rotate(view: View, key: Key, again: Again) -> None:
    async def rotate() -> None:
        _reveal(view, await view.client.keys.rotate(key.id))
        await again()

    sure(view, f"Give {key.name} another token? The one it has opens nothing from then on.", "Rotate", rotate)


def _revoke(view: View, key: Key, again: Again) -> None:
    async def revoke() -> None:
        await view.client.keys.revoke(key.id)
        await again()

    sure(view, f"Revoke {key.name}? Whoever uses it is shut out at once, for good.", "Revoke", revoke)


def _quotas(view: View, bounds: Page[Quota], again: Again) -> None:
    if not bounds.data:
        return
    heads = ("Tenant", "Bytes", "Sessions", "Tokens a minute", "")
    with panel("Quotas", note="what each tenant may have", wide=True), table(heads, right=frozenset({1, 2, 3})):
        for quota in bounds:
            with row():
                _quota(view, quota, again)


def _quota(view: View, quota: Quota, again: Again) -> None:
    text(quota.id, "name")
    text("no bound" if quota.nbytes is None else size(quota.nbytes), "n")
    for bound in (quota.sessions, quota.tokens):
        text("no bound" if bound is None else count(bound), "n")
    with cell("n"):
        if view.visitor.caller.operator:
            _button("Change the quota of", "edit", quota.id, lambda: _bound(view, quota, again))


def _bound(view: View, quota: Quota, again: Again) -> None:
    async def bound() -> None:
        given = [None if field.value is None else int(field.value) for field in fields]
        await view.client.keys.set_quota(quota.id, nbytes=given[0], sessions=given[1], tokens=given[2])
        await again()

    with asking(view, f"What {quota.id} may have (empty: no bound)", "Set", bound):
        fields = [
            ui.number(label, value=value, min=0, precision=0).props("outlined dense")
            for label, value in (("Bytes", quota.nbytes), ("Sessions", quota.sessions), ("Tokens a minute", quota.tokens))
        ]


async def _audit(view: View) -> None:
    async def ask(limit: int, after: str | None) -> Page[AuditEntry]:
        page: Page[AuditEntry] = await view.client.audit(limit=limit, after=after)
        return page

    with panel("Audit log", note="who read, changed and erased what", wide=True):
        pager: Pager[AuditEntry] = Pager(view, ask, _entries)
        await pager.show()


def _entries(page: Page[AuditEntry]) -> None:
    if not page.data:
        nothing("Nothing was read, changed or erased yet.", icon="receipt_long")
        return
    with table(("Time (UTC)", "Action", "Key", "About", "Outcome")):
        for entry in page:
            with row():
                text(entry.time[:19].replace("T", " "), "mono nowrap")
                text(entry.action)
                text(entry.key or "")
                text(", ".join(entry.ids), "cut")
                text(entry.outcome)
