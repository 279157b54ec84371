"""Functions that a request offers to the model: what is asked of the runtime for them, and what it says in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ...config import SamplingChanges
from ...errors import InvalidInput
from ...runtime.calls import Call, CallFormat, Part, Reader
from ...runtime.grammar import WHITESPACE, require
from .fields import Text, Tolerant, invalid, refuse
from .problems import SchemaRefused, Unsupported


class Function(Tolerant):
    """A function as OpenAI's clients describe it; `parameters` is the JSON schema of its arguments."""

    name: Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,64}$")]
    description: Text | None = None
    parameters: dict[str, Any] | None = None

    def offered(self) -> dict[str, Any]:
        """As it is told to chat templates, which expect every field."""
        parameters = self.parameters or {"type": "object", "properties": {}}
        stated = {"name": self.name, "description": self.description or "", "parameters": parameters}
        return {"type": "function", "function": stated}


def _functions_only(data: Any) -> Any:
    kind = data.get("type") if isinstance(data, dict) else "function"
    if isinstance(kind, str) and kind != "function":
        raise refuse(f"Tools of type {kind[:40]} are not supported; offer functions.", "/type")
    return data


OnlyFunctions = BeforeValidator(_functions_only)
"""Refuses tools that OpenAI runs itself."""


class Tool(Tolerant):
    type: Literal["function"]
    function: Function


class Named(Tolerant):
    """The function that must be called."""

    type: Literal["function"]
    function: NamedFunction


class NamedFunction(Tolerant):
    name: str


Choice = Literal["none", "auto", "required"] | Named


class CalledFunction(Tolerant):
    name: Text
    arguments: Text

    @field_validator("arguments")
    @classmethod
    def _an_object(cls, arguments: str) -> str:
        try:
            if isinstance(json.loads(arguments or "{}"), dict):
                return arguments or "{}"
        except ValueError:
            pass
        raise invalid("The arguments of a call must be a JSON object, written as a string.")


class ToolCall(Tolerant):
    """A call that the model made earlier, as a client sends it back."""

    type: Literal["function"] = "function"
    function: CalledFunction

    @property
    def call(self) -> Call:
        return Call(self.function.name, self.function.arguments)


class Offering(Tolerant):
    """The part of a request that offers functions."""

    tools: list[Annotated[Tool, OnlyFunctions]] | None = Field(None, max_length=256)
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _choice_among_tools(self) -> Offering:
        names = [tool.function.name for tool in self.tools or ()]
        if len(set(names)) < len(names):
            raise invalid("Two tools have the same name; give each its own.", "/tools")
        if isinstance(self.tool_choice, Named) and self.tool_choice.function.name not in names:
            raise invalid("tool_choice names a function that is not among the tools.", "/tool_choice")
        if self.tool_choice == "required" and not names:
            raise invalid("tool_choice is required, and there are no tools.", "/tool_choice")
        return self


class Asked(NamedTuple):
    """What a turn is asked with. `form` reads calls of `tools`, where there are any; `prompt` is a text to go on with."""

    sampling: SamplingChanges
    tools: Sequence[Mapping[str, Any]] = ()
    form: CallFormat | None = None
    prompt: str | None = None

    def reader(self) -> Reader | None:
        names = [tool["function"]["name"] for tool in self.tools]
        return self.form.reader(names) if self.form is not None and names else None


def asked(
    sampling: SamplingChanges,
    offering: Offering,
    form: CallFormat | None,
    schema: Mapping[str, Any] | None,
) -> Asked:
    """What a request asks of the runtime; `schema` is that of an answer in JSON.

    Raises Unsupported for a model that calls no functions, SchemaRefused for parameters that calls cannot be held to.
    """
    choice = offering.tool_choice or "auto"
    offered = offering.tools or []
    if not offered or choice == "none":
        return Asked(sampling)
    if form is None:
        sentence = "This model's chat template offers it no functions, or in a form that is not known; leave tools out."
        raise Unsupported(sentence, param="/tools")
    tools = [tool.function.offered() for tool in offered]
    grammar = _grammar(form, tools, choice, schema)
    return Asked(sampling if grammar is None else {**sampling, "grammar": grammar}, tools, form)


def _grammar(
    form: CallFormat, tools: Sequence[Mapping[str, Any]], choice: Choice, schema: Mapping[str, Any] | None
) -> str | None:
    """What the answer is held to: a call where one is required, a call or the wanted JSON where that has a form."""
    if choice == "auto" and schema is None:
        return None
    named = choice.function.name if isinstance(choice, Named) else None
    callable_now = [tool for tool in tools if named in (None, tool["function"]["name"])]
    found = form.grammar(callable_now, WHITESPACE, schema if choice == "auto" else None)
    try:
        require(found)
    except InvalidInput as error:
        raise SchemaRefused(str(error), param="/tools") from error
    return found


def written(form: CallFormat | None, text: str, calls: Sequence[ToolCall], param: str) -> str:
    """A past answer with its calls, as the model writes it. Raises Unsupported where it writes none."""
    if not calls:
        return text
    if form is None:
        raise Unsupported("This model's chat template knows no calls of functions; send text only.", param=param)
    return form.write(text, [each.call for each in calls])


def parts(reader: Reader | None, text: str, *, last: bool = False) -> Iterator[Part]:
    """The text and the calls that a piece of an answer completes."""
    if reader is None:
        yield from [text] if text else []
        return
    yield from reader.push(text)
    yield from reader.flush() if last else []
