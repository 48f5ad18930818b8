"""Measure pauses, rates, rhythm and melody of one utterance.

Absolute level, noise and raw likelihood are left out on purpose: they depend more on the
microphone than on the speaker.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.alignment.forced import AlignedPhone, Alignment
from speech.scores.goodness import NAMES as GOODNESS_NAMES
from speech.text.phones import VOWELS

Array = NDArray[np.float32]

_PAUSE_FRAMES: Final = (3, 10, 25, 50)
_LONGEST_PAUSE_FRAMES: Final = 200
_MOST_WORDS: Final = 20  # rated utterances have no more; avoids extrapolating to hundreds
_MAX_DEVIATION: Final = 4.0
_SHORT, _LONG = -1.0, 1.5  # standard deviations from a phone's usual duration
_SUMMARISED: Final = (
    "in_context",
    "margin",
    "log_rank",
    "posterior",
    "frame_posterior",
    "said",
)

NAMES: Final = (
    *(f"pauses_from_{10 * frames}_ms" for frames in _PAUSE_FRAMES),
    "longest_pause", "pause_share", "hesitations", "hesitation_share",
    "log_phones_per_second", "log_phones_per_spoken_second", "log_words_per_second",
    "duration_mean", "duration_spread", "short_phones", "long_phones",
    "vowel_duration_mean", "vowel_duration_spread", "vowel_share", "vowel_pairs", "phone_pairs",
    "last_word_duration",
    "melody_spread", "melody_range", "melody_slope", "melody_movement", "voiced_share",
    "energy_spread", "energy_slope", "energy_movement",
    "log_words", "phones_per_word", "unexplained",
    *(f"{name}_{part}" for name in _SUMMARISED for part in ("mean", "spread", "low", "middle")),
    *(f"vowel_{name}" for name in _SUMMARISED),
    *(f"consonant_{name}" for name in _SUMMARISED),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DurationNorm:
    """How long learners hold a phone: mean and standard deviation of log frames (natural)."""

    mean: float
    spread: float


@dataclass(frozen=True, slots=True)
class Voice:
    """Per frame, shape (T,): semitones from the median, NaN where unvoiced; energy in dB."""

    semitones: Array
    energy_db: Array


def utterance_features(
    alignment: Alignment,
    goodness: Array,
    silence_fit: float,
    voice: Voice,
    norms: Mapping[str, DurationNorm],
) -> Array:
    """Describe one utterance.

    Args:
        alignment: At least one word.
        goodness: Goodness of its phones, shape (P, G); see `speech.scores.goodness`.
        silence_fit: Mean fit of silence in the frames between words, nats; low if they contain
            speech that is not in the text.
        voice: Pitch and energy of its frames.
        norms: Usual duration by phone.

    Returns:
        Shape (len(`NAMES`),), all finite.
    """
    phones = [phone for word in alignment.words for phone in word.phones]
    values = [
        *_pauses(alignment),
        *_rates(alignment, phones),
        *_rhythm(alignment, phones, norms),
        *_melody(phones, voice),
        *_loudness(phones, voice),
        float(np.log(min(len(alignment.words), _MOST_WORDS))),
        len(phones) / len(alignment.words),
        silence_fit,
        *_fit(phones, goodness),
    ]
    return np.array(values, np.float32)


def _pauses(alignment: Alignment) -> list[float]:
    """Measure silences between words, one gap for each pair, and hesitations."""
    gaps = np.array(
        [
            following.phones[0].start_frame - word.phones[-1].end_frame
            for word, following in zip(alignment.words[:-1], alignment.words[1:], strict=True)
        ]
        or [0]
    )
    span = alignment.words[-1].phones[-1].end_frame - alignment.words[0].phones[0].start_frame
    hesitations = [extra for extra in alignment.extras if extra.kind != "silence"]
    hesitating = sum(extra.end_frame - extra.start_frame for extra in hesitations)
    return [
        *(float((gaps >= frames).mean()) for frames in _PAUSE_FRAMES),
        float(np.log1p(min(gaps.max(), _LONGEST_PAUSE_FRAMES))),
        float(gaps[gaps >= _PAUSE_FRAMES[0]].sum() / span),
        len(hesitations) / len(alignment.words),
        hesitating / span,
    ]


def _rates(alignment: Alignment, phones: Sequence[AlignedPhone]) -> list[float]:
    span = phones[-1].end_frame - phones[0].start_frame
    spoken = sum(phone.end_frame - phone.start_frame for phone in phones)
    return [
        float(np.log(100 * len(phones) / span)),
        float(np.log(100 * len(phones) / spoken)),
        float(np.log(100 * len(alignment.words) / span)),
    ]


def _rhythm(
    alignment: Alignment, phones: Sequence[AlignedPhone], norms: Mapping[str, DurationNorm]
) -> list[float]:
    """Compare durations with the phone's usual one, and from one phone or vowel to the next."""
    frames = np.array([phone.end_frame - phone.start_frame for phone in phones], float)
    usual = np.array([(norms[p.phone].mean, norms[p.phone].spread) for p in phones])
    deviations = np.clip(
        (np.log(frames) - usual[:, 0]) / usual[:, 1], -_MAX_DEVIATION, _MAX_DEVIATION
    )
    vowels = np.array([phone.phone in VOWELS for phone in phones])
    last = len(alignment.words[-1].phones)
    return [
        *_mean_and_spread(deviations),
        float((deviations < _SHORT).mean()),
        float((deviations > _LONG).mean()),
        *_mean_and_spread(deviations[vowels]),
        float(frames[vowels].sum() / frames.sum()),
        _variability(frames[vowels]),
        _variability(frames),
        float(deviations[-last:].mean()),
    ]


