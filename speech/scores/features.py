"""Numbers that scores are made of, from an alignment: per phone, per word, per utterance.

Absolute level and raw likelihood of the recording are left out on purpose: they say more about
the microphone than about the speaker.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.alignment.interim import AlignedPhone, Alignment
from speech.fluency import Fluency
from speech.scores.calibration import PhoneNorm

# An alignment gives a phone three frames even if it was not said at all.
_SHORTEST_PHONE_SECONDS: Final = 0.035
# The longest pause tells little more once it is this long, and must not swamp the rest.
_MAX_PAUSE_SECONDS: Final = 2.0
# The rated utterances have up to this many words; a line must not be drawn on to hundreds.
_MAX_WORDS: Final = 10
_MAX_DEVIATION: Final = 4.0

Columns = dict[str, NDArray[np.float64]]


def phone_features(
    words: Sequence[Sequence[AlignedPhone]], norms: Mapping[str, PhoneNorm]
) -> Columns:
    """Describe each phone beside what is usual for it, and its surroundings.

    Args:
        words: The phones of each word, none empty.
        norms: By ARPAbet phone.

    Returns:
        Columns of shape (phones of all words,). Deviations are in standard deviations of the
        phone, at most 4.
    """
    phones = [phone for word in words for phone in word]
    of_phone = [norms[phone.phone] for phone in phones]
    score = _clipped(
        [(p.score - n.score) / n.score_spread for p, n in zip(phones, of_phone, strict=True)]
    )
    duration = _clipped(
        [
            (np.log(p.end - p.start) - n.log_duration) / n.log_duration_spread
            for p, n in zip(phones, of_phone, strict=True)
        ]
    )
    sizes = [len(word) for word in words]
    return {
        "score": score,
        "duration": duration,
        "score_squared": score**2,
        "duration_squared": duration**2,
        "word_score": np.repeat(_word_means(score, sizes), sizes),
        "utterance_score": np.full_like(score, score.mean()),
        "usual_accuracy": np.array([norm.accuracy for norm in of_phone]),
    }


def word_features(phones: Columns, sizes: Sequence[int]) -> Columns:
    """Describe words by their phones: means, the worst phone, and how many there are.

    Args:
        phones: What `phone_features` returned.
        sizes: Phones of each word.

    Returns:
        Columns of shape (words,).
    """
    means = {name: _word_means(column, sizes) for name, column in phones.items()}
    return means | {
        "lowest_score": np.minimum.reduceat(phones["score"], _firsts(sizes)),
        "log_phones": np.log(np.array(sizes, float)),
    }


def utterance_features(alignment: Alignment, fluency: Fluency, phones: Columns) -> dict[str, float]:
    """Describe the utterance; every number is finite and does not change with loudness.

    Args:
        alignment: At least one word.
        fluency: Of the same words.
        phones: What `phone_features` returned for them.
    """
    score, duration = phones["score"], phones["duration"]
    seconds = np.array([p.end - p.start for word in alignment.words for p in word.phones])
    span = fluency.speech_seconds + fluency.pause_seconds
    joints = max(sum(1 for _ in pairwise(alignment.words)), 1)
    silence = np.array([(s.end - s.start, s.score) for s in alignment.silences]).reshape(-1, 2)
    return {
        "phone_score_mean": float(score.mean()),
        "phone_score_low": float(np.quantile(score, 0.1)),
        "phone_duration_spread": float(duration.std()),
        "shortest_phone_share": float(np.mean(seconds < _SHORTEST_PHONE_SECONDS)),
        "log_phones_per_second": float(np.log(len(score) / span)),
        "log_phones_per_spoken_second": float(np.log(len(score) / fluency.speech_seconds)),
        "pause_share": fluency.pause_seconds / span,
        "pauses_per_joint": len(fluency.pauses) / joints,
        "longest_pause_seconds": min(fluency.longest_pause_seconds, _MAX_PAUSE_SECONDS),
        # Speech that no word explains ends up in the silences, and fits them badly.
        "silence_score": float(np.average(silence[:, 1], weights=silence[:, 0]))
        if len(silence)
        else 0.0,
        "log_words": float(np.log(min(len(alignment.words), _MAX_WORDS))),
    }


def _clipped(values: Sequence[float]) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = np.clip(values, -_MAX_DEVIATION, _MAX_DEVIATION)
    return clipped


def _firsts(sizes: Sequence[int]) -> NDArray[np.int64]:
    """Index of each word's first phone."""
    firsts: NDArray[np.int64] = np.cumsum([0, *sizes[:-1]])
    return firsts


def _word_means(column: NDArray[np.float64], sizes: Sequence[int]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = np.add.reduceat(column, _firsts(sizes)) / np.array(sizes)
    return means
