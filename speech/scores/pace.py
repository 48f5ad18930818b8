"""Fluency from pace alone, for engines that do not judge sounds.

Two measures, both comparable between languages: how fast the learner articulates beside native
speakers, and how much of the time is pauses. The weights were fitted to experts' fluency of English
learners (speechocean762, training half); docs/engines.md says how well they agree.
"""

from math import log
from typing import Final

from speech.fluency import Fluency
from speech.rates import MEAN_RATE, NATIVE_RATES

_AT_NATIVE_RATE: Final = 93.4
_PER_LOG_RATE: Final = 16.6
_PER_PAUSE_SHARE: Final = -58.5


def fluency_score(measured: Fluency, *, syllables: int, language: str) -> float:
    """Return fluency, 0-100, as experts would probably rate it.

    Args:
        measured: The utterance's fluency.
        syllables: Syllables of its text, at least one.
        language: One of the languages of `speech.rates`.
    """
    native = NATIVE_RATES[language]
    usual = native.mean if native and not native.includes_pauses else MEAN_RATE
    rate = syllables / measured.speech_seconds
    pauses = measured.pause_seconds / (measured.pause_seconds + measured.speech_seconds)
    score = _AT_NATIVE_RATE + _PER_LOG_RATE * log(rate / usual) + _PER_PAUSE_SHARE * pauses
    return min(max(score, 0.0), 100.0)
