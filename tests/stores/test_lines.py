from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from perdure.errors import InvalidInput, StoreFull
from perdure.stores.lines import Lines

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from perdure.stores.lines import Lines
lines = Lines(Path(sys.argv[1]), "audit", file_bytes=4000)
number = 0
while True:
    lines.append(b"line %d " % number + b"x" * 100)
    print(number, flush=True)
    number += 1
"""


def numbers(lines: Lines) -> list[int]:
    return [int(line.data.split()[1]) for line in lines.read()]


def test_lines_go_on_in_the_next_file(tmp_path: Path) -> None:
    lines = Lines(tmp_path, "audit", file_bytes=30)
    for number in range(6):
        lines.append(b"line %d with text" % number)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [f"audit-{n}.jsonl" for n in (1, 2, 3)]
    found = list(lines.read())
    assert [line.data[5:6] for line in found] == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert list(lines.read(newest_first=True)) == found[::-1]
    for number, line in enumerate(found):
        place = (line.file, line.at)
        assert list(lines.read(beyond=place)) == found[number + 1 :]
        assert list(lines.read(beyond=place, newest_first=True)) == found[:number][::-1]
    assert oct((tmp_path / "audit-1.jsonl").stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("whole", [b"", b"whole\n"])
def test_what_a_dead_process_left_of_a_line_is_cut_off(tmp_path: Path, whole: bytes) -> None:
    lines = Lines(tmp_path, "audit")
    (tmp_path / "audit-1.jsonl").write_bytes(whole + b"half a line" * 10_000)
    assert [line.data for line in lines.read()] == whole.splitlines()
    lines.append(b"next")
    assert (tmp_path / "audit-1.jsonl").read_bytes() == whole + b"next\n"


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Lines(tmp_path, "audit")
    lines.append(b"first")

    def half(fd: int, data: bytes) -> None:
        import os

        os.write(fd, data[:3])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StoreFull):
        patch.setattr("perdure.stores.lines.write_all", half)
        lines.append(b"second")
    assert (tmp_path / "audit-1.jsonl").read_bytes() == b"first\n"
    with pytest.raises(InvalidInput):
        lines.append(b"two\nlines")


def test_a_killed_writer_leaves_every_line_that_it_had_finished(tmp_path: Path) -> None:
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(60):
                last = int(process.stdout.readline())
            process.kill()
            rest = process.stdout.read().split()
        last = max([last, *map(int, rest)])
        found = numbers(Lines(tmp_path, "audit"))
        # It may have been killed between a line and its acknowledgement.
        assert found in (list(range(last + 1)), list(range(last + 2)))
        assert all(path.read_bytes().count(b"line") > 0 for path in tmp_path.glob("*.jsonl"))
        for path in tmp_path.glob("*.jsonl"):
            path.unlink()


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    lines = Lines(tmp_path, "audit", file_bytes=1000)

    def write(which: int) -> None:
        for number in range(40):
            lines.append(b"line %d" % (which * 40 + number))

    threads = [threading.Thread(target=write, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers(lines)) == list(range(160))
