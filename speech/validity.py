"""Check that a recording contains speech, before it is scored.

Without this check an aligner would score silence and noise with confidence. Whether the speech
matches the transcript only shows after alignment; see `speech.scores.gate`.
"""

from typing import Final

from speech.acoustics.endpoints import SpeechPart
from speech.acoustics.front_end import FRAME_SECONDS
from speech.acoustics.pitch import MIN_PERIODICITY, RANGE_DB, SILENCE_DB
from speech.errors import NoSpeech

_MIN_VOICED_SECONDS: Final = 0.05  # of "six", said fast
# Share of the loud frames; steady noise is loud throughout and periodic by chance here and there.
_MIN_VOICED_SHARE: Final = 0.1
# The level of speech changes by 4 dB and more, even overdriven or in loud noise; that of mains hum
# by 1 dB at most. A single syllable may be as steady.
_STEADY_DB: Final = 2.5
_STEADY_FRAMES: Final = 100


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
