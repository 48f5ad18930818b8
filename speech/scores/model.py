"""The trained scoring models, one file for each engine: `models/en.npz`, `models/en-large.npz`.

`training/` writes them; the model card, `models/en.md`, describes data, accuracy and limits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.whisper import WhisperEncoder, whisper_encoder
from speech.scores.gate import NAMES as EVIDENCE_NAMES
from speech.scores.gate import Gate
from speech.scores.intervals import Intervals
from speech.scores.mistakes import MistakeLimits
from speech.scores.network import Network, NetworkInput, NetworkOutput, network_arrays
from speech.scores.prosody import DurationNorm
from speech.scores.stacking import PhoneStacking
from speech.text.phones import PHONES
from speech.trained_models import MODELS, Arrays, file_version, read_model

# Names of their files: the scoring model, then the encoder that it needs.
ENGINES: Final = {"kaiwa": ("en",), "kaiwa-large": ("en-large", "whisper-tiny.en")}


@dataclass(frozen=True, slots=True)
class ScoringModel:
    """Turns measures into scores.

    Attributes:
        network: Predicts experts' scores.
        stacking: Corrects the scores of phones.
        durations: How long learners hold each phone.
        gate: Detects recordings that do not match the text.
        confidence: Shape (2, n): predicted word scores, 0-10, ascending, and the share of such
            words that experts rate as well said; interpolated in between.
        intervals: Where the experts' means probably lie.
        mistakes: When each kind of mistake is named.
        version: The beginning of the file's SHA-256.
    """

    network: Network
    stacking: PhoneStacking
    durations: Mapping[str, DurationNorm]
    gate: Gate
    confidence: NDArray[np.float32]
    intervals: Intervals
    mistakes: MistakeLimits
    version: str = ""

    @property
    def encoder(self) -> WhisperEncoder | None:
        """The encoder whose embeddings the network uses; None if it uses none."""
        return whisper_encoder() if self.network.embedding_width else None

    def predict(self, given: NetworkInput) -> NetworkOutput:
        """Predict experts' scores for one piece of speech."""
        return self.stacking.corrected(given, self.network.forward(given))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a file saved from `arrays`.

        Raises:
            DamagedModel: If the file is missing, incomplete or of another kind.
        """
        return read_model(path, partial(cls._from_arrays, version=file_version(path)))

    @classmethod
    def _from_arrays(cls, arrays: Arrays, version: str) -> Self:
        gate = Gate(*(arrays[f"gate.{field.name}"] for field in fields(Gate)))
        # Trying them proves that they fit.
        gate.mismatch(np.zeros(len(EVIDENCE_NAMES), np.float32))
        scores, shares = arrays["confidence"]
        np.interp(0.0, scores, shares)
        norms = zip(PHONES, arrays["durations"].tolist(), strict=True)
        return cls(
            network=Network.from_arrays(arrays),
            stacking=PhoneStacking(arrays["stacking.slopes"], arrays["stacking.offsets"]),
            durations={phone: DurationNorm(mean, spread) for phone, (mean, spread) in norms},
            gate=gate,
            confidence=arrays["confidence"],
            intervals=Intervals.from_arrays(arrays),
            mistakes=MistakeLimits(
                *(arrays[f"mistakes.{field.name}"] for field in fields(MistakeLimits))
            ),
            version=version,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save with `numpy.savez`."""
        norms = [(self.durations[phone].mean, self.durations[phone].spread) for phone in PHONES]
        return network_arrays(self.network) | {
            "durations": np.array(norms, np.float32),
            "confidence": self.confidence.astype(np.float32),
            "stacking.slopes": self.stacking.slopes,
            "stacking.offsets": self.stacking.offsets,
            **{
                f"gate.{field.name}": getattr(self.gate, field.name).astype(np.float32)
                for field in fields(Gate)
            },
            **{
                f"mistakes.{field.name}": getattr(self.mistakes, field.name)
                for field in fields(MistakeLimits)
            },
            **self.intervals.arrays(),
        }


@cache
def scoring_model(engine: str) -> ScoringModel:
    """Read the model of an engine that ships with this package.

    Raises:
        DamagedModel: If its file is missing or damaged.
    """
    return ScoringModel.from_file(MODELS / f"{ENGINES[engine][0]}.npz")
