"""Request bodies. What clients send by habit is let through; what would change the answer, or is not known, is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from ...config import WRITERS, SamplingChanges
from ...memory.records import Message
from ...runtime.calls import CallFormat
from ...runtime.reconcile import InputMode
from .calling import Asked, Offering, ToolCall, asked, written
from .fields import (
    Drawing,
    Exact,
    Harmless,
    KeepAlive,
    Length,
    Metadata,
    NewName,
    ResponseFormat,
    Revision,
    Text,
    Tolerant,
    absent,
    invalid,
    one_of,
    refuse,
    require_known,
    schema_grammar,
)

OnDivergence = Literal["fork", "rewind", "error"]


REFUSED: Mapping[str, tuple[Harmless, str]] = {
    "n": (one_of(1), "One answer is given per request; leave n out or send 1."),
    "functions": (absent, "This is an old form of tools; send tools."),
    "function_call": (one_of("none", "auto"), "This is an old form of tool_choice; send that."),
    "modalities": (one_of(["text"]), "Answers are plain text; leave modalities out."),
    "audio": (absent, "Audio is not supported; leave audio out."),
    "web_search_options": (absent, "This server does not search the web; leave web_search_options out."),
}
"""Extra fields that would change the answer: how to tell that a value is harmless, and what to say if not."""

MEMORY_HARMLESS: Mapping[str, Harmless] = {
    "commit": one_of(True),
    "learn": one_of(False),
    "trace": one_of(False),
}


def _content(value: Any) -> Any:
    """Text parts become one text; anything but text is refused."""
    if not isinstance(value, list):
        if value is None:
            raise invalid("This message has no content; send text.")
        return value
    texts = []
    for number, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "input_text", "output_text"):
            named = f"Content parts of type {kind}" if isinstance(kind, str) else "Content parts without a type"
            raise refuse(f"{named} are not supported; this model reads text only.", f"/{number}/type")
        if not isinstance(part.get("text"), str):
            raise invalid("A text part needs its text as a string.", f"/{number}/text")
        texts.append(part["text"])
    return "\n".join(texts)


def _identifier(value: Any) -> Any:
    return value["id"] if isinstance(value, dict) and isinstance(value.get("id"), str) else value


SOME = {"type": "string", "minLength": 1}
NAMED = {"type": "object", "properties": {"id": SOME}, "required": ["id"]}
Identifier = Annotated[Text | None, BeforeValidator(_identifier), WithJsonSchema({"anyOf": [SOME, NAMED, {"type": "null"}]})]
"""`conversation` is "id" or {"id": "id"}."""


TEXT_PART = {
    "type": "object",
    "properties": {"type": {"enum": ["text", "input_text", "output_text"]}, "text": {"type": "string"}},
    "required": ["type", "text"],
}
TEXT_OR_PARTS = {"anyOf": [{"type": "string"}, {"type": "array", "items": TEXT_PART}]}


class ChatMessage(Tolerant):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[Text, BeforeValidator(_content), WithJsonSchema(TEXT_OR_PARTS)]
    tool_calls: list[ToolCall] | None = None

    @model_validator(mode="before")
    @classmethod
    def _calls_may_have_no_text(cls, data: Any) -> Any:
        for name in ("function_call", "audio"):
            if isinstance(data, dict) and data.get(name):
                raise refuse(f"Messages with {name} are not supported; send text only.", f"/{name}")
        if isinstance(data, dict) and data.get("tool_calls") and data.get("role") != "assistant":
            raise invalid("Only an answer of the assistant has tool_calls.", "/tool_calls")
        bare = isinstance(data, dict) and data.get("tool_calls") and data.get("content") is None
        return {**data, "content": ""} if bare else data

    def record(self, form: CallFormat | None, param: str) -> Message:
        text = written(form, self.content, self.tool_calls or (), f"{param}/tool_calls")
        return Message("system" if self.role == "developer" else self.role, text)


class StreamOptions(Tolerant):
    include_usage: bool = False


class MemoryOptions(Tolerant):
    """Perdure's own part of a chat request. `mounts` are the profiles of a session that it makes; without, the server's."""

    session: Annotated[Text, Field(json_schema_extra={"minLength": 1})] | None = None
    create: bool = False
    mounts: Annotated[list[NewName] | None, Field(max_length=100)] = None
    input: InputMode = "auto"
    on_divergence: OnDivergence | None = None
    keep_alive: KeepAlive = None

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, value in (self.model_extra or {}).items():
            if name not in MEMORY_HARMLESS:
                raise refuse(f"memory.{name} is not a setting of this server; leave it out.", f"/{name}")
            if not MEMORY_HARMLESS[name](value):
                raise refuse(f"memory.{name} cannot be changed on this server; leave it out.", f"/{name}")
        return self


class ChatRequest(Drawing, Offering):
    """The body of POST /v1/chat/completions."""

    model: Text | None = None
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Length | None = None
    max_completion_tokens: Length | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    conversation: Identifier = None
    store: bool | None = None
    metadata: Metadata | None = None
    memory: MemoryOptions | None = None
    keep_alive: KeepAlive = None

    @field_validator("messages")
    @classmethod
    def _answerable(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        last = len(messages) - 1
        if messages[last].role not in ("user", "tool"):
            raise invalid("The last message must come from the user or a tool, so that it can be answered.", f"/{last}")
        if messages[last].role == "user" and not messages[last].content.strip():
            raise invalid("The message to answer is empty; say something.", f"/{last}/content")
        for number, message in enumerate(messages[1:], 1):
            if message.role == "developer":
                raise refuse("Messages of role developer are supported at the beginning only.", f"/{number}/role")
        return messages

    @model_validator(mode="after")
    def _possible(self) -> Self:
        require_known(self.model_extra, REFUSED)
        return self

    @model_validator(mode="after")
    def _scores_are_asked_for(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise invalid("top_logprobs needs logprobs to be true.", "/top_logprobs")
        return self

    @property
    def options(self) -> MemoryOptions:
        return self.memory or MemoryOptions()

    def records(self, form: CallFormat | None) -> list[Message]:
        """The messages in Perdure's form; a developer message is a system message, calls are text in the model's form."""
        return [message.record(form, f"/messages/{number}") for number, message in enumerate(self.messages)]

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        """The schema that the answer has to follow; None for plain text."""
        return None if self.response_format is None else self.response_format.schema_of_answer

    def asked(self, form: CallFormat | None) -> Asked:
        """What the request asks of the runtime. Raises SchemaRefused or Unsupported."""
        return asked(self.sampling(), self, form, self.schema_of_answer)

    def sampling(self) -> SamplingChanges:
        """Keyword arguments for Session.stream; None leaves the server's default. Raises SchemaRefused."""
        schema = self.schema_of_answer
        return {
            **self.drawing(),
            "max_tokens": self.max_completion_tokens or self.max_tokens,
            "logprobs": (self.top_logprobs or 0) if self.logprobs else None,
            "grammar": None if schema is None else schema_grammar(schema, "/response_format/json_schema/schema"),
        }


