"""A conversation: what is typed is said to the session, or is a /command about it."""

from __future__ import annotations

import shlex
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from ...errors import InvalidInput
from .. import heeding, inspection, recalling
from .inspect_render import inspected_lines
from .memory import added_sentence, document
from .memory_render import found_text
from .output import Step, stderr, stdout, styled
from .render import commit_line, decorations, diff_text
from .screen import screen
from .trace_render import trace_lines
from .turn import Turn, cancelled_by_ctrl_c

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...memory import Repository
    from ...runtime import Session


MANY = 1000
"""Words that a question may have."""


class Quit(Exception):
    """The person is done."""


class Slash(NamedTuple):
    """A /command: its arguments as shown, the fewest and the most it takes, and what it does."""

    arguments: str
    fewest: int
    most: int
    help: str


COMMANDS = {
    "fork": Slash("NAME [REV]", 1, 2, "fork this session there (or here) and go on in the fork"),
    "undo": Slash("", 0, 0, "take the last turn, or change of memory, back"),
    "log": Slash("", 0, 0, "list this session's commits"),
    "diff": Slash("[A [B]]", 0, 2, "compare A (the turn before) with B (this session)"),
    "memory": Slash("", 0, 0, "show what this session's memory holds"),
    "search": Slash("WORDS", 1, MANY, "search what this session remembers"),
    "remember": Slash("FILE", 1, 1, "have this session remember a document"),
    "trace": Slash("", 0, 0, "show what the last answer recalled and knew"),
    "help": Slash("", 0, 0, "show this"),
    "quit": Slash("", 0, 0, "leave; so does Ctrl-D"),
}


class Conversation:
    """Where the typed lines go. A fork moves the conversation into the new session."""

    def __init__(self, repository: Repository, session: Session, turn: Turn) -> None:
        self._repository = repository
        self._session = session
        self._turn = turn
        self._out = stderr if turn.json else stdout

    @property
    def name(self) -> str:
        return self._session.name or ""

    def close(self) -> None:
        self._session.close()

    def greet(self) -> None:
        head = self._session.head
        state = f"turn {head.turn}, {head.tokens} tokens" if head.turn else "new"
        greeting = f"{self.name} ({state}). /help lists the commands, Alt-Enter starts a new line."
        _remark(greeting)

    def echo(self, line: str) -> None:
        """Show a scripted line, so that what was piped in can be read with its answers."""
        if not self._turn.quiet and not self._turn.json:
            _remark(f"{self.name}> {line}")

    def said(self) -> list[str]:
        """What the user has told this session so far."""
        return [message.content for message in self._session.messages() if message.role == "user"]

    def handle(self, line: str) -> str:
        """Say the line, or obey it when it starts with one slash; why the answer ended. Raises Quit."""
        if line.startswith("//") or not line.startswith("/"):
            return self.say(line.removeprefix("/"))
        self._obey(line)
        return ""

    def say(self, message: str) -> str:
        return self._turn.take(self._session, message)

    def _obey(self, line: str) -> None:
        name, arguments = _parse(line)
        actions: dict[str, Callable[..., None]] = {
            "fork": self._fork,
            "undo": self._undo,
            "log": self._log,
            "diff": self._diff,
            "memory": self._memory,
            "search": self._search,
            "remember": self._remember,
            "trace": self._trace,
            "help": self._help,
            "quit": self._quit,
        }
        actions[name](*arguments)

    def _fork(self, new: str, at: str | None = None) -> None:
        fork = self._session.fork(new, at)
        self._session.close()
        self._session = fork
        _remark(f"now in {new}, at {fork.head.short}")

    def _undo(self) -> None:
        self._session.undo()
        head = self._session.head
        _remark(f"back at {head.short}, turn {head.turn}")

    def _log(self) -> None:
        marks = decorations(self._repository)
        for commit in self._session.log():
            self._out().print(commit_line(commit, marks))

    def _diff(self, base: str | None = None, head: str | None = None) -> None:
        base, head = base or f"{self.name}~1", head or self.name
        base, head = self._named(base), self._named(head)
        self._out().print(diff_text(self._repository.diff(base, head), base, head))

    def _memory(self) -> None:
        head = self._session.head
        out = screen(self._out())
        out.lines(inspected_lines(inspection.inspected(self._repository, self.name, head.hex, None), out))

    def _search(self, *words: str) -> None:
        memories = self._session.runtime.memories
        found = recalling.search(self._repository, memories, " ".join(words), sessions=[self.name])
        if found:
            self._out().print(found_text(found, explain=False))
        else:
            _remark("nothing that is remembered is near enough")

    def _remember(self, file: str) -> None:
        parts, enough = document(file), Event()
        with Step(f"remembering {file}") as progress, cancelled_by_ctrl_c(enough.set):
            added = self._session.memory.add(parts, progress=progress, cancelled=enough.is_set)
        _remark(added_sentence(self.name, added))

    def _trace(self) -> None:
        story = recalling.told(self._repository, recalling.last_turn(self._repository, self.name))
        if story is None:
            _remark("the last answer recalled nothing and opened no fast weights")
        else:
            out = screen(self._out())
            out.lines(trace_lines(story, heeding.heeded(self._repository, story), out))

    def _named(self, rev: str) -> str:
        """A revision that stands for itself: HEAD, ~N and @turn:N are this session's."""
        bare = rev.removeprefix("HEAD")
        return f"{self.name}{bare}" if not bare or bare[0] in "~@" else rev

    def _help(self) -> None:
        width = max(len(f"/{name} {slash.arguments}") for name, slash in COMMANDS.items())
        for name, slash in COMMANDS.items():
            self._out().print(styled(f"{f'/{name} {slash.arguments}':<{width}}  {slash.help}"))
        self._out().print(styled(f"{'//text':<{width}}  say a line that starts with a slash"))

    def _quit(self) -> None:
        raise Quit


def _remark(text: str) -> None:
    stderr().print(styled(text, "dim"))


def _parse(line: str) -> tuple[str, Sequence[str]]:
    try:
        words = shlex.split(line[1:])
    except ValueError as error:
        raise InvalidInput(f"{line!r} cannot be read: {error}. Close the quotation mark.") from error
    name = words[0].lower() if words else ""
    slash = COMMANDS.get({"exit": "quit", "bye": "quit"}.get(name, name))
    if slash is None:
        raise InvalidInput(f"There is no command /{name}; /help lists them, and // starts a line with a slash.")
    if not slash.fewest <= len(words) - 1 <= slash.most:
        raise InvalidInput(f"/{name} is written `{f'/{name} {slash.arguments}'.strip()}`.")
    return {"exit": "quit", "bye": "quit"}.get(name, name), words[1:]
