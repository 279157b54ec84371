"""Hours of use in minutes, with kills: what is left of memory, files and truth: `python -m benchmarks.soak --help`."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from . import _machine
from ._report import show_load
from ._soak_client import SHARED, Findings, Visitor, at
from ._soak_server import Signs, SoakServer

MIB = 1 << 20
LAST_LIFE = 0.6
"""Share of the time in which nobody is killed, so that the process can be watched, where it is watched long enough."""

SHORT_LIFE = 0.3
"""The same share of a run that is too short to say anything of slopes."""

WARM_UP = 0.4
"""Share of that last life of which the slopes take no notice: caches fill, and allocators take what they will keep."""

LONG_ENOUGH = 120.0
"""Seconds watched, without which a slope says nothing."""

SLOPE = 1.0
"""MiB a minute by which the anonymous memory may grow: Theil and Sen's slope."""

GROWTH = 128
"""MiB that it may have gained between the first and the last tenth of what was watched."""

DESCRIPTORS = 8
"""Files that may be open at the end, with nobody there, beyond those of the server before anybody came."""

STORE = 64 * MIB
"""Bytes that the store's file may have on the disk beyond 3 times the most that it held."""

SMALL = ["--window", "128", "--block", "128", "--sinks", "4", "--summary-entries", "32"]
"""So small that sessions outgrow it within the run."""


