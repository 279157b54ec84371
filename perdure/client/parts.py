"""The verbs in groups, as both clients have them."""

from __future__ import annotations

from . import verbs
from .wish import Verb

SESSION = "/v1/sessions/{name}"
EXPORT = Verb(f"GET {SESSION}/export", verbs.export)
IMPORT = Verb("POST /v1/sessions/import", verbs.take_in)
CHAT = Verb("POST /v1/chat/completions", verbs.chat, once=False)
EVENTS = Verb("GET /v1/events", verbs.events)
SESSION_EVENTS = Verb(f"GET {SESSION}/events", verbs.session_events)


class ServerVerbs:
    """About the server and its store."""

    chat = CHAT
    commit = Verb("GET /v1/commits/{digits}", verbs.get_commit)
    diff = Verb("GET /v1/diff", verbs.diff)
    models = Verb("GET /v1/models", verbs.models)
    running = Verb("GET /v1/ps", verbs.running)
    stats = Verb("GET /v1/stats", verbs.stats)
    gc = Verb("POST /v1/gc", verbs.gc)
    fsck = Verb("POST /v1/fsck", verbs.fsck)
    audit = Verb("GET /v1/audit", verbs.audit)
    metrics = Verb("GET /metrics", verbs.metrics)
    version = Verb("GET /version", verbs.version)
    health = Verb("GET /health", verbs.health)
    ready = Verb("GET /health/ready", verbs.ready)


class SessionVerbs:
    """About sessions and their history."""

    list = Verb("GET /v1/sessions", verbs.list_sessions)
    get = Verb(f"GET {SESSION}", verbs.get_session)
    create = Verb("POST /v1/sessions", verbs.create_session)
    update = Verb(f"PATCH {SESSION}", verbs.update_session)
    delete = Verb(f"DELETE {SESSION}", verbs.delete_session)
    messages = Verb(f"GET {SESSION}/messages", verbs.list_messages)
    log = Verb(f"GET {SESSION}/commits", verbs.list_commits)
    graph = Verb(f"GET {SESSION}/graph", verbs.get_graph)
    blocks = Verb(f"GET {SESSION}/blocks", verbs.list_blocks)
    block = Verb(f"GET {SESSION}/blocks/{{index}}", verbs.get_block)
    states = Verb(f"GET {SESSION}/states", verbs.list_states)
    fork = Verb(f"POST {SESSION}/fork", verbs.fork)
    reset = Verb(f"POST {SESSION}/reset", verbs.reset)
    merge = Verb(f"POST {SESSION}/merge", verbs.merge)
    branches = Verb(f"GET {SESSION}/branches", verbs.list_branches)
    branch = Verb(f"GET {SESSION}/branches/{{branch}}", verbs.get_branch)
    put_branch = Verb(f"PUT {SESSION}/branches/{{branch}}", verbs.put_branch)
    delete_branch = Verb(f"DELETE {SESSION}/branches/{{branch}}", verbs.delete_branch)
    tags = Verb(f"GET {SESSION}/tags", verbs.list_tags)
    tag = Verb(f"GET {SESSION}/tags/{{tag}}", verbs.get_tag)
    put_tag = Verb(f"PUT {SESSION}/tags/{{tag}}", verbs.put_tag)
    delete_tag = Verb(f"DELETE {SESSION}/tags/{{tag}}", verbs.delete_tag)
    verify = Verb(f"POST {SESSION}/verify", verbs.verify)
    load = Verb(f"POST {SESSION}/load", verbs.load)
    unload = Verb(f"POST {SESSION}/unload", verbs.unload)


class MemoryVerbs:
    """About what sessions remember."""

    search = Verb("POST /v1/memory/search", verbs.search)
    add = Verb(f"POST {SESSION}/ingest", verbs.add)
    add_files = Verb(f"POST {SESSION}/ingest", verbs.add_files)
    list = Verb(f"GET {SESSION}/memory/episodic", verbs.list_memories)
    everything = Verb("GET /v1/memory", verbs.list_everything)
    get = Verb("GET /v1/memory/{name}", verbs.get_memory)
    edit = Verb("PATCH /v1/memory/{name}", verbs.edit)
    pin = Verb("PATCH /v1/memory/{name}", verbs.pin)
    forget = Verb("DELETE /v1/memory/{name}", verbs.forget)
    trace = Verb("GET /v1/responses/{name}/trace", verbs.trace)
    tiers = Verb(f"GET {SESSION}/memory", verbs.tiers)
    context = Verb(f"GET {SESSION}/memory/context", verbs.get_context)
    working = Verb(f"GET {SESSION}/memory/working", verbs.tiers)
    summary = Verb(f"GET {SESSION}/memory/summary", verbs.tiers)
    summary_heads = Verb(f"GET {SESSION}/memory/summary/heads", verbs.summary_heads)
    probe = Verb(f"POST {SESSION}/memory/summary/probe", verbs.probe_summary)
    fast_weights = Verb(f"GET {SESSION}/memory/fast-weights", verbs.tiers)


class ProfileVerbs:
    """About what sessions and profiles know by fast weights."""

    consolidate = Verb(f"POST {SESSION}/consolidate", verbs.consolidate)
    records = Verb(f"GET {SESSION}/memory/parametric", verbs.list_records)
    record = Verb(f"GET {SESSION}/memory/parametric/{{record}}", verbs.get_record)
    forget = Verb(f"DELETE {SESSION}/memory/parametric/{{record}}", verbs.forget_record)
    probe = Verb(f"POST {SESSION}/memory/parametric/probe", verbs.probe_records)
    mounts = Verb(f"GET {SESSION}/mounts", verbs.get_mounts)
    mount = Verb(f"PUT {SESSION}/mounts", verbs.set_mounts)


class KeyVerbs:
    """About who may do what."""

    list = Verb("GET /v1/keys", verbs.list_keys)
    create = Verb("POST /v1/keys", verbs.create_key, once=False)
    rotate = Verb("POST /v1/keys/{name}/rotate", verbs.rotate_key, once=False)
    revoke = Verb("DELETE /v1/keys/{name}", verbs.revoke_key)
    quotas = Verb("GET /v1/quotas", verbs.list_quotas)
    set_quota = Verb("PUT /v1/quotas/{name}", verbs.set_quota)


class JobVerbs:
    """About long work."""

    list = Verb("GET /v1/jobs", verbs.list_jobs)
    get = Verb("GET /v1/jobs/{name}", verbs.get_job)
    cancel = Verb("DELETE /v1/jobs/{name}", verbs.cancel_job)
