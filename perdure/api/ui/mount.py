"""The pages as a part of the application."""

from __future__ import annotations

import warnings
from importlib.resources import files
from typing import NamedTuple

import nicegui
from fastapi import FastAPI
from nicegui import ui
from starlette.routing import Mount

from ..http.tenants import Tenants
from .answering import Answers
from .door import PATH, Door
from .transport import InProcess
from .visitors import Visitors

AWAY_S = 15.0
"""Seconds for which a page that lost its connection is kept as it is; one that hangs is noticed after 1.2 times as many."""


class Inspector(NamedTuple):
    """What all pages of this process share."""

    transport: InProcess
    answers: Answers


def mount(app: FastAPI, tenants: Tenants, hosts: tuple[str, ...] = ()) -> None:
    """Have `app` answer at /ui. Once in a process: the library keeps its pages in the module.

    `hosts` are the Host names that are answered; empty answers all.
    """
    from . import screens  # registers the pages

    nicegui.app.state.inspector = Inspector(InProcess(app), Answers())
    nicegui.app.add_static_files("/static", str(files(__package__).joinpath("static")))
    ui.add_head_html(f'<link rel="stylesheet" href="{PATH}/static/inspector.css">', shared=True)
    ui.run_with(
        app,
        title=screens.NAME,
        favicon=str(files(__package__).joinpath("static/icon.svg")),
        mount_path=PATH,
        dark=None,
        tailwind=False,
        reconnect_timeout=AWAY_S,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    # At start the library looks for its server among all objects there are, and some of torch complain at being looked at.
    warnings.filterwarnings("ignore", category=FutureWarning, module="nicegui")
    keyring = None if tenants.access is None else tenants.access.keyring
    hung = next(route for route in app.router.routes if isinstance(route, Mount) and route.path == PATH)
    hung.app = Door(hung.app, app, Visitors(keyring), hosts)
