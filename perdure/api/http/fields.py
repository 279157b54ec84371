"""What request bodies are made of: text, refusals in whole sentences, how an answer is drawn and what form it has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from ...config import MOST_BIASES, MOST_TOKENS, SamplingChanges
from ...errors import InvalidInput
from ...memory import names
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
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    return tuple(value) if isinstance(value, list) else value


STOP = {"type": "string", "minLength": 1}
MOST_STOPS = 16
Stops = Annotated[
    tuple[Annotated[Text, Field(min_length=1)], ...],
    Field(max_length=MOST_STOPS),
    BeforeValidator(_texts),
    WithJsonSchema({"anyOf": [STOP, {"type": "array", "items": STOP, "maxItems": MOST_STOPS}, {"type": "null"}]}),
]
"""One text, or several, or null."""


SEEDS = 2**63 - 1024
"""The greatest seed: the last number below 2**63 that a double holds, as which JSON schemas give their limits."""

Length = Annotated[int, Field(ge=1, le=MOST_TOKENS)]
"""How many tokens an answer may have."""

Token = Annotated[int, Field(strict=False)]
"""The number of a token; keys of JSON objects are text."""

NAME = {"pattern": rf"^(?!HEAD$)(?!.*\.\.){names.PATTERN}$"}
REVISION = {"pattern": r"^[^~@]*(~[0-9]{0,9}|@turn:[0-9]{1,9})*$"}
"""What the published schema says of names that are to be given, and of revisions."""

NewName = Annotated[Text, Field(json_schema_extra=NAME)]
Revision = Annotated[Text, Field(json_schema_extra=REVISION)]


def _seconds(value: Any) -> Any:
    """Seconds, or a duration as Go writes it: "90s", "1h30m". Below 0 means for ever."""
    if isinstance(value, str) and DURATION.fullmatch(value.strip()):
        sign = -1 if value.strip().startswith("-") else 1
        value = sign * sum(float(number) * UNITS[unit] for number, unit in DURATION_PART.findall(value))
    if isinstance(value, str | bool):
        raise invalid('keep_alive is a number of seconds or a duration such as "5m"; below 0 means for ever.')
    return math.inf if isinstance(value, int | float) and value < 0 else value


UNITS = {"": 1.0, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|)")
DURATION = re.compile(rf"-?(?:(?:{DURATION_PART.pattern.replace('|)', ')')})+|[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)")

KEPT = {"type": "string", "pattern": f"^{DURATION.pattern}$"}
KeepAlive = Annotated[
    Annotated[float, Field(ge=0)] | None,
    BeforeValidator(_seconds),
    WithJsonSchema({"anyOf": [{"type": "number"}, KEPT, {"type": "null"}]}),
]
"""For how many seconds a session stays in memory after an answer, as Ollama's clients say it."""


Harmless = Callable[[Any], bool]
"""Tells whether a value of some field leaves the answer as it is."""


def absent(value: Any) -> bool:
    return not value


def one_of(*harmless: Any) -> Harmless:
    """None or one of these values; true is not 1."""
    return lambda value: value is None or any(value == each and type(value) is type(each) for each in harmless)


HABITS = frozenset(
    (
        *("user", "safety_identifier", "service_tier", "client_metadata", "chat_id", "session_id"),
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


class Typed(BaseModel):
    """Each field has its own JSON type, in which 1.0 is as whole a number as 1."""

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: int(value) if type(value) is float and value.is_integer() else value for name, value in given.items()}


class Exact(Typed):
    """Nothing but the fields that are named, each of its own JSON type: true is no number, and 0 is not false."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Tolerant(Typed):
    """Unknown fields are kept aside instead of being errors; those that are known have their own JSON type."""

    model_config = ConfigDict(extra="allow", strict=True, protected_namespaces=())


class Drawing(Tolerant):
    """How the tokens of an answer are drawn. None leaves the server's default."""

    temperature: float | None = Field(None, ge=0, le=5)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=MOST_TOKENS)
    min_p: float | None = Field(None, ge=0, le=1)
    seed: int | None = Field(None, ge=0, le=SEEDS)
    stop: Stops = ()
    logit_bias: dict[Token, Annotated[float, Field(ge=-100, le=100)]] | None = Field(
        None, max_length=MOST_BIASES, json_schema_extra={"propertyNames": {"pattern": "^[0-9]{1,9}$"}}
    )
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    repetition_penalty: float | None = Field(None, ge=0.01, le=10)

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


PAIRS, KEY, VALUE = 16, 64, 512
"""What OpenAI allows as metadata: pairs, characters of a key, of a value."""


def _short(metadata: dict[str, str]) -> dict[str, str]:
    if any(len(key) > KEY or len(value) > VALUE for key, value in metadata.items()):
        raise invalid(f"metadata has keys of at most {KEY} characters and values of at most {VALUE}.")
    return metadata


LENGTHS: JsonDict = {
    "propertyNames": {"maxLength": KEY},
    "additionalProperties": {"type": "string", "maxLength": VALUE},
}
Metadata = Annotated[dict[Text, Text], Field(max_length=PAIRS, json_schema_extra=LENGTHS), AfterValidator(_short)]


class JsonSchema(Tolerant):
    """A schema that an answer has to follow, under the name that its client gave it."""

    name: Text | None = None
    document: dict[str, Any] | None = Field(None, alias="schema")


PLAIN_FORM: JsonDict = {"properties": {"type": {"enum": ["text", "json_object"]}}}
SCHEMA_FORM: JsonDict = {"properties": {"json_schema": {"type": "object"}}, "required": ["json_schema"]}


class ResponseFormat(Tolerant):
    """The form of an answer: text, any JSON object, or JSON by a schema."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [PLAIN_FORM, SCHEMA_FORM]})

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
