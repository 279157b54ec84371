"""What a store must hold, judged by the acknowledgements of its clients alone."""

from __future__ import annotations

from typing import Any

Messages = list[list[str]]
Line = dict[str, Any]


class Expectation:
    """Follows acknowledgements. After a kill at most one step is in the air: it may have happened or not, nothing between.

    `check` compares what was found with it and returns sentences; `adopt` takes what was found as the new truth.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Messages] = {}
        self.tags: dict[str, str] = {}
        self._trying: Line | None = None
        self._said: Line | None = None
        self._tokens: list[int] = []

    def follow(self, lines: list[Line]) -> None:
        for line in lines:
            getattr(self, f"_on_{line['did']}", self._ignore)(line)

    def _ignore(self, line: Line) -> None: ...

    def _on_try(self, line: Line) -> None:
        self._trying, self._said, self._tokens = line, None, []

    def _on_create(self, line: Line) -> None:
        self._trying = None
        self.sessions.setdefault(line["session"], [])

    def _on_message(self, line: Line) -> None:
        self._said = line

    def _on_token(self, line: Line) -> None:
        if line["token"] >= 0:
            self._tokens.append(line["token"])

    def _on_end(self, line: Line) -> None:
        self.sessions[line["session"]] = line["messages"]
        self._trying = self._said = None

    def _on_reset(self, line: Line) -> None:
        self.sessions[line["session"]] = line["messages"]
        self._trying = None

    def _on_fork(self, line: Line) -> None:
        self.sessions[line["new"]] = self.sessions[line["session"]]
        self._trying = None

    def _on_tag(self, line: Line) -> None:
        self.tags[line["tag"]] = line["commit"]
        self._trying = None

    def _on_untag(self, line: Line) -> None:
        del self.tags[line["tag"]]
        self._trying = None

    def _on_remove(self, line: Line) -> None:
        del self.sessions[line["session"]]
        self._trying = None

    def check(self, found: dict[str, Any], tags: dict[str, str]) -> list[str]:
        """What does not agree."""
        return [*self._sessions(found), *self._tags(tags), *self._states(found)]

    def adopt(self, found: dict[str, Any], tags: dict[str, str]) -> None:
        self.sessions = {name: state["messages"] for name, state in found.items()}
        self.tags = dict(tags)
        self._trying = self._said = None

    def _sessions(self, found: dict[str, Any]) -> list[str]:
        trying = self._trying or {"op": ""}
        wrong = []
        for name, messages in self.sessions.items():
            mine = trying if trying.get("session") == name else {"op": ""}
            if name not in found:
                if mine["op"] != "remove":
                    wrong.append(f"session {name} is lost")
            elif not self._fits(messages, found[name], mine):
                wrong.append(f"session {name} holds {found[name]['messages']} instead of {messages} ({mine})")
        for name in found.keys() - self.sessions.keys():
            if name == trying.get("new") and found[name]["messages"] == self.sessions[trying["session"]]:
                continue
            if not (trying["op"] == "create" and name == trying["session"] and not found[name]["messages"]):
                wrong.append(f"session {name} was never made")
        return wrong

    def _fits(self, messages: Messages, state: dict[str, Any], trying: Line) -> bool:
        found = state["messages"]
        if trying["op"] == "chat":
            return self._fits_chat(messages, state, trying["text"])
        return bool(found == messages or (trying["op"] == "reset" and found == trying["messages"]))

    def _fits_chat(self, messages: Messages, state: dict[str, Any], text: str) -> bool:
        found = state["messages"]
        if found == messages:
            return self._said is None
        grown = found[: len(messages)] == messages and len(found) == len(messages) + 2
        said = bool(grown) and found[-2] == ["user", text] and found[-1][0] == "assistant"
        return said and list(state["answer"][: len(self._tokens)]) == self._tokens

    def _tags(self, tags: dict[str, str]) -> list[str]:
        trying = self._trying or {"op": ""}
        allowed = dict(self.tags)
        if trying["op"] == "tag":
            allowed[trying["tag"]] = trying["commit"]
        optional = {trying["tag"]} if trying["op"] in ("tag", "untag") else set()
        wrong = [f"tag {name} is {tags.get(name)}" for name in self.tags if tags.get(name) != self.tags[name]]
        wrong = [sentence for sentence in wrong if sentence.split()[1] not in optional]
        return wrong + [f"tag {name} was never made" for name in tags if allowed.get(name) != tags[name]]

    @staticmethod
    def _states(found: dict[str, Any]) -> list[str]:
        wrong: list[str] = []
        for name, state in found.items():
            wrong.extend(f"{name}: {sentence}" for sentence in state["problems"])
            if state["computed"] != state["logits"]:
                wrong.append(f"session {name}: the boundary logits are not those of its commit")
        return wrong
