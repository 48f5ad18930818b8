"""Check recording and text before they are compared, in every engine.

Without these checks an aligner would score silence and noise with confidence. Whether the speech
matches the transcript only shows after alignment; see `speech.scores.gate`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.endpoints import SpeechPart
from speech.acoustics.front_end import FRAME_SECONDS
from speech.acoustics.pitch import MIN_PERIODICITY, RANGE_DB, SILENCE_DB
from speech.errors import NoSpeech, TextMismatch
from speech.feedback.texts import Texts

_MIN_VOICED_SECONDS: Final = 0.05  # of "six", said fast
# Share of the loud frames; steady noise is loud throughout and periodic by chance here and there.
_MIN_VOICED_SHARE: Final = 0.1
# The level of speech changes by 4 dB and more, even overdriven or in loud noise; that of mains hum
# by 1 dB at most. A single syllable may be as steady.
_STEADY_DB: Final = 2.5
_STEADY_FRAMES: Final = 100

# Faster than anyone speaks. Checked before parsing the text and before looking up words, so that
# a pasted book costs nothing.
_MAX_WORDS_PER_SECOND: Final = 12
_LETTERS_A_WORD, _LEAST_SECONDS = 20, 10  # generous: markup and addresses have many letters

_CLIPPED_LEVEL, _MAX_CLIPPED_SHARE = 0.999, 0.01
_MIN_WORDS_FOR_FLUENCY: Final = 3


def require_time_for_text(text: str, seconds: float) -> None:
    """Reject a text that nobody could say in so many seconds, before it is parsed.

    Raises:
        TextMismatch: If it has too many characters.
    """
    most_words = _MAX_WORDS_PER_SECOND * (seconds + _LEAST_SECONDS)
    _require(len(text) <= _LETTERS_A_WORD * most_words)


def require_time_for_words(count: int, seconds: float) -> None:
    """Reject more words than anybody could say in so many seconds.

    Raises:
        TextMismatch: If there are.
    """
    _require(count <= max(1, _MAX_WORDS_PER_SECOND * seconds))


def _require(is_possible: bool) -> None:
    if not is_possible:
        raise TextMismatch(reason="the text has more words than can be said in that time")


def common_warnings(
    texts: Texts, waveform: NDArray[np.float32], *, words: int, skipped: int
) -> list[str]:
    """Return what makes an analysis less certain, whatever the engine.

    Args:
        texts: Messages in the learner's language.
        waveform: The part of the recording that holds the speech.
        words: Number of words in the text.
        skipped: Number of words that were left out.
    """
    warnings = []
    if skipped:
        warnings.append(texts.count("warning.skipped", skipped))
    if np.mean(np.abs(waveform) >= _CLIPPED_LEVEL) > _MAX_CLIPPED_SHARE:
        warnings.append(texts.say("warning.overdriven"))
    if words < _MIN_WORDS_FOR_FLUENCY:
        warnings.append(texts.say("warning.few_words"))
    return warnings


def require_speech(part: SpeechPart) -> float:
    """Reject recordings without speech.

    Returns:
        Seconds of voiced sound.

    Raises:
        NoSpeech: If it is silent or a steady tone, or hardly any of it is voiced.
    """
    pitch = part.surroundings
    if (pitch.energy_db <= SILENCE_DB).all():
        raise NoSpeech(reason="the recording is digital silence")
    is_loud = pitch.energy_db > -RANGE_DB
    is_voiced = is_loud & (pitch.periodicity >= MIN_PERIODICITY)
    loud_seconds, voiced_seconds = (
        FRAME_SECONDS * float(frames.sum()) for frames in (is_loud, is_voiced)
    )
    if voiced_seconds < max(_MIN_VOICED_SECONDS, _MIN_VOICED_SHARE * loud_seconds):
        raise NoSpeech(reason=f"only {1000 * voiced_seconds:.0f} ms of it are voiced")
    if part.speech_frames >= _STEADY_FRAMES and part.range_db < _STEADY_DB:
        raise NoSpeech(reason="it is a steady tone")
    return voiced_seconds
