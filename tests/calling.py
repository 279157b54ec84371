"""A function, and small chat templates that offer functions as known families of models do."""

from __future__ import annotations

from typing import Any

from perdure.testing.tiny import CHAT_TEMPLATE

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Bern", "Rome"]}}, "required": ["city"]},
    },
}

HERMES_TEMPLATE = (
    "{% if tools %}<|im_start|>system\nFunctions:{% for tool in tools %}\n{{ tool | tojson }}{% endfor %}\n"
    'Call with <tool_call>\n{"name": NAME, "arguments": ARGUMENTS}\n</tool_call><|im_end|>\n{% endif %}' + CHAT_TEMPLATE
)

MISTRAL_TEMPLATE = (
    "{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{# [TOOL_CALLS] #}{% endif %}" + CHAT_TEMPLATE
)

LLAMA_TEMPLATE = (
    "{% if tools %}<|im_start|>system\nEnvironment: ipython\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    'Respond with {"name": NAME, "parameters": ARGUMENTS}<|im_end|>\n{% endif %}' + CHAT_TEMPLATE
)
