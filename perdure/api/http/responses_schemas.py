"""The body of POST /v1/responses: input items become messages, the flat tools of Responses those of chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from ...config import SamplingChanges
from ...memory.records import Message
from ...runtime.calls import CallFormat
from ...runtime.grammar import JSON_OBJECT
from .calling import Asked, Choice, Function, Named, NamedFunction, Offering, OnlyFunctions, Tool, asked
from .fields import (
    Drawing,
    Harmless,
    KeepAlive,
    Length,
    Metadata,
    Text,
    Tolerant,
    absent,
    invalid,
    one_of,
    refuse,
    require_known,
    schema_grammar,
)
from .schemas import TEXT_OR_PARTS, ChatMessage, Identifier, MemoryOptions

REFUSED: Mapping[str, tuple[Harmless, str]] = {
    "prompt": (absent, "Stored prompts are not supported; send their text as instructions."),
    "max_tool_calls": (absent, "Tools are called by the client here; leave max_tool_calls out."),
    "context_management": (absent, "Context is managed by the server; leave context_management out."),
    "moderation": (absent, "Answers are not moderated; leave moderation out."),
    "top_logprobs": (absent, "Log probabilities are given by /v1/chat/completions; leave top_logprobs out."),
    "n": (one_of(1), "One answer is given per request; leave n out."),
}
"""As in chat: what would change the answer and cannot."""


def _message(number: int, item: Any) -> Any:
    """One input item as a chat message. What has no such form is refused by its type."""
    kind = item.get("type", "message") if isinstance(item, dict) else None
    if kind == "message":
        return item
    if kind == "function_call":
        function = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"role": "assistant", "tool_calls": [{"type": "function", "function": function}]}
    if kind == "function_call_output":
        if not isinstance(item.get("call_id"), str):
            raise invalid("The output of a call says with call_id which one it is.", f"/{number}/call_id")
        return {"role": "tool", "content": item.get("output"), "call_id": item.get("call_id")}
    named = f"Items of type {kind}" if isinstance(kind, str) else "Items that are no objects"
    raise refuse(f"{named} are not supported; send messages, calls and their outputs.", f"/{number}/type")


def _messages(value: Any) -> Any:
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    return [_message(number, item) for number, item in enumerate(value)] if isinstance(value, list) else value


def _item(kind: str, *required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"type": {"const": kind}, **fields}, "required": ["type", *required]}


TEXT = {"type": "string"}
ROLE = {"enum": ["system", "developer", "user", "assistant"]}
SAID = {"type": "object", "properties": {"type": {"const": "message"}, "role": ROLE, "content": TEXT_OR_PARTS}}
CALL = _item("function_call", "name", "arguments", call_id=TEXT, name=TEXT, arguments=TEXT)
OUTPUT = _item("function_call_output", "call_id", "output", call_id=TEXT, output=TEXT_OR_PARTS)
COMPACTED = _item("compaction", "encrypted_content", encrypted_content=TEXT)
ITEM = {"anyOf": [{**SAID, "required": ["role", "content"]}, CALL, OUTPUT, COMPACTED]}
ITEMS = {"type": "array", "items": ITEM, "minItems": 1}
INPUT = {"anyOf": [TEXT, ITEMS]}
"""What is said of input items in the published schema."""


class TextFormat(Tolerant):
    """The form of the answer; the schema of json_schema stands beside its name here."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    document: dict[str, Any] | None = Field(None, alias="schema")

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        return None if self.type == "text" else JSON_OBJECT if self.document is None else self.document


class TextOptions(Tolerant):
    format: TextFormat = Field(default_factory=lambda: TextFormat.model_validate({}))


class FlatTool(Function):
    type: Literal["function"]


class FlatNamed(Tolerant):
    type: Literal["function"]
    name: str


def _from_compaction(data: Any) -> Any:
    """A compaction stands for all that led to a response, so input that holds one goes on from there."""
    given = data.get("input") if isinstance(data, dict) else None
    items = given if isinstance(given, list) else []
    kinds = [isinstance(each, dict) and each.get("type") for each in items]
    if "compaction" not in kinds:
        return data
    last = len(kinds) - 1 - kinds[::-1].index("compaction")
    if data.get("previous_response_id") or data.get("conversation"):
        raise invalid("A compaction says what it follows; leave other places to follow out.", f"/input/{last}")
    return {**data, "input": items[last + 1 :], "previous_response_id": items[last].get("encrypted_content")}


