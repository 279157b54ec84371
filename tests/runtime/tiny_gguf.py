"""A tiny random llama as a GGUF file, and as wheels that hold it or a part of it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
from gguf import GGUFWriter, TokenType

from perdure.runtime.catalogue import Entry, Terms, Wheel
from perdure.testing.tiny import CHAT_TEMPLATE, SPECIALS, tiny_tokenizer

HIDDEN, LAYERS, HEADS, INNER = 32, 1, 2, 64


def write_gguf(file: Path, *, splitting: str = "smollm") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    tokenizer = file.with_suffix(".json")
    vocab = list(tiny_tokenizer(tokenizer))
    writer = GGUFWriter(file, "llama")
    _describe(writer, len(vocab))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitting)
    writer.add_token_list(vocab)
    writer.add_token_types([TokenType.CONTROL if name in SPECIALS else TokenType.NORMAL for name in vocab])
    writer.add_token_merges([" ".join(pair) for pair in json.loads(tokenizer.read_text())["model"]["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)
    _add_tensors(writer, len(vocab))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tokenizer.unlink()
    return file


def _describe(writer: GGUFWriter, vocab: int) -> None:
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocab)


def _add_tensors(writer: GGUFWriter, vocab: int) -> None:
    draw = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd": (vocab, HIDDEN),
        "output": (vocab, HIDDEN),
        "output_norm": (HIDDEN,),
    }
    for layer in range(LAYERS):
        block: dict[str, tuple[int, ...]] = {f"attn_{name}": (HIDDEN, HIDDEN) for name in ("q", "k", "v", "output")}
        block |= {"attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,), "ffn_down": (HIDDEN, INNER)}
        block |= {"ffn_gate": (INNER, HIDDEN), "ffn_up": (INNER, HIDDEN)}
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in block.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", draw.normal(0, 0.2, shape).astype(np.float32))


def write_wheel(file: Path, gguf: Path) -> Entry:
    """Puts the GGUF into a wheel; the entry that describes it."""
    content = gguf.read_bytes()
    return _entry(content, (_write(file, "tiny-model", "tiny_model/tiny.gguf", content),))


def write_parts(folder: Path, gguf: Path, parts: int, terms: Terms | None = None) -> Entry:
    """Cuts the GGUF into wheels in `folder`, the last part the shortest; the entry that describes them."""
    content = gguf.read_bytes()
    size = -(-len(content) // parts)
    wheels = []
    for part in range(parts):
        name = f"tiny_model_part{part + 1}"
        piece = content[part * size : (part + 1) * size]
        file = folder / f"{name}-1.0-py3-none-any.whl"
        wheels.append(_write(file, name.replace("_", "-"), f"{name}/tiny.gguf.part{part:02}", piece))
    return _entry(content, tuple(wheels), terms)


def _write(file: Path, package: str, member: str, content: bytes) -> Wheel:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(member, content)
        about = f"{package.replace('-', '_')}-1.0.dist-info"
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return Wheel(package, "1.0", member, hashlib.sha256(content).hexdigest(), len(content), file.stat().st_size)


def _entry(content: bytes, wheels: tuple[Wheel, ...], terms: Terms | None = None) -> Entry:
    return Entry(
        name="tiny-model",
        title="Tiny",
        wheels=wheels,
        sha256=hashlib.sha256(content).hexdigest(),
        space=1 << 20,
        licence="apache-2.0",
        aliases=("tiny",),
        terms=terms,
    )
