"""Leads random requests to what is there, and mends what a JSON schema cannot say. Loaded by schemathesis."""

from __future__ import annotations

import itertools
from typing import Any

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation import GenerationMode

from perdure.api.http.bundles import BUNDLE
from perdure.api.http.fields import SEEDS
from perdure.api.http.problems import Problem

GENERAL = {"401", "403", "405", "413", "429", "500", "503"}
"""What any endpoint may answer without saying so."""

TOKENS = 3
numbers = itertools.count()

schemathesis.serializer.alias(BUNDLE, "application/octet-stream")


def good(case: schemathesis.Case, location: ParameterLocation) -> bool:
    """Whether this part of a request is meant to be right."""
    component = None if case.meta is None else case.meta.components.get(location)
    return component is None or component.mode is GenerationMode.POSITIVE


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, Any]) -> None:
    if good(case, ParameterLocation.PATH):
        named(case)
    if isinstance(case.body, dict):
        bounded(case.body)
        if good(case, ParameterLocation.BODY):
            mended(case.body)


def named(case: schemathesis.Case) -> None:
    """Two of three requests are about alice; what may delete, or move a branch, gets a fork of its own."""
    number, path, places = next(numbers), case.operation.path, case.path_parameters
    if path.endswith("/branches/{branch}"):
        places.update(name="alice", branch=spare(case, number))
    elif path.startswith(("/v1/sessions/{name}", "/v1/conversations/{name}")):
        if case.operation.method.upper() == "DELETE" or path.endswith("/reset"):
            places["name"] = spare(case, number)
        elif number % 3:
            places["name"] = "alice"


def spare(case: schemathesis.Case, number: int) -> str:
    name = f"spare-{number}"
    url = f"{case.operation.base_url.rstrip('/')}/v1/sessions/alice/branches/{name}"
    answer = requests.put(url, json={}, timeout=20)
    assert answer.status_code == 201, answer.text
    return name


def bounded(body: dict[str, Any]) -> None:
    """Answers of a few tokens, from the model that is there."""
    for field in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if isinstance(body.get(field), int) and not isinstance(body[field], bool) and body[field] > TOKENS:
            body[field] = TOKENS
    if isinstance(body.get("model"), str) and next(numbers) % 8:
        body["model"] = "model"


def mended(body: dict[str, Any]) -> None:
    """What depends on other fields: who speaks last, names of tools, scores."""
    if isinstance(body.get("seed"), int | float):  # drawn through a double, which rounds it up
        body["seed"] = min(int(body["seed"]), SEEDS)
    for field in ("messages", "input"):
        if isinstance(body.get(field), list) and any(isinstance(each, dict) for each in body[field]):
            alone = [each for each in body[field] if not (isinstance(each, dict) and each.get("type") == "compaction")]
            body[field] = [*map(called, alone), {"role": "user", "content": "Hello"}]
    if body.get("input") == "" or (isinstance(body.get("input"), str) and not body["input"].strip()):
        body["input"] = "Hello"
    for number, tool in enumerate(body.get("tools") or ()):
        function = tool.get("function", tool) if isinstance(tool, dict) else {}
        function["name"] = f"f{number}"
    if isinstance(body.get("mounts"), list):  # nobody mounts what is made here
        body["mounts"] = [each for each in body["mounts"] if each != body.get("name")]
    if body.get("top_logprobs"):
        body["logprobs"] = True
    if not isinstance(body.get("tool_choice"), str) or body.get("tool_choice") == "required":
        body.pop("tool_choice", None)
    if "previous_response_id" in body:
        body.pop("conversation", None)


def called(item: Any) -> Any:
    """Calls are an assistant's, and their arguments are JSON in a text."""
    if not isinstance(item, dict):
        return item
    if "arguments" in item:
        return {**item, "arguments": "{}"}
    given = item.get("tool_calls") if item.get("role") == "assistant" else None
    calls = [{**each, "function": {**each["function"], "arguments": "{}"}} for each in given or ()]
    return {**{key: value for key, value in item.items() if key != "tool_calls"}, **({"tool_calls": calls} if calls else {})}


@schemathesis.check
def says_which_status(context: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """What an endpoint answers is listed for it by number; `default` is for what all may answer alike."""
    documented = set(case.operation.definition.raw["responses"])
    status = str(response.status_code)
    assert status in documented | GENERAL, f"{status} is not documented for {case.operation.label}"


@schemathesis.check
def errors_have_both_shapes(context: Any, response: schemathesis.Response, case: schemathesis.Case) -> None:
    """RFC 9457's members and OpenAI's object, a sentence, and a request id."""
    assert response.headers.get("x-request-id")
    if response.status_code >= 400 and case.method != "HEAD":
        assert response.headers["content-type"] == ["application/problem+json"], response.headers["content-type"]
        body = Problem.model_validate(response.json())
        assert (body.status, body.code, body.detail) == (response.status_code, body.error.code, body.error.message)
        assert body.detail.endswith("."), body.detail
