"""A GGUF written anew with its matrices in Q8_0: fair for speed; the quality is that of the coarser file it came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WRITTEN_BY_THE_WRITER = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def q8_0(source: Path, target: Path) -> Path:
    """All metadata as in `source`; tensors of one dimension in float32. Tied weights stay tied."""
    from gguf import GGUFReader, GGUFWriter, LlamaFileType

    reader = GGUFReader(source)
    architecture = str(reader.fields["general.architecture"].contents())
    writer = GGUFWriter(target, architecture)
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(2)
    for name, field in reader.fields.items():
        if not name.startswith(WRITTEN_BY_THE_WRITER):
            _copy(writer, name, field)
    for tensor in reader.tensors:
        _add(writer, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _copy(writer: Any, name: str, field: Any) -> None:
    inner = field.types[-1] if len(field.types) > 1 else None
    writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)


def _add(writer: Any, tensor: Any) -> None:
    from gguf import GGMLQuantizationType, dequantize, quantize

    exact = dequantize(tensor.data, tensor.tensor_type)
    kind = GGMLQuantizationType.Q8_0 if exact.ndim > 1 else GGMLQuantizationType.F32
    writer.add_tensor(tensor.name, quantize(exact, kind), raw_dtype=kind)
