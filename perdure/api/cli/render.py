"""Commits, messages and sessions as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from ..figures import age, size
from .output import styled, visible

if TYPE_CHECKING:
    from ...memory import Repository
    from ...memory.records import Commit, Diff, Message, SessionInfo
    from ...runtime.records import Receipt
    from ...stores.base import RefLogEntry

Marks = Mapping[bytes, Sequence[str]]

ROLE_STYLES = {"user": "bold cyan", "assistant": "bold green", "system": "bold magenta", "tool": "bold yellow"}


def decorations(history: Repository) -> Marks:
    """Which sessions and tags stand at each commit."""
    marks: dict[bytes, list[str]] = {}
    for info in history.sessions():
        marks.setdefault(info.head.digest, []).append(info.name)
    for tag in history.tags():
        marks.setdefault(tag.commit.digest, []).append(f"tag: {tag.name}")
    return marks


def commit_line(commit: Commit, marks: Marks, *, name: str = "") -> Text:
    """One commit on one line, as `git log --oneline --graph` would."""
    line = Text.assemble(("* ", "dim"), (commit.short, "yellow"))
    if name:
        line.append(f"  {visible(name)}", "bold")
    if found := marks.get(commit.digest):
        line.append(f"  ({visible(', '.join(found))})", "bold cyan")
    line.append(f"  turn {commit.turn}")
    line.append(f"  {commit.tokens} tokens  {age(commit.time_ms)}", "dim")
    if commit.kind != "turn":
        line.append(f"  [{' '.join([commit.kind, *(parent.hex()[:10] for parent in commit.parents[1:])])}]", "magenta")
    if commit.reason not in ("", "stop", commit.kind):
        line.append(f"  [{visible(commit.reason)}]", "dim")
    line.append(f"  {_one_line(commit.title)}")
    return line


def diff_text(diff: Diff, base: str, head: str) -> Text:
    """What two revisions share, then what each says alone."""
    ancestor = "no common commit" if diff.ancestor is None else f"common commit {diff.ancestor.short}"
    blocks = f"{diff.shared_blocks} blocks shared of {diff.base_blocks} and {diff.head_blocks}"
    shared = f"  {diff.common_messages} messages, {diff.common_tokens} tokens in common; {blocks}; {ancestor}"
    lines = [
        Text.assemble(("--- ", "red"), commit_side(diff.base, base)),
        Text.assemble(("+++ ", "green"), commit_side(diff.head, head)),
        Text(shared, style="dim"),
        *(_marked(message, "- ", "red") for message in diff.base_messages),
        *(_marked(message, "+ ", "green") for message in diff.head_messages),
    ]
    return Text("\n").join(lines)


def commit_side(commit: Commit, name: str) -> Text:
    return Text.assemble(visible(name), (f"  {commit.short}", "yellow"), f"  turn {commit.turn}, {commit.tokens} tokens")


def session_table(sessions: Sequence[SessionInfo]) -> Table:
    table = plain_table("NAME", "HEAD", "TURN", "TOKENS", "KV", "UPDATED", "MODEL", "FORKED FROM", right={2, 3, 4})
    for info in sessions:
        head = info.head
        counts = str(head.turn), str(head.tokens), size(info.kv_bytes)
        table.add_row(
            styled(info.name, "bold"),
            Text(head.short, style="yellow"),
            *counts,
            age(info.updated_ms),
            styled(info.model),
            styled(info.forked_from or "", "dim"),
        )
    return table


def reflog_table(entries: Sequence[RefLogEntry]) -> Table:
    table = plain_table("FROM", "TO", "WHEN", "WHY")
    for entry in entries:
        old, new = (digest.hex()[:10] if digest else "-" for digest in (entry.old, entry.new))
        table.add_row(old, Text(new, style="yellow"), age(entry.time_ms), styled(entry.reason))
    return table


def plain_table(*heads: str, right: set[int] | frozenset[int] = frozenset()) -> Table:
    """Columns without lines, never folded or cut: the output is for pipes too."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number in right else "left", no_wrap=True, overflow="ignore")
    return table


def receipt_line(receipt: Receipt) -> str:
    """What a turn cost, on one line."""
    counts = [f"restored {receipt.restored}", f"reused {receipt.reused}"]
    if receipt.recalled:
        counts.append(f"recalled {receipt.recalled}")
    if receipt.opened:
        counts.append(f"{receipt.opened} record{'' if receipt.opened == 1 else 's'} open")
    counts.append(f"prefilled {receipt.prefilled}")
    if receipt.replayed:
        counts.append(f"replayed {receipt.replayed}")
    counts.append(f"generated {receipt.generated}")
    if receipt.drafted:
        counts.append(f"guessed {receipt.accepted} of {receipt.drafted}")
    costs = [f"restore {receipt.restore_ms:.1f} ms", f"read {size(receipt.bytes_read)}"]
    return "↩ " + " · ".join([*counts, *costs, f"wrote {size(receipt.bytes_written)}", receipt.short])


def _marked(message: Message, mark: str, style: str) -> Text:
    lines = f"{message.role}: {message.content}".splitlines() or [""]
    return Text("\n").join(styled(f"{mark}{line}", style) for line in lines)


def _one_line(text: str) -> str:
    return visible(" ".join(text.split()))
