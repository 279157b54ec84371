"""Documents: what can be read is read, everything else is refused in one sentence that names the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from perdure.errors import InvalidInput
from perdure.runtime import documents
from perdure.runtime.documents import Part, parse, read


def pdf(*pages: str, password: str = "") -> bytes:
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(200, 200)
        font = {NameObject("/Type"): "/Font", NameObject("/Subtype"): "/Type1", NameObject("/BaseFont"): "/Helvetica"}
        named = DictionaryObject({key: NameObject(value) for key, value in font.items()})
        fonts = DictionaryObject({NameObject("/F1"): named})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
        page[NameObject("/Contents")] = stream
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    sink = io.BytesIO()
    writer.write(sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        "Grüße\nline".encode(),
        "Grüße\nline".encode("utf-8-sig"),
        "Grüße\nline".encode("utf-16"),
        "Grüße\r\nline".encode("utf-32"),
        "Grüße\rline".encode(),
    ],
    ids=["utf-8", "utf-8 with mark", "utf-16", "utf-32", "old line ends"],
)
def test_text_is_decoded(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_bytes(data)
    assert read(tmp_path / "note.md") == [Part("note.md", "Grüße\nline")]
    assert parse(data, "standard input") == [Part("standard input", "Grüße\nline")]


def test_the_pages_of_a_pdf_are_parts(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(pdf("First page", "", "Third page"))
    assert [(part.title, part.text.strip()) for part in read(tmp_path / "a.pdf")] == [
        ("a.pdf, page 1", "First page"),
        ("a.pdf, page 3", "Third page"),
    ]
    assert parse(pdf("Inside"), "standard input")[0].text.strip() == "Inside"


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", "Grüße".encode("latin-1"), "not in UTF-8"),
        ("a.txt", b"\x00\x01\x02\xff", "not a text file"),
        ("a.md", b"text\x01more", "control characters"),
        ("a.txt", b"\xff\xfea", "not in UTF-16"),
        ("a.txt", b"", "holds no text"),
        ("a.txt", b" \n\t ", "holds no text"),
        ("a.pdf", b"hello", "called a PDF but is none"),
        ("a.pdf", b"%PDF-1.4\nrubbish", "broken PDF"),
        ("a.pdf", pdf("Some text")[:150], "broken PDF"),
        ("a.pdf", pdf(""), "text recognition"),
        ("a.pdf", pdf("Secret", password="x"), "protected by a password"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_refused(name: str, data: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        parse(data, name)
    assert str(refused.value).startswith(name)
    assert "\n" not in str(refused.value)


def test_files_that_cannot_be_opened_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidInput, match=r"none\.txt cannot be read: No such file"):
        read(tmp_path / "none.txt")
    with pytest.raises(InvalidInput, match="is a folder"):
        read(tmp_path)
    (tmp_path / "big.txt").write_text("too much")
    monkeypatch.setattr(documents, "MAX_BYTES", 4)
    with pytest.raises(InvalidInput, match="more than"):
        read(tmp_path / "big.txt")
