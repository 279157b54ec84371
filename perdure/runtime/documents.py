"""Reading documents to be remembered: plain text, Markdown and PDF."""

from __future__ import annotations

import codecs
import io
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidInput

if TYPE_CHECKING:
    from pypdf import PdfReader


PDF_HEAD = b"%PDF-"
MAX_BYTES = 256 << 20
"""Larger files are refused: they are hardly ever what a person meant to be remembered."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROLS = {chr(code) for code in range(32)} - set("\t\n\r\f\v\x1b\x08")


class Part(NamedTuple):
    """One part of a document: what it is called (a page of a PDF, else the file's name), and its text."""

    title: str
    text: str


def read(path: Path) -> list[Part]:
    """The parts of a file that hold text: the pages of a PDF, or the whole of a text file.

    Raises InvalidInput, naming the file, where it cannot be read or holds no text.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InvalidInput(f"{path} has more than {MAX_BYTES >> 20} MiB; cut it into smaller files.")
        data = path.read_bytes()
    except IsADirectoryError as error:
        raise InvalidInput(f"{path} is a folder; give the files in it one by one.") from error
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from error
    return parse(data, path.name)


def parse(data: bytes, name: str) -> list[Part]:
    """The parts of a document whose bytes are given (from standard input, say). Raises InvalidInput as `read` does."""
    suffix = Path(name).suffix.lower()
    pdf = data[:1024].lstrip().startswith(PDF_HEAD)
    if suffix == ".pdf" and not pdf:
        raise InvalidInput(f"{name} is called a PDF but is none; check how it was saved.")
    parts = list(_pages(data, name)) if pdf else [Part(name, decode(data, name))]
    kept = [part for part in parts if part.text.strip()]
    if not kept:
        hint = " It may hold scanned pages only; run a text recognition over it first." if pdf else ""
        raise InvalidInput(f"{name} holds no text.{hint}")
    return kept


def decode(data: bytes, name: str) -> str:
    """Text in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark; line ends become "\\n".

    Other encodings are refused, not guessed: a wrong guess would be remembered as rubbish.
    """
    encoding = next((found for mark, found in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InvalidInput(_undecodable(data, name, encoding)) from error
    if not _CONTROLS.isdisjoint(text):
        raise InvalidInput(f"{name} is not a text file: it holds control characters. Text, Markdown and PDF can be read.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _undecodable(data: bytes, name: str, encoding: str) -> str:
    if b"\0" in data:
        return f"{name} is not a text file. Text, Markdown and PDF can be read."
    return (
        f"{name} is not in {encoding.removesuffix('-sig').upper()}; convert it, for example with iconv -f LATIN1 -t UTF-8."
    )


def _pages(data: bytes, name: str) -> Iterator[Part]:
    from pypdf.errors import DependencyError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = _open(data, name)
        for number, page in enumerate(reader.pages, 1):
            yield Part(f"{name}, page {number}", page.extract_text().replace("\0", ""))
    except (InvalidInput, MemoryError):
        raise
    except DependencyError as error:
        raise InvalidInput(f"{name} is encrypted in a way that cannot be read here; save it without a password.") from error
    except Exception as error:
        # pypdf lets errors of every kind through where a file contradicts itself.
        raise InvalidInput(f"{name} is a broken PDF ({_sentence(error)}); open it in a viewer and save it anew.") from error


def _open(data: bytes, name: str) -> PdfReader:
    from pypdf import PasswordType, PdfReader

    reader = PdfReader(io.BytesIO(data))
    if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
        raise InvalidInput(f"{name} is protected by a password; save it without one first.")
    return reader


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