@dataclass
class Soak:
    """One run: the server, its visitors, what was seen of both."""

    args: argparse.Namespace
    server: SoakServer
    findings: Findings = field(default_factory=Findings)
    signs: list[Signs] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    before: Signs | None = None
    after: Signs | None = None

    def run(self) -> None:
        self.server.start()
        self.before = self.server.signs()
        visitors = [Visitor(n, self.args.seed, self.server, self.findings) for n in range(self.args.clients)]
        seconds, over = 60 * self.args.minutes, threading.Event()
        threads = [threading.Thread(target=each.run, args=(over.is_set,)) for each in visitors]
        for thread in threads:
            thread.start()
        try:
            last = LAST_LIFE if LAST_LIFE * (1 - WARM_UP) * seconds >= LONG_ENOUGH else SHORT_LIFE
            self._kill_until(time.monotonic() + (1 - last) * seconds)
            self._watch_until(time.monotonic() + last * seconds)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        self._conclude(visitors)

    def _kill_until(self, end: float) -> None:
        """Killed, stopped, and then either, every now and then, as far as there is time; the first two in any case."""
        draw = random.Random(self.args.seed)
        while (pause := draw.uniform(0.5, 1.5) * self.args.between) < end - time.monotonic() or len(self.ends) < 2:
            time.sleep(pause)
            drawn = draw.choices((signal.SIGKILL, signal.SIGTERM), (2, 1))[0]
            number = (signal.SIGKILL, signal.SIGTERM, drawn)[min(len(self.ends), 2)]
            status = self.server.end(number)
            self.ends.append(number.name)
            if status != (-number if number == signal.SIGKILL else 0):
                self.findings.add(f"after {number.name} the server ended with status {status}")
            self.server.start()

    def _watch_until(self, end: float) -> None:
        with self.server.client() as client:
            while time.monotonic() < end:
                if (seen := self.server.signs()) is not None:
                    self.signs.append(seen)
                if len(self.signs) % 10 == 1:
                    self._note_stored(client)
                time.sleep(1)

    def _note_stored(self, client: httpx.Client) -> None:
        try:
            self.held.append(_stored(client))
        except httpx.HTTPStatusError as error:
            self.findings.add(
                f"{error.request.url.path} answered {error.response.status_code}: {error.response.text[:2000]}"
            )

    def _conclude(self, visitors: Sequence[Visitor]) -> None:
        with self.server.client() as client:
            self._prove(client, random.Random(self.args.seed))
            self._examine("before the sessions were deleted")
            self._empty(client)
            self.held.append(_stored(client))
        time.sleep(1)
        self.after = self.server.signs()
        if (status := self.server.end(signal.SIGTERM)) != 0:
            self.findings.add(f"asked to stop at the end, the server ended with status {status}")
        self._examine("at the end")
        if left := self.server.left_over():
            self.findings.add(f"temporary files were left: {left[:10]}")
        if raised := self.server.tracebacks():
            self.findings.add(f"the server logged {len(raised)} tracebacks, such as {raised[:3]}")

    def _prove(self, client: httpx.Client, draw: random.Random) -> None:
        """Some sessions are computed again and compared bit by bit."""
        names = _names(client)
        for name in draw.sample(names, min(self.args.verified, len(names))):
            job = _ended(client, client.post(f"{at(name)}/verify"))
            if not (job["result"] or {}).get("ok"):
                self.findings.add(f"session {name} is not sound: {job}")

    def _empty(self, client: httpx.Client) -> None:
        """Delete all but a few sessions; what nothing leads to must go at once, and nothing of it stay."""
        for name in [name for name in _names(client) if name not in SHARED]:
            client.delete(at(name)).raise_for_status()
        for wanted in (None, 0):
            result = _ended(client, client.post("/v1/gc", json={"expire_days": 0}))["result"]
            if wanted is not None and result["objects"] > wanted:
                self.findings.add(f"a second gc found {result['objects']} objects that the first had left")
        left = len(list((self.server.store / "leases").iterdir())) - len(_names(client))
        if left > 1:
            self.findings.add(f"{left} locks were left that are of no session, and one is the store's")

    def _examine(self, when: str) -> None:
        """`fsck` as a process of its own, be the server there or not."""
        checked = self.server.perdure("fsck", "--json")
        if checked.returncode != 0:
            self.findings.add(f"fsck {when}: {checked.returncode} {checked.stdout[-2000:]} {checked.stderr[-500:]}")

    def metrics(self) -> dict[str, float]:
        watched = self.signs[int(WARM_UP * len(self.signs)) :]
        tenth = max(1, len(watched) // 10)
        first, last = (statistics.median(sign.anonymous for sign in part) for part in (watched[:tenth], watched[-tenth:]))
        found = {"memory_growth_mib": (last - first) / MIB, "watched_s": watched[-1].at - watched[0].at}
        found["memory_mib"] = last / MIB
        found["memory_slope_mib_per_minute"] = 60 * slope([(sign.at, sign.anonymous / MIB) for sign in watched])
        found["descriptor_slope_per_minute"] = 60 * slope([(sign.at, float(sign.descriptors)) for sign in watched])
        found["descriptors_more"] = float(_of(self.after).descriptors - _of(self.before).descriptors)
        found["children"] = float(_of(self.after).children)
        found["store_mib"], found["held_most_mib"] = self.held[-1][0] / MIB, max(held for _, held in self.held) / MIB
        return found

    def judge(self, found: dict[str, float]) -> None:
        """What the numbers say against it, added to what was found."""
        add = self.findings.add
        if found["watched_s"] >= LONG_ENOUGH and found["memory_slope_mib_per_minute"] > SLOPE:
            add(f"memory grows by {found['memory_slope_mib_per_minute']:.2f} MiB a minute; {SLOPE} are allowed")
        if found["memory_growth_mib"] > GROWTH:
            add(f"memory grew by {found['memory_growth_mib']:.0f} MiB; {GROWTH} are allowed")
        if found["descriptors_more"] > DESCRIPTORS:
            add(f"{found['descriptors_more']:.0f} more files are open than at first; {DESCRIPTORS} are allowed")
        if found["children"]:
            add(f"the server has {found['children']:.0f} child processes at the end")
        if found["store_mib"] > 3 * found["held_most_mib"] + STORE / MIB:
            add(f"the store has {found['store_mib']:.0f} MiB on disk, and never held more than {found['held_most_mib']:.0f}")


def slope(points: Sequence[tuple[float, float]], most: int = 400) -> float:
    """Theil and Sen's: the median of the slopes of all pairs, which a few outliers do not change."""
    thin = points[:: max(1, len(points) // most)]
    found = [(later[1] - sooner[1]) / (later[0] - sooner[0]) for sooner, later in combinations(thin, 2)]
    return statistics.median(found) if found else 0.0


def soaked(args: argparse.Namespace, work: Path) -> Soak:
    """A run, judged."""
    from perdure.testing.tiny import tiny_llama

    own = args.model is None
    model = str(tiny_llama(work / "model")) if own else args.model
    command = ["-m", "benchmarks._soak_child"] if own else ["-m", "perdure"]
    soak = Soak(args, SoakServer(work, command, model=model, flags=[*SMALL, *args.serve_flags.split()]))
    try:
        soak.run()
    finally:
        soak.server.close()
    soak.judge(soak.metrics())
    return soak


def report(soak: Soak, machine: dict[str, Any]) -> dict[str, Any]:
    """What `--json` writes."""
    args, found = soak.args, soak.findings
    settings = {"minutes": args.minutes, "clients": args.clients, "seed": args.seed, "model": args.model or "tiny"}
    counts = {"done": dict(found.counts.most_common()), "statuses": dict(found.statuses.most_common())}
    ended = {"ends": soak.ends, "wrong": found.wrong}
    return {**settings, "machine": machine, "metrics": soak.metrics(), **counts, **ended}


def _stored(client: httpx.Client) -> tuple[int, int]:
    """Bytes on disk, and bytes of all objects."""
    told = client.get("/v1/stats").raise_for_status().json()["bytes"]
    return int(told["disk"]), int(told["objects"])


def _names(client: httpx.Client) -> list[str]:
    names: list[str] = []
    page: dict[str, Any] = {"has_more": True}
    while page["has_more"]:
        after = {"after": names[-1]} if names else {}
        page = client.get("/v1/sessions", params={"limit": 100, **after}).raise_for_status().json()
        names += [item["id"] for item in page["data"]]
    return names


def _ended(client: httpx.Client, response: httpx.Response) -> dict[str, Any]:
    where = response.raise_for_status().headers["Location"]
    while (job := client.get(where).raise_for_status().json())["status"] in ("queued", "running"):
        time.sleep(0.05)
    found: dict[str, Any] = job
    return found


def _of(signs: Signs | None) -> Signs:
    if signs is None:
        raise RuntimeError("The server was gone when it was to be looked at.")
    return signs


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=4, help="visitors at a time")
    parser.add_argument("--seed", type=int, default=1, help="of all that the visitors choose, and of the kills")
    parser.add_argument("--between", type=float, default=40.0, help="seconds between two kills, about")
    parser.add_argument("--verified", type=int, default=8, help="sessions computed again at the end")
    parser.add_argument("--model", help="a pulled model or a folder (default: a tiny random one, with hashed words)")
    parser.add_argument("--serve-flags", default="", help="further options of `perdure serve`, as one string")
    parser.add_argument("--cpus", type=int, nargs="*", default=(), help="the cores to run on (the highest one)")
    parser.add_argument("--work", type=Path, help="folder for the store (default: the system's temporary)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was counted and measured")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    args = parse(argv)
    cores, before = _machine.pin(1, args.cpus), _machine.load()
    console = Console()
    folder = Path(tempfile.mkdtemp(dir=args.work, prefix="perdure-soak-"))
    console.print(f"in {folder}, which stays where something goes wrong", highlight=False)
    soak = soaked(args, folder)
    result = report(soak, _machine.described(folder, cores, before))
    for name in ("done", "statuses", "metrics"):
        console.print_json(data=result[name])
    show_load(console, result["machine"])
    for sentence in result["wrong"]:
        console.print(f"[red]wrong[/red] {sentence}", highlight=False, markup=True)
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n")
    if result["wrong"]:
        raise SystemExit(
            f"{len(result['wrong'])} things went wrong (seed {args.seed}); store and server.log are in {folder}."
        )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
