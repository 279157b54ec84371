from __future__ import annotations

import struct
from typing import Any

import blake3
import msgpack
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from perdure.errors import InvalidInput, ObjectCorrupt
from perdure.stores import codec

DIGESTS = st.binary(min_size=32, max_size=32)
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3), max_leaves=8)
METAS = st.dictionaries(st.text(), VALUES, max_size=4)


def forge(header: bytes, payload: bytes = b"", length: int | None = None) -> tuple[bytes, bytes]:
    """A record whose checksums are right, whatever its header holds."""
    digest = blake3.blake3(header + payload).digest()
    checksum = xxhash.xxh3_64_intdigest(header + payload, seed=int.from_bytes(digest[:8], "little"))
    size = len(header) if length is None else length
    return digest, struct.pack("<4sIQ", b"PDO1", size, checksum) + header + payload


@given(kind=st.text(), refs=st.lists(DIGESTS, max_size=4), meta=METAS, payload=st.binary(max_size=300))
def test_round_trip(kind: str, refs: list[bytes], meta: dict[str, Any], payload: bytes) -> None:
    digest, record = codec.encode(kind, refs, meta, payload)
    for item in (codec.decode(record, digest, deep=True), codec.decode(record, digest), codec.decode(record)):
        assert (item.digest, item.kind, list(item.refs), item.meta, bytes(item.payload)) == (
            digest,
            kind,
            refs,
            meta,
            payload,
        )
    assert codec.digest_of(record) == digest
    assert codec.encode(item.kind, item.refs, item.meta, item.payload) == (digest, record)


def test_the_format_is_as_written_down() -> None:
    digest, record = codec.encode("leaf", [b"r" * 32], {"z": 1, "a": [b"x"]}, b"payload")
    header = msgpack.packb({"k": "leaf", "m": {"a": [b"x"], "z": 1}, "r": [b"r" * 32]})
    assert (digest, record) == forge(header, b"payload")


def test_the_payload_is_not_copied() -> None:
    digest, record = codec.encode("leaf", (), {}, b"payload")
    shared = bytearray(record)
    item = codec.decode(shared, digest)
    shared[-1:] = b"D"
    assert bytes(item.payload) == b"payloaD"


@given(data=st.binary(max_size=200))
def test_noise_is_corrupt(data: bytes) -> None:
    for record in (data, b"PDO1" + data):
        with pytest.raises(ObjectCorrupt):
            codec.decode(record)
        with pytest.raises(ObjectCorrupt):
            codec.decode(record, b"d" * 32)


@given(header=st.binary(max_size=60), payload=st.binary(max_size=20))
def test_a_header_of_noise_with_right_checksums_is_corrupt(header: bytes, payload: bytes) -> None:
    digest, record = forge(header, payload)
    with pytest.raises(ObjectCorrupt):
        codec.decode(record, digest)


@pytest.mark.parametrize(
    "header",
    [
        {},
        [],
        "text",
        {"k": "leaf", "r": []},
        {"k": "leaf", "r": [], "m": {}, "x": 1},
        {"k": 1, "r": [], "m": {}},
        {"k": b"leaf", "r": [], "m": {}},
        {"k": "leaf", "r": {}, "m": {}},
        {"k": "leaf", "r": [], "m": []},
        {"k": "leaf", "r": ["x" * 32], "m": {}},
        {"k": "leaf", "r": [b"short"], "m": {}},
        {"k": "leaf", "r": [], "m": {1: 2}},
        {"k": "leaf", "r": [], "m": {"x": msgpack.ExtType(5, b"data")}},
    ],
)
def test_wrong_headers(header: object) -> None:
    digest, record = forge(msgpack.packb(header))
    with pytest.raises(ObjectCorrupt):
        codec.decode(record, digest, deep=True)


def test_deep_nesting_is_corrupt() -> None:
    nested = b"\x81\xa1x" * 2000 + b"\xc0"
    digest, record = forge(b"\x83\xa1k\xa0\xa1r\x90\xa1m" + nested)
    with pytest.raises(ObjectCorrupt):
        codec.decode(record, digest)


def test_lengths_that_lie() -> None:
    header = msgpack.packb({"k": "leaf", "r": [], "m": {}})
    for length in (0, 1, len(header) - 1, len(header) + 1, 2**32 - 1):
        digest, record = forge(header, b"", length)
        with pytest.raises(ObjectCorrupt):
            codec.decode(record, digest)


def test_deep_finds_what_the_cheap_checksum_was_made_to_hide() -> None:
    digest, record = codec.encode("leaf", (), {}, b"payload")
    header = record[16:-7]
    checksum = xxhash.xxh3_64_intdigest(header + b"PAYLOAD", seed=int.from_bytes(digest[:8], "little"))
    forged = struct.pack("<4sIQ", b"PDO1", len(header), checksum) + header + b"PAYLOAD"
    assert bytes(codec.decode(forged, digest).payload) == b"PAYLOAD"
    with pytest.raises(ObjectCorrupt):
        codec.decode(forged, digest, deep=True)


def test_values_that_cannot_be_packed() -> None:
    nested: list[Any] = []
    nested.append(nested)
    for value in (object(), {1: 2}, 1 << 64, {"x": {3}}, nested, "\ud800"):
        with pytest.raises(InvalidInput):
            codec.pack(value)
    assert codec.unpack(codec.pack((1, (2, {"b": 1, "a": 2})))) == [1, [2, {"a": 2, "b": 1}]]