class ResponseRequest(Drawing):
    """Without `previous_response_id` or `conversation` a response begins a session of its own."""

    model: Text | None = None
    input: Annotated[list[ChatMessage], Field(min_length=1), BeforeValidator(_messages), WithJsonSchema(INPUT)]
    keep_alive: KeepAlive = None
    instructions: Text | None = None
    previous_response_id: Text | None = None
    conversation: Identifier = None
    store: bool | None = None
    stream: bool | None = None
    background: bool | None = None
    max_output_tokens: Length | None = None
    metadata: Metadata | None = None
    text: TextOptions | None = None
    tools: list[Annotated[FlatTool, OnlyFunctions]] | None = Field(None, max_length=256)
    tool_choice: Literal["none", "auto", "required"] | FlatNamed | None = None
    parallel_tool_calls: bool | None = None
    memory: MemoryOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _goes_on_from_a_compaction(cls, data: Any) -> Any:
        return _from_compaction(data)

    @field_validator("input")
    @classmethod
    def _answerable(cls, messages: list[ChatMessage]) -> list[ChatMessage]:
        last = messages[-1]
        if last.role not in ("user", "tool"):
            raise invalid("The last item must come from the user or be a function's output.", f"/{len(messages) - 1}")
        if last.role == "user" and not last.content.strip():
            raise invalid("The message to answer is empty; say something.", f"/{len(messages) - 1}/content")
        return messages

    @model_validator(mode="after")
    def _possible(self) -> Self:
        require_known(self.model_extra, REFUSED)
        if self.previous_response_id is not None and self.conversation is not None:
            raise invalid("Send previous_response_id or conversation, not both.", "/previous_response_id")
        if self.background and self.store is False:
            raise refuse("A response in the background is always stored; leave store out.", "/store")
        return self

    @property
    def stored(self) -> bool:
        return self.store is not False

    @property
    def options(self) -> MemoryOptions:
        return self.memory or MemoryOptions()

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        return None if self.text is None else self.text.format.schema_of_answer

    def records(self, form: CallFormat | None) -> list[Message]:
        """The new messages in Perdure's form; text and calls of one answer are one message."""
        records: list[Message] = []
        for number, message in enumerate(self.input):
            record = message.record(form, f"/input/{number}")
            before = records[-1] if records else None
            if before is not None and before.role == record.role == "assistant" and message.tool_calls:
                records[-1] = Message("assistant", f"{before.content}\n{record.content}")
            else:
                records.append(record)
        return records

    def asked(self, form: CallFormat | None) -> Asked:
        """What the request asks of the runtime. Raises SchemaRefused or Unsupported."""
        return asked(self._sampling(), self._offering(), form, self.schema_of_answer)

    def called(self) -> list[str]:
        """The ids of the calls whose outputs are among the items."""
        return [str((each.model_extra or {}).get("call_id")) for each in self.input if each.role == "tool"]

    def _offering(self) -> Offering:
        tools = [Tool(type="function", function=Function(**_function(tool))) for tool in self.tools or ()]
        named: Choice | None = self.tool_choice if isinstance(self.tool_choice, str) else None
        if isinstance(self.tool_choice, FlatNamed):
            named = Named(type="function", function=NamedFunction(name=self.tool_choice.name))
        return Offering(tools=tools, tool_choice=named, parallel_tool_calls=self.parallel_tool_calls)

    def _sampling(self) -> SamplingChanges:
        schema = self.schema_of_answer
        grammar = None if schema is None else schema_grammar(schema, "/text/format/schema")
        return {**self.drawing(), "max_tokens": self.max_output_tokens, "grammar": grammar}

    @model_validator(mode="after")
    def _tools_go_together(self) -> Self:
        names: Sequence[str] = [tool.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise invalid("Two tools have the same name; give each its own.", "/tools")
        if isinstance(self.tool_choice, FlatNamed) and self.tool_choice.name not in names:
            raise invalid("tool_choice names a function that is not among the tools.", "/tool_choice")
        if self.tool_choice == "required" and not names:
            raise invalid("tool_choice is required, and there are no tools.", "/tool_choice")
        return self


def _function(tool: FlatTool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "parameters": tool.parameters}


def echo(body: ResponseRequest, model: str) -> dict[str, Any]:
    """The settings of a response as its body repeats them."""
    form = body.text.format.model_dump(by_alias=True, exclude_none=True) if body.text is not None else {"type": "text"}
    choice = body.tool_choice
    return {
        "model": model,
        "instructions": body.instructions,
        "metadata": body.metadata or {},
        "previous_response_id": body.previous_response_id,
        "conversation": None if body.conversation is None else {"id": body.conversation},
        "background": bool(body.background),
        "store": body.stored,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "max_output_tokens": body.max_output_tokens,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "tool_choice": choice.model_dump() if isinstance(choice, FlatNamed) else choice or "auto",
        "tools": [{"type": "function", "strict": None, **_function(tool)} for tool in body.tools or ()],
        "text": {"format": form},
        "truncation": "disabled",
        "reasoning": {"effort": None, "summary": None},
    }
