"""What an answer recalled, and how much attention each memory received, token by token and layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from ....client.results import Report
from .. import links
from ..view import View
from .columns import Columns
from .figures import count
from .panels import badge, panel
from .scores import score
from .shaded import Shaded

ALL = "all"
UNHEARD = (
    "How much attention it received was not measured: it was read as text, or this family of models is not listened to."
)


class Recalled:
    """The memories that were chosen; one of them, or all together, shades the answer's tokens. The address keeps which."""

    def __init__(self, view: View, story: Report) -> None:
        self._view = view
        self._chosen: Sequence[Mapping[str, Any]] = story["chosen"]
        self._scores = {each["digest"]: each["score"] for each in story["considered"]}
        self._tokens = story.body.get("tokens")
        heard = [each for each in self._chosen if each["by_token"]]
        with panel("The answer, by what it looked at", wide=True):
            if heard:
                self._answer(heard)
            else:
                self._unheard()
        note = f"{len(self._chosen)} of {len(story['considered'])} considered"
        with panel("Recalled", note=note, wide=True), ui.element("ol").classes("found"):
            for number, each in enumerate(self._chosen, 1):
                self._one(number, each)

    def _unheard(self) -> None:
        if self._tokens:
            ui.label("".join(self._tokens)).classes("said")
        ui.label(UNHEARD).classes("dim")

    def _answer(self, heard: Sequence[Mapping[str, Any]]) -> None:
        """Its tokens as chips; without their texts they are numbered."""
        rows = [each["by_token"] for each in heard]
        tokens = self._tokens or [f"{number} " for number in range(len(rows[0]))]
        names = {str(at): f"Memory {at + 1}" for at in range(len(rows))}
        if len(rows) > 1:
            rows, names = [*rows, [sum(shares) for shares in zip(*rows, strict=True)]], {**names, ALL: "All together"}
        keys = list(names)
        wanted = self._view.query.get("memory", "")
        now = str(int(wanted) - 1) if wanted.isdigit() and str(int(wanted) - 1) in keys else keys[-1]
        if len(keys) > 1:
            choice = ui.toggle(names, value=now).props("no-caps unelevated").classes("choice")
            choice.on_value_change(lambda event: choose(event.value))
        hint = "The stronger a token's colour, the more of its attention went there. Point at one, or use the arrow keys."
        titles = [names[key] for key in keys]
        drawn = Shaded(tokens, rows, titles, label="The answer, by attention on memories.", hint=hint)
        drawn.show(keys.index(now))

        def choose(key: str) -> None:
            self._view.keep(memory=None if key == ALL else int(key) + 1)
            drawn.show(keys.index(key))

    def _one(self, number: int, each: Mapping[str, Any]) -> None:
        with ui.element("li").classes("chosen"):
            with ui.element("div").classes("marks"):
                badge(f"Memory {number}", "recalled")
            if each["text"] is None:
                ui.label("It is not stored any more.").classes("dim")
            else:
                ui.link(each["text"], links.memories(id=each["id"])).classes("opener")
            found = self._scores.get(each["digest"])
            if found is not None:
                with ui.element("div").classes("scored"):
                    score(found)
                    ui.label(f"{found:.3f}").classes("figure")
            with ui.element("div").classes("why"):
                self._numbers(each)
            if each["by_layer"]:
                names = [f"layer {layer}" for layer in range(len(each["by_layer"]))]
                ui.label("Attention by layer").classes("dim")
                Columns(each["by_layer"], names, label=f"Attention on memory {number} by layer: {_span(each['by_layer'])}.")

    def _numbers(self, each: Mapping[str, Any]) -> None:
        if each["mass"] is not None:
            badge(f"{100 * each['mass']:.1f} % of attention", "episodic", hint="The mean of the answer's tokens and layers")
        end = each["at"] + each["tokens"]
        ui.label(f"{count(each['tokens'])} tokens, number {count(each['at'])} to {count(end - 1)} of those put back")
        if each["bias"]:
            ui.label(f"bias {each['bias']:+.2f}").tooltip(
                "What is added to the scores of its keys, so that it is not overlooked"
            )


def _span(shares: Sequence[float]) -> str:
    most = max(range(len(shares)), key=lambda at: shares[at])
    return f"most in layer {most}, {100 * shares[most]:.1f} %"
