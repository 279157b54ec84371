"""An unmodified OpenAI client that is remembered: perdure serve, then python examples/openai_client.py [URL] [MODEL]"""

from __future__ import annotations

import sys
from typing import Any

import openai


def main(url: str, model: str) -> None:
    client = openai.OpenAI(base_url=url, api_key="none")
    history: list[Any] = []
    for question in ("My dog is called Bruno.", "What is my dog called?"):
        history.append({"role": "user", "content": question})
        answer = client.chat.completions.create(
            model=model, messages=history, max_tokens=32, extra_headers={"X-Session-ID": "example"}
        )
        text = answer.choices[0].message.content or ""
        history.append({"role": "assistant", "content": text})
        details = answer.usage.prompt_tokens_details if answer.usage else None
        print(text)
        print(f"{details.cached_tokens if details else 0} of the prompt's tokens came back from memory")


if __name__ == "__main__":
    main(
        sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8400/v1",
        sys.argv[2] if len(sys.argv) > 2 else "smollm2-135m-instruct",
    )
