"""GET /metrics: the counters in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request, Response

from .caller import Sender
from .counting import Counts, Histogram
from .hub import Hub
from .running import state_bytes
from .tenants import Tenants

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from ...memory.repository import Repository

router = APIRouter(tags=["operators"])

TEXT = {"content": {"text/plain": {"schema": {"type": "string"}}}}


@router.get("/metrics", response_class=Response, responses={200: TEXT})
def metrics(request: Request, caller: Sender) -> Response:
    """What this process did and holds for all tenants, for Prometheus; no label names a session or a tenant."""
    caller.require_operator()
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(request.app.state.tenants))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Collector:
    """Reads everything when it is asked."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        with self._tenants.counts.lock:
            counted = list(_counted(self._tenants.counts))
        yield from counted
        yield from _held(self._tenants.hubs)


def _counted(counts: Counts) -> Iterator[Metric]:
    requests = {(m, route, str(status)): n for (m, route, status), n in counts.requests.items()}
    yield _counter("http_requests", "Requests by route.", ("method", "route", "status"), requests)
    yield _counter("refusals", "Errors by code; session_busy is a session in use.", ("code",), _single(counts.refusals))
    yield _counter("tokens", "Tokens by what became of them.", ("kind",), _single(counts.tokens))
    yield _counter("turns", "Answers by how they ended.", ("reason",), _single(counts.turns))
    yield _counter("jobs", "Jobs that ended.", ("kind", "status"), counts.jobs)
    yield _histogram("time_to_first_token_seconds", "From the request to its first text.", counts.first_token)
    yield _histogram("token_seconds", "Mean seconds for a further token of an answer.", counts.per_token)


def _held(hubs: Sequence[Hub]) -> Iterator[Metric]:
    stores = [cast("Repository", hub.runtime.repository) for hub in hubs]
    warm = [(store, kept.head) for hub, store in zip(hubs, stores, strict=True) for kept in hub.turns.warm.kept()]
    held = sum(state_bytes(store, head) for store, head in warm if head is not None)
    answering = [min(hub.turns.under_way, hub.settings.workers) for hub in hubs]
    waiting = [max(0, hub.turns.under_way - hub.settings.workers) for hub in hubs]
    yield _gauge("warm_sessions", "Sessions in memory.", {(): len(warm)})
    yield _gauge("warm_bytes", "Bytes of their working states.", {(): held})
    residences = {id(hub.runtime.residence): hub.runtime.residence for hub in hubs}
    yield _gauge("hot_bytes", "Memory that working states take.", {(): sum(each.held for each in residences.values())})
    yield _gauge("turns_running", "Answers under way, the waiting ones left out.", {(): sum(answering)})
    yield _gauge("turns_waiting", "Answers that wait for a worker.", {(): sum(waiting)})
    yield _gauge("jobs_running", "Jobs that have not ended.", {(): sum(hub.jobs.running for hub in hubs)})
    yield _gauge("sessions", "Sessions of the stores.", {(): sum(len(store.heads()) for store in stores)})
    disk: Counter[str] = Counter()
    for store in stores:
        disk.update(store.disk())
    yield _gauge("store_bytes", "Bytes on disk.", _single(disk), ("kind",))


def _single(values: Mapping[str, int]) -> dict[tuple[str, ...], int]:
    return {(name,): value for name, value in values.items()}


def _counter(name: str, what: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    return _filled(CounterMetricFamily(f"perdure_{name}", what, labels=labels), values)


def _gauge(name: str, what: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    return _filled(GaugeMetricFamily(f"perdure_{name}", what, labels=labels), values)


def _filled(family: Any, values: Mapping[Any, float]) -> Metric:
    for labels, value in values.items():
        family.add_metric(labels, value)
    filled: Metric = family
    return filled


def _histogram(name: str, what: str, counted: Histogram) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"perdure_{name}", what)
    bounds, total, buckets = [*map(str, counted.bounds), "+Inf"], 0, []
    for bound, count in zip(bounds, counted.counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    family.add_metric((), buckets, sum_value=counted.total)
    return family
