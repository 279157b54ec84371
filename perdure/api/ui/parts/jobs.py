"""Long work while it goes on: a bar, a button that ends it, and how it came out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from nicegui import ui

from ....client.results import Job
from ..view import View
from .figures import count

EVERY_S = 0.4


async def watched(view: View, job: Job, told: Callable[[Job], None] | None = None) -> Job:
    """Show a job where the page is drawing, until it has ended; `told` then draws its result. Raises what asking raises."""
    with ui.element("div").classes("job").props("role=status") as drawn:
        name = ui.label(_words(job)).classes("grow")
        bar = ui.linear_progress(0, show_value=False).props("instant-feedback rounded").classes("grow")
        stop = ui.button("Cancel", on_click=lambda: _cancel(view, job)).props("flat dense no-caps")
        stop.set_visibility(view.may("write"))
    while not job.ended:
        await asyncio.sleep(EVERY_S)
        job = await view.client.jobs.get(job.id)
        name.set_text(_words(job))
        bar.set_value(job.done / job.total if job.total else 0.0)
    bar.delete()
    stop.delete()
    with drawn:
        if job.error is not None:
            ui.label(str(job.error.get("message", job.status))).classes("bad said")
        elif told is not None:
            told(job)
    return job


async def _cancel(view: View, job: Job) -> None:
    async with view.told("Asked to end; what it has committed stays."):
        await view.client.jobs.cancel(job.id)


def _words(job: Job) -> str:
    """What it is, and how far."""
    about = f"{job.kind} {job.session}" if job.session else job.kind
    if job.ended:
        return f"{about}: {job.status}"
    return f"{about}: {count(job.done)} of {count(job.total)}" if job.total else f"{about}: {job.status}"
