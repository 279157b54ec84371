"""What request bodies are made of: text, refusals in whole sentences, how an answer is drawn and what form it has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ...config import MOST_BIASES, SamplingChanges
from ...errors import InvalidInput
from ...runtime.grammar import JSON_OBJECT, json_grammar, require
from .problems import UNSUPPORTED, ParameterError, SchemaRefused


def refuse(sentence: str, suffix: str = "") -> PydanticCustomError:
    """An error for something that is valid OpenAI and not possible here; `suffix` points below the present field."""
    return _error(UNSUPPORTED, sentence, suffix)


def invalid(sentence: str, suffix: str = "") -> PydanticCustomError:
    """An error for something that makes no sense anywhere."""
    return _error(ParameterError.code, sentence, suffix)


def _error(code: Any, sentence: str, suffix: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{sentence}", {"sentence": sentence, "suffix": suffix})


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid("This text holds half of a surrogate pair and is no Unicode; send whole characters.") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]


def _texts(value: Any) -> Any:
    return [value] if isinstance(value, str) else value or ()


Stops = Annotated[Annotated[tuple[Annotated[Text, Field(min_length=1)], ...], BeforeValidator(_texts)], Field(max_length=16)]


def _seconds(value: Any) -> Any:
    """Seconds, or a duration as Go writes it: "90s", "1h30m". Below 0 means for ever."""
    if isinstance(value, str) and (found := DURATION.fullmatch(value.strip())):
        sign = -1 if found["sign"] else 1
        value = sign * sum(float(number) * UNITS[unit] for number, unit in DURATION_PART.findall(value))
    if isinstance(value, str | bool):
        raise invalid('keep_alive is a number of seconds or a duration such as "5m"; below 0 means for ever.')
    return math.inf if isinstance(value, int | float) and value < 0 else value


UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)")
DURATION = re.compile(rf"(?P<sign>-?)(?:(?:{DURATION_PART.pattern.replace('|)', ')')})+|[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)")

KeepAlive = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_seconds)]
"""For how many seconds a session stays in memory after an answer, as Ollama's clients say it."""


Harmless = Callable[[Any], bool]
"""Tells whether a value of some field leaves the answer as it is."""


def absent(value: Any) -> bool:
    return not value


def one_of(*harmless: Any) -> Harmless:
    return lambda value: value is None or value in harmless


HABITS = frozenset(
    (
        *("user", "safety_identifier", "metadata", "store", "service_tier", "client_metadata", "chat_id", "session_id"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "cache_prompt", "keep_alive", "prediction"),
        *("reasoning", "reasoning_effort", "verbosity", "include", "truncation", "stream_options"),
    )
)
"""What clients send by habit, and what changes nothing here: who asks, hints about caches, how hard to think."""


def require_known(extra: Mapping[str, Any] | None, refused: Mapping[str, tuple[Harmless, str]]) -> None:
    """Refuses further fields of a request that would change its answer, and those that nobody knows."""
    for name, value in (extra or {}).items():
        harmless, sentence = refused.get(name, (_nothing, f"{name[:60]} is not known here; leave it out."))
        if name not in HABITS and not harmless(value):
            raise refuse(sentence, f"/{name}")


def _nothing(value: Any) -> bool:
    return value is None


class Tolerant(BaseModel):
    """Unknown fields are kept aside instead of being errors."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Drawing(Tolerant):
    """How the tokens of an answer are drawn. None leaves the server's default."""

    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0)
    min_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=0, lt=2**63)
    stop: Stops = ()
    logit_bias: dict[int, Annotated[float, Field(ge=-100, le=100)]] | None = Field(None, max_length=MOST_BIASES)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, gt=0, le=10)

    @field_validator("logit_bias")
    @classmethod
    def _tokens(cls, biases: dict[int, float] | None) -> dict[int, float] | None:
        if any(token < 0 for token in biases or ()):
            raise invalid("Tokens are numbered from 0; logit_bias names one below.")
        return biases

    def drawing(self) -> SamplingChanges:
        return {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "min_p": self.min_p,
            "seed": self.seed,
            "stop": self.stop or None,
            "logit_bias": self.logit_bias or None,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
            "repetition_penalty": self.repetition_penalty,
        }


class JsonSchema(Tolerant):
    """A schema that an answer has to follow, under the name that its client gave it."""

    name: Text | None = None
    document: dict[str, Any] | None = Field(None, alias="schema")


class ResponseFormat(Tolerant):
    """The form of an answer: text, any JSON object, or JSON by a schema."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _schema_where_there_is_one(self) -> ResponseFormat:
        if self.type == "json_schema" and self.json_schema is None:
            raise invalid("The format json_schema needs its json_schema.", "/json_schema")
        return self

    @property
    def schema_of_answer(self) -> Mapping[str, Any] | None:
        """The schema that an answer has to follow; None for plain text."""
        if self.type == "text":
            return None
        stated = self.json_schema.document if self.json_schema is not None else None
        return JSON_OBJECT if stated is None else stated


def schema_grammar(schema: Mapping[str, Any], param: str) -> str:
    """The grammar of the JSON that a schema admits. Raises SchemaRefused, with the reason, where there is none."""
    try:
        found = json_grammar(schema)
        require(found)
    except InvalidInput as error:
        raise SchemaRefused(str(error), param=param) from error
    return found
