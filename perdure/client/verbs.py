"""Every verb's request and how its answer is read, once for both clients. docs/http.md says what each does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from . import results
from .results import (
    AuditEntry,
    Block,
    Blocks,
    Commit,
    Context,
    Deleted,
    Diff,
    Found,
    Health,
    Job,
    Key,
    Memory,
    Merged,
    Message,
    Model,
    Mounts,
    Node,
    Page,
    Quota,
    Record,
    RecordProbe,
    Reply,
    Report,
    Running,
    Session,
    States,
    Stats,
    SummaryHeads,
    SummaryProbe,
    Tag,
    Unloaded,
    pages,
    reader,
)
from .wish import Wish, given

Order = Literal["asc", "desc"]
Side = Literal["ours", "theirs"]
Sort = Literal["made", "created", "tokens", "text", "source"]
Group = Literal["full", "window"]
Told = str | Sequence[Mapping[str, Any]]
"""Messages of a chat: one of the user's, or several as {"role", "content"}."""

STREAM = {"Accept": "text/event-stream"}


def report(body: Any) -> Report:
    return Report(body)


def chat(
    messages: Told,
    *,
    session: str | None = None,
    create: bool = True,
    mounts: Sequence[str] | None = None,
    **options: Any,
) -> Wish[Reply]:
    """Answer the last message; in a `session`, made if `create` allows, the answer is remembered.

    `mounts` are the profiles of a session that this makes. `options` are OpenAI's: temperature, max_tokens, tools...
    Raises SessionBusy, PromptTooLong, InvalidInput and others.
    """
    said = [{"role": "user", "content": messages}] if isinstance(messages, str) else [dict(each) for each in messages]
    named = {} if session is None else {"session": session, "create": create, **given(mounts=mounts)}
    memory = {**named, **options.pop("memory", {})}
    return Wish(results.reply, body={"messages": said, **options, **({"memory": memory} if memory else {})})


def listing(limit: int | None, after: str | None, order: Order | None) -> dict[str, Any]:
    return {"limit": limit, "after": after, "order": order}


def matching(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"If-Match": f'"{etag}"'}


def list_sessions(*, limit: int | None = None, after: str | None = None, order: Order | None = None) -> Wish[Page[Session]]:
    """The sessions, the newest first."""
    return Wish(pages(Session), query=listing(limit, after, order))


def get_session(name: str) -> Wish[Session]:
    """One session. Raises SessionNotFound."""
    return Wish(reader(Session), {"name": name})


def create_session(
    name: str | None = None,
    *,
    title: str | None = None,
    metadata: Mapping[str, str] | None = None,
    system: str | None = None,
    memory: Mapping[str, Any] | None = None,
    mounts: Sequence[str] | None = None,
) -> Wish[Session]:
    """Make a session, that begins with the system prompt `system`; without a name it gets one. Raises SessionExists."""
    return Wish(
        reader(Session),
        body=given(name=name, title=title, metadata=metadata, system=system, memory=memory, mounts=mounts),
    )


def update_session(name: str, *, if_head: str | None = None, **changes: Any) -> Wish[Session]:
    """Replace the title, metadata, memory or system prompt of a session, or (None) take it away."""
    return Wish(reader(Session), {"name": name}, body=changes, headers=matching(if_head))


def delete_session(name: str, *, if_head: str | None = None) -> Wish[Deleted]:
    """Remove a session, if it is still at the commit `if_head`."""
    return Wish(reader(Deleted), {"name": name}, headers=matching(if_head))


