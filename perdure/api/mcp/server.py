"""The tools as a server of the Model Context Protocol, whatever it is spoken over."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import anyio
from anyio.from_thread import run as run_in_loop
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as Described
from pydantic import ValidationError

from ... import __version__
from ...errors import PerdureError
from .arguments import Arguments
from .desk import Desk, Watch
from .results import Outcome
from .tools import BY_NAME, TOOLS, Tool

log = logging.getLogger("perdure.mcp")

INSTRUCTIONS = (
    "Perdure remembers conversations and documents for good, in sessions with a history like git's. Search memory before "
    "answering from what may have been said earlier, add what should be known later, and fork a session before trying "
    "something that may have to be undone."
)
CODE = "perdure/code"
"""Where an error's machine-readable code stands in `_meta`."""

Context = ServerRequestContext[Any, Any]


def make_server(desk: Desk) -> Server[Any]:
    """A server of these tools over a desk, which stays the caller's."""

    async def listed(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=[described(tool) for tool in TOOLS])

    async def called(context: Context, params: CallToolRequestParams) -> CallToolResult:
        tool = BY_NAME.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"There is no tool {params.name[:80]!r}; the tools are {', '.join(BY_NAME)}.")
        return await answered(desk, tool, params.arguments or {}, context)

    return Server(
        "perdure",
        title="Perdure",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


def described(tool: Tool) -> Described:
    """A tool as agents are told of it."""
    return Described(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.takes.model_json_schema(),
        output_schema=tool.gives.model_json_schema(mode="serialization"),
        annotations=ToolAnnotations(
            read_only_hint=not tool.changes,
            destructive_hint=tool.destroys,
            idempotent_hint=tool.name == "memory_add" or not tool.changes,
            open_world_hint=False,
        ),
    )


async def answered(desk: Desk, tool: Tool, given: dict[str, Any], context: Context) -> CallToolResult:
    """What a call came to. Every failure is a result that says so in a sentence, for the model to read."""
    try:
        arguments = tool.takes.model_validate(given)
        outcome = await _worked(desk, tool, arguments, context)
    except ValidationError as error:
        return refused(_unusable(tool, error), "invalid_parameter")
    except PerdureError as error:
        return refused(str(error), error.code)
    except Exception:
        log.exception("%s failed", tool.name)
        return refused(f"{tool.name} met an unexpected error; the server's log has the details.", "internal_error")
    text = TextContent(type="text", text=outcome.text())
    return CallToolResult(content=[text], structured_content=outcome.model_dump(mode="json"))


def refused(sentence: str, code: str) -> CallToolResult:
    """A call that did nothing, and why."""
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True, _meta={CODE: code})


async def _worked(desk: Desk, tool: Tool, arguments: Any, context: Context) -> Outcome:
    """Run a tool in a thread. One that nobody waits for any more ends soon, and this waits for its end."""
    gone = threading.Event()

    def progress(done: int, total: int) -> None:
        with suppress(CancelledError, anyio.BrokenResourceError, anyio.ClosedResourceError):  # the client has gone
            run_in_loop(context.session.report_progress, float(done), float(total))

    async def watch() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            gone.set()

    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        outcome = await anyio.to_thread.run_sync(
            _guarded, tool, desk, arguments, context.request, Watch(progress, gone.is_set)
        )
        group.cancel_scope.cancel()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _guarded(tool: Tool, desk: Desk, arguments: Arguments, asker: object, watch: Watch) -> Outcome | Exception:
    """A failure is handed over, since a task group would wrap it. Nothing is told that was not noted."""
    try:
        outcome = _tried(tool, desk, arguments, asker, watch)
        failed = isinstance(outcome, Exception)
        said = getattr(outcome, "code", "internal_error") if failed else "ok"
        desk.note(tool.name, asker, [*arguments.ids(), *([] if isinstance(outcome, Exception) else outcome.ids())], said)
    except Exception as error:
        return error
    return outcome


def _tried(tool: Tool, desk: Desk, arguments: Arguments, asker: object, watch: Watch) -> Outcome | Exception:
    try:
        desk.admit(tool.name, asker)
        return tool.run(desk, arguments, watch)
    except Exception as error:
        return error


def _unusable(tool: Tool, error: ValidationError) -> str:
    """The first thing that is wrong with some arguments."""
    found = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in found["loc"])
    if found["type"] == "extra_forbidden":
        return f"{tool.name} takes no argument {name[:80]!r}; it takes {', '.join(tool.takes.model_fields)}."
    if found["type"] == "missing":
        return f"{tool.name} needs the argument {name!r}: {tool.takes.model_fields[name].description}"
    message = found["msg"][:1].lower() + found["msg"][1:]
    return f"The argument {name!r} of {tool.name} cannot be used: {message}."
