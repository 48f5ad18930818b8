"""Replace single sounds in recordings, and score each sound before and after."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from speech import engine as speech_engine
from speech.errors import SpeechError
from speech.scores.model import ScoringModel
from speech.waveform import SAMPLE_RATE_HZ
from training.signals import Waveform

_FADE: Final = 80  # samples, 5 ms
_ZERO_CROSSING: Final = 32  # samples, searched on either side of a boundary
_MOST_GAIN: Final = 4.0


@dataclass(frozen=True, slots=True)
class ScoredPhone:
    """One phone: the index of its word, its place in the recording in samples, its score."""

    word: int
    name: str
    start: int
    end: int
    score: float


def scored_phones(
    waveform: Waveform, text: str, engine: str, model: ScoringModel | None
) -> list[ScoredPhone]:
    """Return all phones of a recording; none if it is refused."""
    try:
        analysis = speech_engine.analyze(waveform, text, "en", engine=engine, model=model)
    except SpeechError:
        return []
    per_ms = SAMPLE_RATE_HZ // 1000
    return [
        ScoredPhone(index, name, per_ms * start_ms, per_ms * end_ms, score)
        for index, word in enumerate(analysis.raw_alignment["words"])
        for name, start_ms, end_ms, score, *_ in word["phones"]
    ]


def spliced(
    waveform: Waveform, place: ScoredPhone, donor: Waveform, piece: ScoredPhone
) -> Waveform:
    """Replace a phone by a phone of another recording, as loud, with cross-fades of 5 ms."""
    start, end = _crossing(waveform, place.start), _crossing(waveform, place.end)
    first, last = _crossing(donor, piece.start), _crossing(donor, piece.end)
    inserted = donor[first - _FADE // 2 : last + _FADE // 2]
    louder = _level(waveform[start:end]) / max(_level(inserted), 1e-6)
    inserted = inserted * np.float32(np.clip(louder, 1 / _MOST_GAIN, _MOST_GAIN))
    before, after = waveform[: start + _FADE // 2], waveform[end - _FADE // 2 :]
    return _faded(_faded(before, inserted), after)


def _crossing(waveform: Waveform, place: int) -> int:
    """Return where the waveform is nearest to zero around a place, off both ends."""
    place = int(np.clip(place, 2 * _FADE, len(waveform) - 2 * _FADE))
    near = np.abs(waveform[place - _ZERO_CROSSING : place + _ZERO_CROSSING])
    return place - _ZERO_CROSSING + int(near.argmin())


def _level(waveform: Waveform) -> float:
    return float(np.sqrt(np.mean(np.square(waveform))))


def _faded(one: Waveform, other: Waveform) -> Waveform:
    ramp = np.linspace(0, 1, _FADE, dtype=np.float32)
    mixed = one[-_FADE:] * (1 - ramp) + other[:_FADE] * ramp
    return np.concatenate([one[:-_FADE], mixed, other[_FADE:]])