def list_messages(
    name: str, *, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[Page[Message]]:
    """A session's conversation, its beginning first."""
    return Wish(pages(Message), {"name": name}, listing(limit, after, order))


def list_commits(
    name: str, *, limit: int | None = None, after: str | None = None, order: Order | None = None, merged: bool | None = None
) -> Wish[Page[Commit]]:
    """A session's commits, the newest first; with `merged` those too that were merged in."""
    return Wish(pages(Commit), {"name": name}, {**listing(limit, after, order), "merged": merged})


def get_graph(
    name: str, *, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[Page[Node]]:
    """The commits of a session and of its forks, each with what stands at it and what it added, the newest first."""
    return Wish(pages(Node), {"name": name}, listing(limit, after, order))


def list_blocks(
    name: str,
    *,
    at: str | None = None,
    start: int | None = None,
    end: int | None = None,
    limit: int | None = None,
    other: str | None = None,
) -> Wish[Blocks]:
    """Where the KV of tokens `start` to `end` lies; with `other`, which blocks that session has too."""
    return Wish(reader(Blocks), {"name": name}, {"at": at, "from": start, "to": end, "limit": limit, "with": other})


def get_block(name: str, index: int, *, at: str | None = None, group: Group | None = None) -> Wish[Block]:
    """One block: its text, its whole digest, who wrote it, who has it too."""
    return Wish(reader(Block), {"name": name, "index": str(index)}, {"at": at, "group": group})


def list_states(
    name: str, *, at: str | None = None, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[States]:
    """The norms of the states of recurrent layers after the commits of a session, the newest first."""
    return Wish(reader(States), {"name": name}, {"at": at, **listing(limit, after, order)})


def get_commit(digits: str) -> Wish[Commit]:
    """A commit by its hash, or the 8 or more digits that it begins with."""
    return Wish(reader(Commit), {"digits": digits})


def diff(base: str, head: str) -> Wish[Diff]:
    """What two revisions share, and what each says alone."""
    return Wish(reader(Diff), query={"base": base, "head": head})


def fork(name: str, new: str, *, at: str | None = None) -> Wish[Session]:
    """A new session that stands where this one does, or `at` a revision. Nothing is copied."""
    return Wish(reader(Session), {"name": name}, body={"name": new, **given(at=at)})


def reset(name: str, to: str, *, if_head: str | None = None) -> Wish[Session]:
    """Move a session to a revision; `previous` of the answer takes it back."""
    return Wish(reader(Session), {"name": name}, body={"to": to}, headers=matching(if_head))


def merge(
    name: str,
    other: str,
    *,
    conversation: Side | None = None,
    prefer: Side | None = None,
    dry_run: bool = False,
    if_head: str | None = None,
) -> Wish[Merged]:
    """Take in what another branch remembers and knows. Raises MergeConflict until `prefer` says who is right."""
    body = {"from": other, "dry_run": dry_run, **given(conversation=conversation, prefer=prefer)}
    return Wish(reader(Merged), {"name": name}, body=body, headers=matching(if_head))


def list_branches(
    name: str, *, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[Page[Session]]:
    """A session and its forks."""
    return Wish(pages(Session), {"name": name}, listing(limit, after, order))


def get_branch(name: str, branch: str) -> Wish[Session]:
    """One of them."""
    return Wish(reader(Session), {"name": name, "branch": branch})


def put_branch(
    name: str, branch: str, *, at: str = "HEAD", force: bool = False, if_head: str | None = None
) -> Wish[Session]:
    """Fork a session under this name, or move the fork that has it."""
    place = {"name": name, "branch": branch}
    return Wish(reader(Session), place, body={"at": at, "force": force}, headers=matching(if_head))


def delete_branch(name: str, branch: str, *, if_head: str | None = None) -> Wish[Deleted]:
    """Remove a fork."""
    return Wish(reader(Deleted), {"name": name, "branch": branch}, headers=matching(if_head))


def list_tags(
    name: str, *, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[Page[Tag]]:
    """The tags that were given in a session."""
    return Wish(pages(Tag), {"name": name}, listing(limit, after, order))


def get_tag(name: str, tag: str) -> Wish[Tag]:
    """One of them."""
    return Wish(reader(Tag), {"name": name, "tag": tag})


def put_tag(name: str, tag: str, *, at: str = "HEAD") -> Wish[Tag]:
    """Name a commit for good."""
    return Wish(reader(Tag), {"name": name, "tag": tag}, body={"at": at})


def delete_tag(name: str, tag: str) -> Wish[Deleted]:
    """Delete a tag; its commit stays as long as something else leads to it."""
    return Wish(reader(Deleted), {"name": name, "tag": tag})


def verify(name: str, *, hashes_only: bool = False) -> Wish[Job]:
    """Re-hash and replay a session; the job's result has `ok` and `problems`."""
    return Wish(reader(Job), {"name": name}, body={"hashes_only": hashes_only})


def load(name: str, *, keep_alive: float | str | None = None) -> Wish[Running]:
    """Restore a session into memory, for `keep_alive` seconds (or "5m"; below 0: for ever) if no more is asked of it."""
    return Wish(reader(Running), {"name": name}, body=given(keep_alive=keep_alive))


def unload(name: str) -> Wish[Unloaded]:
    """Let go of a session's memory; all of it is stored."""
    return Wish(reader(Unloaded), {"name": name})


def running() -> Wish[Page[Running]]:
    """The sessions in memory, the coldest first."""
    return Wish(pages(Running))


def export(name: str, *, at: str | None = None) -> Wish[None]:
    """A session, or a revision of it, as a bundle."""
    return Wish(lambda body: None, {"name": name}, {"at": at})


def take_in(*, name: str | None = None) -> Wish[Session]:
    """Bring in a bundle. Raises MalformedBundle, SessionExists or RecipeMismatch."""
    return Wish(reader(Session), query={"name": name}, headers={"Content-Type": "application/vnd.perdure.bundle"})


def search(
    query: str,
    *,
    sessions: Sequence[str] | None = None,
    top_k: int | None = None,
    threshold: float | None = None,
    explain: bool | None = None,
) -> Wish[tuple[Found, ...]]:
    """What the sessions (all, or these) remember that a question calls for, best first."""
    body = {"query": query, **given(sessions=sessions, top_k=top_k, threshold=threshold, explain=explain)}
    return Wish(lambda answer: results.several(Found)(answer["data"]), body=body)


def add(
    session: str,
    text: str | None = None,
    *,
    messages: Sequence[Mapping[str, Any]] | None = None,
    name: str | None = None,
    create: bool = False,
) -> Wish[Job]:
    """Have a session remember a text, or messages, under a name. The job has ended already where it was little."""
    return Wish(reader(Job), {"name": session}, {"create": create}, given(text=text, messages=messages, name=name))


def add_files(session: str, files: Sequence[str | Path], *, create: bool = False) -> Wish[Job]:
    """Have a session remember files: text, Markdown, PDF. Raises OSError where one cannot be read."""
    read = [(Path(file).name, Path(file).read_bytes()) for file in files]
    return Wish(reader(Job), {"name": session}, {"create": create}, files=read)


def get_memory(name: str, *, session: str | None = None) -> Wish[Memory]:
    """One memory by its id."""
    return Wish(reader(Memory), {"name": name}, {"session": session})


def edit(
    name: str,
    text: str | None = None,
    *,
    pinned: bool | None = None,
    session: str | None = None,
    if_content: str | None = None,
) -> Wish[Memory]:
    """Give a memory another text, pin or unpin it, if its text is still the one of that `content_sha256`."""
    body = given(text=text, pinned=pinned, content_sha256=if_content)
    return Wish(reader(Memory), {"name": name}, {"session": session}, body)


def pin(name: str, *, pinned: bool = True, session: str | None = None) -> Wish[Memory]:
    """Have a memory recalled in every turn, or no longer."""
    return edit(name, pinned=pinned, session=session)


def forget(name: str, *, session: str | None = None, if_content: str | None = None) -> Wish[Deleted]:
    """Have a session forget a memory; `session` says which, where several remember it."""
    return Wish(reader(Deleted), {"name": name}, {"session": session}, headers=matching(if_content))


def trace(answer: str) -> Wish[Report]:
    """What an answer, by its id or commit, recalled and knew, and why."""
    return Wish(report, {"name": answer})


def tiers(session: str, *, at: str | None = None) -> Wish[Report]:
    """All tiers of a session's memory, or the one that the verb is named for."""
    return Wish(report, {"name": session}, {"at": at})


def summary_heads(session: str, *, at: str | None = None) -> Wish[SummaryHeads]:
    """What a session's summary keeps in each layer and head."""
    return Wish(reader(SummaryHeads), {"name": session}, {"at": at})


def probe_summary(session: str, text: str, *, top: int | None = None) -> Wish[SummaryProbe]:
    """What a question would read of the summary, and the `top` entries that it would read most; nothing is kept of it."""
    return Wish(reader(SummaryProbe), {"name": session}, body={"text": text, **given(top=top)})


def probe_records(session: str, text: str, *, top: int | None = None) -> Wish[RecordProbe]:
    """Which fast-weight records a question would open, and why not the others; nothing is kept of it."""
    return Wish(reader(RecordProbe), {"name": session}, body={"text": text, **given(top=top)})


def get_context(
    session: str,
    *,
    at: str | None = None,
    part: str | None = None,
    offset: int | None = None,
    limit: int | None = None,
) -> Wish[Context]:
    """What the model sees, part by part; `part`, `offset` and `limit` (of tokens) say which text."""
    return Wish(reader(Context), {"name": session}, {"at": at, "part": part, "offset": offset, "limit": limit})


def list_memories(
    session: str,
    *,
    at: str | None = None,
    limit: int | None = None,
    after: str | None = None,
    order: Order | None = None,
    q: str | None = None,
    pinned: bool | None = None,
    sort: Sort | None = None,
) -> Wish[Page[Memory]]:
    """A session's memories in the order in which they were made or by `sort`; with `q` those whose text contains it."""
    chosen = {"q": q, "pinned": pinned, "sort": sort}
    return Wish(pages(Memory), {"name": session}, {"at": at, **listing(limit, after, order), **chosen})


def list_everything(
    *,
    limit: int | None = None,
    after: str | None = None,
    order: Order | None = None,
    q: str | None = None,
    pinned: bool | None = None,
    sort: Sort | None = None,
) -> Wish[Page[Memory]]:
    """What all sessions remember, each memory once; otherwise as `list`."""
    return Wish(pages(Memory), query={**listing(limit, after, order), "q": q, "pinned": pinned, "sort": sort})


def list_records(
    session: str, *, at: str | None = None, limit: int | None = None, after: str | None = None, order: Order | None = None
) -> Wish[Page[Record]]:
    """The fast-weight records that count in a session."""
    return Wish(pages(Record), {"name": session}, {"at": at, **listing(limit, after, order)})


def get_record(session: str, record: str) -> Wish[Record]:
    """One of them."""
    return Wish(reader(Record), {"name": session, "record": record})


def forget_record(session: str, record: str, *, if_digest: str | None = None) -> Wish[Deleted]:
    """Take one out of the session's own ledger."""
    return Wish(reader(Deleted), {"name": session, "record": record}, headers=matching(if_digest))


def consolidate(session: str, *, into: str | None = None, writer: str | None = None, again: bool = False) -> Wish[Job]:
    """Write what a session's user said into fast weights, of a profile or its own."""
    return Wish(reader(Job), {"name": session}, body={"again": again, **given(into=into, writer=writer)})


def get_mounts(session: str) -> Wish[Mounts]:
    """The profiles that a session mounts."""
    return Wish(reader(Mounts), {"name": session})


def set_mounts(session: str, names: Sequence[str], *, if_head: str | None = None) -> Wish[Mounts]:
    """Have a session mount these profiles and no others."""
    return Wish(reader(Mounts), {"name": session}, body={"names": list(names)}, headers=matching(if_head))


def list_jobs(
    *, limit: int | None = None, after: str | None = None, order: Order | None = None, running: bool | None = None
) -> Wish[Page[Job]]:
    """The server's jobs, the newest first; with `running` only those that have not ended."""
    return Wish(pages(Job), query={**listing(limit, after, order), "running": running})


def get_job(name: str) -> Wish[Job]:
    """How far a job has come."""
    return Wish(reader(Job), {"name": name})


def cancel_job(name: str) -> Wish[Job]:
    """Ask a job to end; what it has committed stays."""
    return Wish(reader(Job), {"name": name})


def events(*, last_event_id: str | None = None) -> Wish[None]:
    """What happens to sessions and jobs."""
    return Wish(lambda body: None, headers={**STREAM, **({"Last-Event-ID": last_event_id} if last_event_id else {})})


def session_events(session: str, *, last_event_id: str | None = None) -> Wish[None]:
    """What happens to one session."""
    wish = events(last_event_id=last_event_id)
    return Wish(wish.read, {"name": session}, headers=wish.headers)


def models() -> Wish[Page[Model]]:
    """The model of the server, in a list."""
    return Wish(pages(Model))


def stats() -> Wish[Stats]:
    """What the store holds, by tier."""
    return Wish(reader(Stats))


def gc(*, dry_run: bool = False, expire_days: float | None = None) -> Wish[Job]:
    """Delete what nothing leads to any more."""
    return Wish(reader(Job), body={"dry_run": dry_run, **given(expire_days=expire_days)})


def fsck(*, repair: bool = False) -> Wish[Job]:
    """Examine the whole store; the job's result has `ok`, `problems` and `lost`."""
    return Wish(reader(Job), body={"repair": repair})


def health() -> Wish[Health]:
    """Whether the process answers."""
    return Wish(reader(Health))


def ready() -> Wish[Health]:
    """Whether requests are taken and the store can be read. Raises ServiceError where not."""
    return Wish(reader(Health))


def version() -> Wish[str]:
    """The server's version of Perdure."""
    return Wish(lambda body: str(body["version"]))


def metrics() -> Wish[str]:
    """The server's counters in Prometheus' text format."""
    return Wish(str, headers={"Accept": "text/plain"})


def list_keys(*, limit: int | None = None, after: str | None = None, order: Order | None = None) -> Wish[Page[Key]]:
    """The keys of the caller's tenant, or of all; without their tokens."""
    return Wish(pages(Key), query=listing(limit, after, order))


def create_key(
    name: str, *, tenant: str | None = None, scopes: Sequence[str] | None = None, expires_in: float | None = None
) -> Wish[Key]:
    """A new key, whose token is told this once; the first one is made on the server's machine."""
    return Wish(reader(Key), body={"name": name, **given(tenant=tenant, scopes=scopes, expires_in=expires_in)})


def rotate_key(name: str) -> Wish[Key]:
    """Another token for a key; the one before opens nothing any more."""
    return Wish(reader(Key), {"name": name})


def revoke_key(name: str) -> Wish[Key]:
    """Have a key open nothing from now on."""
    return Wish(reader(Key), {"name": name})


def list_quotas(*, limit: int | None = None, after: str | None = None, order: Order | None = None) -> Wish[Page[Quota]]:
    """What the caller's tenant, or each of them, may have."""
    return Wish(pages(Quota), query=listing(limit, after, order))


def set_quota(
    tenant: str, *, nbytes: int | None = None, sessions: int | None = None, tokens: int | None = None
) -> Wish[Quota]:
    """Bound what a tenant may have; None is without bound."""
    return Wish(reader(Quota), {"name": tenant}, body={"bytes": nbytes, "sessions": sessions, "tokens": tokens})


def audit(*, limit: int | None = None, after: str | None = None, order: Order | None = None) -> Wish[Page[AuditEntry]]:
    """Who read, changed and erased what, the latest first."""
    return Wish(pages(AuditEntry), query=listing(limit, after, order))