def _variability(durations: NDArray[np.float64]) -> float:
    """Return half the normalised pairwise variability index (Grabe & Low 2002); 0 below two."""
    if len(durations) < 2:
        return 0.0
    return float(np.mean(np.abs(np.diff(durations)) / (durations[1:] + durations[:-1])))


def _melody(phones: Sequence[AlignedPhone], voice: Voice) -> list[float]:
    """Return spread, range, slope and movement of the pitch in semitones, and the voiced share."""
    start, end = phones[0].start_frame, phones[-1].end_frame
    semitones = voice.semitones[start:end]
    voiced = np.flatnonzero(np.isfinite(semitones))
    if len(voiced) < 3:
        return [0.0] * 5
    values = semitones[voiced]
    low, high = np.quantile(values, (0.1, 0.9))
    steps = np.abs(np.diff(values))[np.diff(voiced) == 1]
    return [
        float(values.std()),
        float(high - low),
        _slope(voiced, values),
        float(np.minimum(steps, 2.0).mean()) if len(steps) else 0.0,
        len(voiced) / len(semitones),
    ]


def _loudness(phones: Sequence[AlignedPhone], voice: Voice) -> list[float]:
    energy = voice.energy_db[phones[0].start_frame : phones[-1].end_frame]
    return [
        float(energy.std()),
        _slope(np.arange(len(energy)), energy),
        float(np.abs(np.diff(energy)).mean()),
    ]


def _slope(frames: NDArray[np.int64], values: Array) -> float:
    """Return the least-squares slope from beginning to end, in the values' unit."""
    time = frames / max(int(frames[-1]), 1) - 0.5
    time = time - time.mean()
    return float(time @ (values - values.mean()) / max(float(time @ time), 1e-6))


def _fit(phones: Sequence[AlignedPhone], goodness: Array) -> list[float]:
    columns = goodness[:, [GOODNESS_NAMES.index(name) for name in _SUMMARISED]]
    vowels = np.array([phone.phone in VOWELS for phone in phones])
    summaries = np.stack(
        [columns.mean(0), columns.std(0), *np.quantile(columns, (0.1, 0.5), axis=0)], axis=1
    )
    return [
        *summaries.ravel().tolist(),
        *(columns[vowels].mean(0) if vowels.any() else columns.mean(0)).tolist(),
        *(columns[~vowels].mean(0) if (~vowels).any() else columns.mean(0)).tolist(),
    ]


def _mean_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    return (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)
