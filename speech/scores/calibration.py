"""The constants that turn alignment into scores, fitted on a corpus that experts rated.

`models/alignment_scores.json` is written by `training/calibrate_alignment_scores.py`, which also
prints how well they did on speakers that were held out.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

_Numbers = TypeVar("_Numbers", float, NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class PhoneNorm:
    """What learners usually do with one phone; spreads are standard deviations.

    Attributes:
        score: Mean alignment score, nats a frame.
        score_spread: Of the score.
        log_duration: Mean of the natural logarithm of seconds.
        log_duration_spread: Of the logarithm.
        accuracy: Mean of the experts, 0-2.
    """

    score: float
    score_spread: float
    log_duration: float
    log_duration_spread: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A weighted sum of named features."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float

    def of(self, features: Mapping[str, _Numbers]) -> _Numbers:
        """Apply to one number a feature, or to columns of shape (n,)."""
        total = features[self.names[0]] * self.weights[0]
        for name, weight in zip(self.names[1:], self.weights[1:], strict=True):
            total += features[name] * weight
        return total + self.intercept


@dataclass(frozen=True, slots=True)
class Calibration:
    """All fitted constants.

    Attributes:
        phone_norms: By ARPAbet phone.
        phone: To the experts' accuracy of a phone, 0-2.
        word: To the log odds that experts give a word at least `WELL_SAID` of 10.
        accuracy: To the experts' accuracy of an utterance, 0-10.
        fluency: To the experts' fluency of an utterance, 0-10.
        mismatch: To the log odds that the recording says something else.
        mismatch_certain: Above this, 1 % of the learners who said the text are refused.
        mismatch_possible: Above this, 5 % of them are warned.
    """

    phone_norms: Mapping[str, PhoneNorm]
    phone: LinearMap
    word: LinearMap
    accuracy: LinearMap
    fluency: LinearMap
    mismatch: LinearMap
    mismatch_certain: float
    mismatch_possible: float

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        norms = {phone: PhoneNorm(**norm) for phone, norm in fields.pop("phone_norms").items()}
        maps = {
            name: LinearMap(tuple(field["names"]), tuple(field["weights"]), field["intercept"])
            for name, field in fields.items()
            if isinstance(field, dict)
        }
        return cls(phone_norms=norms, **(fields | maps))

    def to_json(self) -> str:
        """Write for people to read and for git to compare."""
        return json.dumps(_rounded(asdict(self)), indent=1) + "\n"


@cache
def shipped() -> Calibration:
    """Read the calibration that ships with this package."""
    path = resources.files("speech") / "models" / "alignment_scores.json"
    return Calibration.from_json(path.read_text(encoding="utf-8"))


def _rounded(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can hold
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
