"""All that was learnt from rated recordings, in one file: `models/en.npz`.

`training/` writes it; `models/en.md` says from what, what it is worth and what it is not for.
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from speech.scores.gate import NAMES as EVIDENCE_NAMES
from speech.scores.gate import Gate
from speech.scores.network import DamagedNetwork, Network, network_arrays
from speech.scores.prosody import DurationNorm
from speech.text.phones import PHONES

_VERSION_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """What turns measures into scores.

    Attributes:
        network: Gives experts' scores.
        durations: How long learners hold each phone.
        gate: Tells whether it is the text that is said.
        confidence: Slope and intercept of the log odds that experts find a word well said, by
            the score expected of it, 0-10.
        version: The beginning of the file's SHA-256.
    """

    network: Network
    durations: Mapping[str, DurationNorm]
    gate: Gate
    confidence: tuple[float, float]
    version: str = ""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read what `arrays` was saved as.

        Raises:
            DamagedNetwork: If the file is not whole or not such a file.
        """
        version = sha256(path.read_bytes()).hexdigest()[:_VERSION_DIGITS]
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            gate = Gate(
                *(arrays[f"gate.{name}"] for name in ("mean", "spread", "weights")),
                *(float(arrays[f"gate.{name}"]) for name in ("intercept", "certain", "possible")),
            )
            gate.mismatch(np.zeros(len(EVIDENCE_NAMES), np.float32))
            slope, intercept = arrays["confidence"].tolist()
            durations = {
                phone: DurationNorm(mean, spread)
                for phone, (mean, spread) in zip(PHONES, arrays["durations"].tolist(), strict=True)
            }
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
            message = f"{path.name} cannot be read: {error}. Install the package again."
            raise DamagedNetwork(message) from error
        return cls(Network.from_arrays(arrays), durations, gate, (slope, intercept), version)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For `numpy.savez`."""
        norms = [(self.durations[phone].mean, self.durations[phone].spread) for phone in PHONES]
        gate = self.gate
        return network_arrays(self.network) | {
            "durations": np.array(norms, np.float32),
            "confidence": np.array(self.confidence, np.float32),
            "gate.mean": gate.mean.astype(np.float32),
            "gate.spread": gate.spread.astype(np.float32),
            "gate.weights": gate.weights.astype(np.float32),
            "gate.intercept": np.float32(gate.intercept),
            "gate.certain": np.float32(gate.certain),
            "gate.possible": np.float32(gate.possible),
        }


@cache
def scoring_model() -> ScoringModel:
    """Read the model that ships with this package."""
    with resources.as_file(resources.files("speech") / "models" / "en.npz") as path:
        return ScoringModel.from_file(path)
