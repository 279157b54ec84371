"""Chat answers that are stored, and what leads to responses: the official OpenAI client of a real runtime."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import openai
import pytest

from perdure.runtime import Runtime

from ..conftest import Opens
from .http_server import serving


class Clients(ExitStack):
    """A client of a server that can be started again."""

    def __init__(self, opens: Opens) -> None:
        super().__init__()
        self._opens = opens

    def start(self) -> openai.OpenAI:
        self.close()
        self.runtime: Runtime = self.enter_context(self._opens())
        api = self.enter_context(serving(self.runtime))
        return self.enter_context(openai.OpenAI(base_url=f"{api.base_url}/v1", api_key="none", max_retries=0))


@pytest.fixture
def clients(opens: Opens) -> Iterator[Clients]:
    with Clients(opens) as clients:
        yield clients


def say(client: openai.OpenAI, text: str, **options: Any) -> Any:
    options = {"max_completion_tokens": 4, "store": True, "extra_headers": {"X-Session-ID": "alice"}, **options}
    return client.chat.completions.create(model="model", messages=[{"role": "user", "content": text}], **options)


def test_stored_answers_outlive_the_server(clients: Clients) -> None:
    client = clients.start()
    first = say(client, "One.", metadata={"topic": "bees"})
    say(client, "Not kept.", store=False)
    say(client, "Nobody remembers.", extra_headers={})
    *_, last = say(client, "Two.", stream=True)
    client = clients.start()
    assert [each.id for each in client.chat.completions.list()] == [first.id, last.id]
    assert [each.id for each in client.chat.completions.list(metadata={"topic": "bees"})] == [first.id]
    assert not list(client.chat.completions.list(model="another"))
    again = client.chat.completions.retrieve(first.id)
    assert (again.choices, again.usage, again.created) == (first.choices, first.usage, first.created)
    assert again.to_dict()["metadata"] == {"topic": "bees"}
    told = client.chat.completions.messages.list(last.id)
    assert [each.content for each in told if str(each.role) == "user"] == ["One.", "Not kept.", "Two."]
    assert client.get(f"/responses/{first.id}/trace", cast_to=object)


def test_stored_answers_are_taken_back_from_the_end(clients: Clients) -> None:
    client = clients.start()
    first, second = say(client, "One."), say(client, "Two.")
    with pytest.raises(openai.ConflictError) as used:
        client.chat.completions.delete(first.id)
    assert used.value.code == "response_in_use"
    with pytest.raises(openai.BadRequestError, match="cannot be changed"):
        client.chat.completions.update(second.id, metadata={"a": "b"})
    assert client.chat.completions.delete(second.id).deleted
    assert client.chat.completions.delete(first.id).object == "chat.completion.deleted"
    assert clients.runtime.repository.messages("alice") == []
    for gone in (first.id, "chatcmpl-1", "resp_1"):
        with pytest.raises(openai.NotFoundError) as missing:
            client.chat.completions.retrieve(gone)
        assert missing.value.code == "completion_not_found"


def test_tokens_are_counted_as_they_will_be_read(clients: Clients) -> None:
    client = clients.start()
    asked: dict[str, Any] = {"model": "model", "input": "How are bees?", "instructions": "Be kind."}
    count = client.responses.input_tokens.count(**asked)
    first = client.responses.create(**asked, max_output_tokens=4)
    assert first.usage is not None
    assert count.input_tokens == first.usage.input_tokens
    more = client.responses.input_tokens.count(model="model", input="Why?", previous_response_id=first.id)
    assert more.input_tokens > count.input_tokens + 4
    with pytest.raises(openai.NotFoundError):
        client.responses.input_tokens.count(model="model", input="Why?", conversation="nobody")


def test_a_compaction_goes_on_from_its_response(clients: Clients) -> None:
    client = clients.start()
    first = client.responses.create(model="model", input="How are bees?", max_output_tokens=4)
    compacted = client.responses.compact(model="model", previous_response_id=first.id)
    assert [item.type for item in compacted.output] == ["message", "compaction"]
    items: list[Any] = [item.to_dict(warnings=False) for item in compacted.output]
    second = client.responses.create(model="model", input=[*items, {"role": "user", "content": "Why?"}], max_output_tokens=4)
    assert second.previous_response_id == first.id
    assert second.model_extra is not None
    session = second.model_extra["memory"]["session"]
    assert [m.content for m in clients.runtime.repository.messages(session) if m.role == "user"] == ["How are bees?", "Why?"]
    with pytest.raises(openai.BadRequestError, match="Only what is stored"):
        client.responses.compact(model="model", input="How are bees?")
    with pytest.raises(openai.UnprocessableEntityError, match="compaction"):
        client.responses.create(model="model", input=[*items, {"role": "user", "content": "x"}], conversation=session)


def test_what_a_conversation_cannot_do_is_said(clients: Clients) -> None:
    client = clients.start()
    made = client.conversations.create()
    answer = client.responses.create(model="model", input="Hello", conversation=made.id, max_output_tokens=2)
    item = client.conversations.items.list(made.id).data[0]
    with pytest.raises(openai.BadRequestError, match="come in with a response"):
        client.conversations.items.create(made.id, items=[{"role": "user", "content": "x", "type": "message"}])
    with pytest.raises(openai.BadRequestError, match="reset goes back"):
        client.conversations.items.delete(str(item.id), conversation_id=made.id)
    with pytest.raises(openai.BadRequestError, match="kept with responses"):
        client.conversations.update(made.id, metadata={"a": "b"})
    assert client.conversations.update(made.id, metadata={}).id == made.id
    assert client.responses.retrieve(answer.id).id == answer.id
    tools: Any = [{"type": "function", "name": "f", "parameters": {}}]
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="model", input="x", tools=tools)
