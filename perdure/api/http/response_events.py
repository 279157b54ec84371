"""The typed events of a response that is streamed, and its body.

Deltas are cut by the answer's text alone and not by how it came, so a stream that is told again from the store, after a
restart too, has the same events under the same sequence numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...runtime.calls import Call, Part
from ...runtime.records import Receipt
from .items import answer_item, call_item, text_part

Body = dict[str, Any]

_PIECE = re.compile(r"\s*\S{1,8}")
_STATUS = {"stop": "completed", "length": "incomplete", "cancelled": "cancelled", "interrupted": "incomplete"}


def status_of(reason: str) -> str:
    """The status of a response whose turn ended for this reason."""
    return _STATUS.get(reason, "incomplete")


def response_body(
    name: str, note: Mapping[str, Any], status: str, output: Sequence[Body] = (), receipt: Receipt | None = None
) -> Body:
    """A response. `note` is what its commit keeps of the request; without a receipt it is not over."""
    cut = receipt is not None and status == "incomplete"
    reason = "max_output_tokens" if receipt is not None and receipt.finish_reason == "length" else "interrupted"
    return {
        "id": name,
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if cut else None,
        "output": list(output),
        "usage": None if receipt is None else response_usage(receipt),
        **note["echo"],
        "created_at": note["created"],
        "completed_at": None,
    }


def response_usage(receipt: Receipt) -> Body:
    """Token counts as Responses name them: state that came from the store counts as cached."""
    cached = max(0, receipt.restored + receipt.reused - receipt.replayed)
    written = receipt.prefilled if receipt.commit else 0
    return {
        "input_tokens": receipt.prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": receipt.generated,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": receipt.prompt_tokens + receipt.generated,
    }


class Teller:
    """Turns what becomes known of a response into its events, in order."""

    def __init__(self, name: str, note: Mapping[str, Any]) -> None:
        self._name = name
        self._stem = name.removeprefix("resp_")
        self._note = note
        self._number = 0
        self._text: str | None = None
        self._held = ""
        self.output: list[Body] = []
        self.body = response_body(name, note, "in_progress")

    def begin(self) -> Iterator[Body]:
        yield self._event("response.created", response=self.body)
        yield self._event("response.in_progress", response=self.body)

    def part(self, part: Part) -> Iterator[Body]:
        """A piece of text, or a call."""
        if isinstance(part, Call):
            yield from self._close()
            yield from self._call(part)
            return
        self._held += part
        yield from self._pieces()

    def end(self, receipt: Receipt, **more: Any) -> Iterator[Body]:
        """The last events; `more` joins the final body."""
        yield from self._close(last=True)
        status = status_of(receipt.finish_reason)
        self.body = {**response_body(self._name, self._note, status, self.output, receipt), **more}
        # Clients know no event of their own for an answer that was cancelled.
        told = "incomplete" if status == "cancelled" else status
        yield self._event(f"response.{told}", response=self.body)

    def fail(self, error: Mapping[str, Any]) -> Iterator[Body]:
        told = {"code": "server_error", "message": error["message"]}
        self.body = {**response_body(self._name, self._note, "failed", self.output), "error": told}
        yield self._event("response.failed", response=self.body)

    def _pieces(self, *, last: bool = False) -> Iterator[Body]:
        """Deltas that more text could not make longer; at the end what is left, but for blanks."""
        while found := _PIECE.match(self._held):
            complete = len(found.group().lstrip()) == 8 or found.end() < len(self._held)
            if not (complete or last):
                return
            self._held = self._held[found.end() :]
            yield from self._delta(found.group())

    def _delta(self, piece: str) -> Iterator[Body]:
        at = {"item_id": self._item, "output_index": len(self.output)}
        if self._text is None:
            self._text = ""
            item = answer_item(self._item, None, "in_progress")
            yield self._event("response.output_item.added", output_index=len(self.output), item=item)
            yield self._event("response.content_part.added", **at, content_index=0, part=text_part(""))
        if piece:
            self._text += piece
            yield self._event("response.output_text.delta", **at, content_index=0, delta=piece, logprobs=[])

    def _close(self, *, last: bool = False) -> Iterator[Body]:
        """End the text that is open. An answer of nothing at all has an empty one."""
        yield from self._pieces(last=True)
        self._held = ""
        if self._text is None and last and not self.output:
            yield from self._delta("")
        if self._text is None:
            return
        at = {"item_id": self._item, "output_index": len(self.output)}
        text, item = self._text, answer_item(self._item, self._text)
        yield self._event("response.output_text.done", **at, content_index=0, text=text, logprobs=[])
        yield self._event("response.content_part.done", **at, content_index=0, part=text_part(text))
        yield self._event("response.output_item.done", output_index=len(self.output), item=item)
        self.output.append(item)
        self._text = None

    def _call(self, call: Call) -> Iterator[Body]:
        index, name = len(self.output), f"fc_{self._stem}_{len(self.output)}"
        at = {"item_id": name, "output_index": index}
        begun = call_item(name, call._replace(arguments=""), "in_progress")
        yield self._event("response.output_item.added", output_index=index, item=begun)
        yield self._event("response.function_call_arguments.delta", **at, delta=call.arguments)
        yield self._event("response.function_call_arguments.done", **at, name=call.name, arguments=call.arguments)
        item = call_item(name, call)
        yield self._event("response.output_item.done", output_index=index, item=item)
        self.output.append(item)

    @property
    def _item(self) -> str:
        return f"msg_{self._stem}_{len(self.output)}"

    def _event(self, kind: str, **members: Any) -> Body:
        number, self._number = self._number, self._number + 1
        return {"type": kind, "sequence_number": number, **members}
