"""What goes wrong outside: a full disk, a store of another kind or time, another process. One sentence, nothing lost."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.errors import InvalidName, RevisionNotFound, SessionExists, StoreFull, StoreUnreadable, StoreVersion
from perdure.memory import Repository
from perdure.runtime import Runtime
from perdure.stores import faults

from ..conftest import Opens

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    faults.disarm()


def test_a_full_disk_before_the_turn_changes_nothing(runtime: Runtime) -> None:
    session = runtime.session("s")
    session.chat("Hello.")
    head = session.head
    faults.arm("journal.append.before", error=FULL)
    with pytest.raises(StoreFull, match=r"space|full"):
        session.chat("One more thing.")
    faults.disarm()
    assert session.head == head
    assert len(session.messages()) == 2
    session.chat("And now there is room.")
    assert [m.content for m in session.messages()][2] == "And now there is room."


def test_a_full_disk_at_the_commit_loses_no_streamed_token(opens: Opens) -> None:
    with opens() as runtime:
        session = runtime.session("s")
        session.chat("Hello.")
        faults.arm("lmdb.commit.before", error=FULL)
        stream = session.stream("Tell me more.", temperature=0.0)
        seen: list[int] = []
        with pytest.raises(StoreFull):
            seen.extend(chunk.token for chunk in stream)
        faults.disarm()
    with opens() as runtime:
        session = runtime.session("s")
        assert [m.role for m in session.messages()] == ["user", "assistant"] * 2
        assert runtime.repository.tokens("s")[-len(stream.tokens) :] == list(stream.tokens)
        assert session.verify() == []


def test_a_file_is_no_store(opens: Opens, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("hello")
    with pytest.raises(StoreUnreadable, match="not a directory"):
        opens(path)
    assert path.read_text() == "hello"


def test_a_foreign_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not a database at all" * 1000)
    before = (tmp_path / "data.mdb").read_bytes()
    with pytest.raises((StoreUnreadable, StoreVersion, OSError)):
        Repository.open(tmp_path)
    assert (tmp_path / "data.mdb").read_bytes() == before


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "ü", "a" * 65, "HEAD", "a b", "x\0y"])
def test_bad_names_are_refused(runtime: Runtime, name: str) -> None:
    with pytest.raises(InvalidName, match="name"):
        runtime.session(name)
    assert runtime.sessions() == []


def test_a_name_that_is_taken(runtime: Runtime) -> None:
    runtime.session("a").chat("Hello.")
    runtime.session("b")
    with pytest.raises(SessionExists, match="'b'"):
        runtime.repository.fork("a", "b")


@pytest.mark.parametrize("rev", ["deadbeef", "a~9", "a@turn:7", "nobody"])
def test_revisions_that_lead_nowhere(runtime: Runtime, rev: str) -> None:
    runtime.session("a").chat("Hello.")
    with pytest.raises(RevisionNotFound):
        runtime.repository.resolve(rev)


READER = """
import sys
from pathlib import Path
from perdure.memory import Repository
with Repository.open(Path(sys.argv[1])) as repository:
    print(len(repository.messages("s")), repository.info("s").head.turn)
    try:
        repository.reset("s", "HEAD~1")
    except Exception as error:
        print(type(error).__name__)
    print(repository.fork("s", "other").name)
"""


def test_another_process_reads_and_forks_but_may_not_write(runtime: Runtime) -> None:
    """While one process is in the middle of an answer, another reads and forks at once; writing the session is busy."""
    session = runtime.session("s")
    session.chat("Hello.")
    with session.stream("Tell me more.") as stream:
        next(stream)
        command = [sys.executable, "-c", READER, str(runtime.repository.path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[:3] == ["2 1", "SessionBusy", "other"]
    assert session.head.turn == 2
    assert runtime.repository.info("other").head.turn == 1
