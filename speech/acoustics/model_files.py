"""Read the acoustic model `en-us` of the pocketsphinx wheel (BSD) without its library.

It is phonetically tied: each of the 42 phones has one codebook of 128 densities in each of three
streams (cepstra, velocity, acceleration), and each of the 5,126 tied states of phones in context
(senones) weighs the densities of its phone.
"""

from dataclasses import dataclass
from functools import cache
from math import log, pi, prod
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.binary_file import BinaryFile
from speech.acoustics.triphones import STATES, Triphones, read_triphones
from speech.pocketsphinx_wheel import wheel_path

STREAMS: Final = 3
STREAM_LENGTH: Final = 13
DENSITIES: Final = 128

_BYTE_ORDER: Final = 0x11223344
_VARIANCE_FLOOR: Final = 1e-4
_TRANSITION_FLOOR: Final = 1e-4
_NATS: Final = 1024 * log(1.0001)  # one unit of a quantised weight


@dataclass(frozen=True, slots=True, eq=False)
class AcousticModel:
    """The model as matrices.

    Attributes:
        transitions: Shape (42, 3, 4): natural logarithms of the probability to go from each
            state of a phone to each state, or out of the phone, in one frame.
        densities: Shape (42, 3, 128, 27), float32: multiplied with [x, x², 1] they give the
            natural logarithm of each density at x.
        weights: Shape (senones, 3, 128), float32, in (0, 1].
        triphones: Senones of each phone by its neighbours.
    """

    transitions: NDArray[np.float32]
    densities: NDArray[np.float32]
    weights: NDArray[np.float32]
    triphones: Triphones

    @property
    def phones(self) -> tuple[str, ...]:
        """Names of the 42 phones: 39 of ARPAbet, SIL, +NSN+ and +SPN+."""
        return self.triphones.phones

    @property
    def context_independent(self) -> NDArray[np.int64]:
        """Context-independent senones of all phones, shape (126,): in order, three each."""
        return self.triphones.sequences[self.triphones.bases].ravel()

    def senones(self, phone: str, left: str, right: str, position: str) -> tuple[int, int, int]:
        """Look up the senones of a phone's three states; see `Triphones.senones`."""
        return self.triphones.senones(phone, left, right, position)


@cache
def acoustic_model() -> AcousticModel:
    """Read the wheel's model, once per process.

    Raises:
        EngineFailure: If a file is missing or invalid.
    """
    return read_model(wheel_path("en-us"))


def read_model(folder: Path) -> AcousticModel:
    """Read a model from its folder; raises EngineFailure as `acoustic_model` does."""
    triphones = read_triphones(folder / "mdef")
    phones = len(triphones.phones)
    shape = (phones, STREAMS, DENSITIES, STREAM_LENGTH)
    means, variances = (_parameters(folder / name, shape) for name in ("means", "variances"))
    matrices = _transitions(folder / "transition_matrices", phones)
    return AcousticModel(
        transitions=matrices[triphones.transitions],
        densities=_densities(means, np.maximum(variances, _VARIANCE_FLOOR)),
        weights=_weights(folder / "sendump", len(triphones.codebooks)),
        triphones=triphones,
    )


def _parameters(path: Path, shape: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """Read means or variances, an `s3` file."""
    file = _s3(path)
    codebooks, streams, densities, length = shape
    expected = (codebooks, streams, densities, *[length] * streams, prod(shape))
    return _floats(file, expected, shape)


def _transitions(path: Path, count: int) -> NDArray[np.float32]:
    """Read transition matrices, an `s3` file of counts, as logarithms; -inf for no transition."""
    shape = (count, STATES, STATES + 1)
    seen = _floats(_s3(path), (*shape, prod(shape)), shape)
    shares = seen / np.maximum(seen.sum(axis=2, keepdims=True), _TRANSITION_FLOOR)
    shares = np.where(seen > 0, np.maximum(shares, _TRANSITION_FLOOR), 0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(shares / shares.sum(axis=2, keepdims=True)), np.float32)


def _s3(path: Path) -> BinaryFile:
    file = BinaryFile(path)
    file.skip_text(b"      endhdr")
    file.expect(file.integers(1) == (_BYTE_ORDER,), "its byte order is wrong")
    return file


def _floats(
    file: BinaryFile, header: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    file.expect(file.integers(len(header)) == header, "its shape is wrong")
    values = file.array("<f4", prod(shape)).reshape(shape).astype(np.float64)
    file.expect(np.isfinite(values).all(), "it contains values that are not finite")
    return values


def _densities(means: NDArray[np.float64], variances: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the factors of x, x² and 1 in the logarithm of each normal density."""
    constant = -0.5 * (means**2 / variances + np.log(2 * pi * variances)).sum(axis=3, keepdims=True)
    parts = [means / variances, -0.5 / variances, constant]
    return np.concatenate(parts, axis=3).astype(np.float32)


def _weights(path: Path, senones: int) -> NDArray[np.float32]:
    """Read `sendump`: one byte per stream, density and senone."""
    file = BinaryFile(path)
    while length := file.integers(1)[0]:
        file.array("u1", length)  # a line of the header, which does not describe the data
    file.expect(file.integers(2) == (DENSITIES, senones), "its shape is wrong")
    quantised = file.array("u1", STREAMS * DENSITIES * senones)
    levels = np.exp(-_NATS * np.arange(256)).astype(np.float32)
    by_density = levels[quantised].reshape(STREAMS, DENSITIES, senones)
    return np.ascontiguousarray(by_density.transpose(2, 0, 1))