def _given(field: str, kind: str) -> dict[str, Any]:
    """The JSON schema of a body where a field stands and is not null."""
    return {"properties": {field: {"type": kind}}, "required": [field]}


class MemorySearch(Exact):
    """The body of POST /v1/memory/search; without `sessions` all of them are searched."""

    query: Annotated[Text, Field(json_schema_extra={"pattern": r"\S"})]
    sessions: list[Text] | None = Field(None, min_length=1, max_length=1000)
    top_k: int = Field(8, ge=1, le=1000)
    threshold: float | None = Field(None, ge=0, le=1)
    explain: bool = False

    @field_validator("query")
    @classmethod
    def _asks(cls, query: str) -> str:
        if not query.strip():
            raise invalid("There is nothing to search for; give some words.")
        return query


class MemoryPatch(Exact):
    """The body of PATCH /v1/memory/{id}; with `content_sha256` it is done only if the text is still that one."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_given("text", "string"), _given("pinned", "boolean")]})

    text: Text | None = None
    pinned: bool | None = None
    content_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.text is None and self.pinned is None:
            raise invalid("There is nothing to change; send text, pinned or both.")
        return self


class IngestRequest(Exact):
    """The JSON body of POST /v1/sessions/{id}/ingest: a text, or messages that are remembered but not said."""

    text: Text | None = None
    messages: list[ChatMessage] | None = Field(None, min_length=1)
    name: Text = Field("document", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.text is None) == (self.messages is None):
            raise invalid("Send either text or messages.")
        return self

    def parts(self) -> list[tuple[str, str]]:
        """(title, text) of each document."""
        if self.messages is None:
            return [(self.name, self.text or "")]
        return [(f"{self.name}, {each.role} {number}", each.content) for number, each in enumerate(self.messages, 1)]


class ConsolidateRequest(Exact):
    """The body of POST /v1/sessions/{id}/consolidate; without `into` the first profile that it mounts, or itself.

    `writer` is one of `perdure.config.WRITERS`, else the best for the model; what it could not write before is passed over
    unless it is to be tried `again`.
    """

    into: NewName | None = None
    writer: Annotated[Text, Field(json_schema_extra={"enum": list(WRITERS)})] | None = None
    again: bool = False


class MountsRequest(Exact):
    """The body of PUT /v1/sessions/{id}/mounts: all profiles that the session is to mount."""

    names: list[NewName] = Field(max_length=100)


class ForkRequest(Exact):
    """The body of POST /v1/sessions/{id}/fork; without `at` the fork starts at the head."""

    name: NewName
    at: Revision | None = None
