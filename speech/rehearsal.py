"""A recording made of two vowels, to rehearse an analysis before real ones come.

Afterwards everything that is loaded at first use is loaded: modules, tables, codecs.
"""

import io
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from speech.decoding.media_file import open_media
from speech.engine import analyze
from speech.errors import DecoderMissing, TextMismatch
from speech.synthetic_voice import SyntheticSpeech
from speech.text import transcript
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

_PITCH_HZ: Final = 120
_VOWEL_SECONDS: Final = 0.4
# Formants and their bandwidths in Hz (Peterson & Barney 1952, men).
_AH: Final = ((700, 80), (1220, 90), (2600, 120))
_EE: Final = ((300, 60), (2300, 90), (3000, 120))
_TEXT: Final = "11"  # two words or syllables in most languages
_FORMATS: Final = ("WAV", "FLAC", "OGG", "MP3")


def rehearse(engines: Mapping[str, str]) -> None:
    """Decode a small recording in each of the usual formats, and analyse it with each engine.

    A text is read in each language.

    Args:
        engines: The engine of each language.

    Raises:
        SpeechError: If it cannot be analysed: the installation is damaged.
    """
    waveform = _speech()
    for container in _FORMATS:
        file = io.BytesIO()
        soundfile.write(file, waveform, SAMPLE_RATE_HZ, format=container)
        decoded = decode(file.getvalue(), AudioEncoding())
    try:
        media = open_media(file.getvalue(), demuxer="mp3", title="an MP3 file")
    except DecoderMissing:
        pass  # the extra `codecs` is not installed
    else:
        list(media.blocks)
    voice = SyntheticSpeech(waveform, ((0, 0.0),), (("a", 0.0), ("i", len(waveform) / 32_000)))
    for language in engines:
        transcript.read(_TEXT, language)
    for engine, language in {engine: language for language, engine in engines.items()}.items():
        # The gate comes last, and whether it lets two artificial vowels pass is chance.
        with suppress(TextMismatch):
            analyze(decoded, _TEXT, language, engine=engine, speak=lambda *_, **__: voice)


def _speech() -> NDArray[np.float32]:
    quiet = np.random.default_rng(0).normal(0, 0.001, SAMPLE_RATE_HZ // 5)
    return np.concatenate([quiet, _vowel(_AH), quiet[:800], _vowel(_EE), quiet]).astype(np.float32)


def _vowel(formants: tuple[tuple[int, int], ...]) -> NDArray[np.float64]:
    """Return pulses of the voice, each ringing at the formants."""
    times = np.arange(SAMPLE_RATE_HZ // 10) / SAMPLE_RATE_HZ
    ringing = np.zeros(len(times))
    for frequency_hz, bandwidth_hz in formants:
        ringing += np.exp(-np.pi * bandwidth_hz * times) * np.sin(2 * np.pi * frequency_hz * times)
    pulses = np.zeros(round(_VOWEL_SECONDS * SAMPLE_RATE_HZ))
    pulses[:: SAMPLE_RATE_HZ // _PITCH_HZ] = 1
    wave: NDArray[np.float64] = np.convolve(pulses, ringing)[: len(pulses)]
    return wave * (0.3 / float(np.abs(wave).max()))
