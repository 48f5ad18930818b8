"""Synthetic voices that read English, where their synthesiser is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from local.demo.synthesis import SAMPLE_RATE_HZ as ESPEAK_HZ
from local.demo.synthesis import SynthesisFailed, Voice, speak
from speech.waveform import SAMPLE_RATE_HZ
from training.signals import Waveform

Speaker = Callable[[str], Waveform]

# By accent and synthesiser.
_ESPEAK: Final = {
    "us espeak": Voice("en-us"),
    "us espeak f4": Voice("en-us+f4"),
    "us new york espeak": Voice("en-us-nyc"),
    "gb espeak": Voice("en"),
    "gb rp espeak": Voice("en-gb-x-rp"),
    "gb scotland espeak": Voice("en-gb-scotland"),
    "gb lancaster espeak": Voice("en-gb-x-gbclan"),
    "gb west midlands espeak": Voice("en-gb-x-gbcwmd"),
    "caribbean espeak": Voice("en-029"),
}
_FLITE: Final = {
    "us flite rms": "rms",
    "us flite slt": "slt",
    "us flite kal": "kal16",
    "gb scotland flite": "awb",
}
_TIMEOUT_SECONDS: Final = 60.0


def voices() -> tuple[dict[str, Speaker], dict[str, str]]:
    """Return the voices that can speak here, and why others cannot, by name."""
    found: dict[str, Speaker] = {}
    missing: dict[str, str] = {}
    try:
        speak("yes", _ESPEAK["us espeak"])
        found |= {name: partial(_espeak, voice) for name, voice in _ESPEAK.items()}
    except SynthesisFailed as error:
        missing |= dict.fromkeys(_ESPEAK, str(error))
    if shutil.which("flite"):
        found |= {name: partial(_flite, voice) for name, voice in _FLITE.items()}
    else:
        missing |= dict.fromkeys(_FLITE, "The command `flite` is not installed.")
    return found, missing


def _espeak(voice: Voice, text: str) -> Waveform:
    return np.asarray(soxr.resample(speak(text, voice), ESPEAK_HZ, SAMPLE_RATE_HZ), np.float32)


def _flite(voice: str, text: str) -> Waveform:
    with tempfile.TemporaryDirectory(prefix="kaiwa-benchmark-") as folder:
        path = Path(folder) / "voice.wav"
        command = ["flite", "-voice", voice, "-t", text, "-o", str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_SECONDS)
        samples, rate_hz = soundfile.read(path, dtype="float32")
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), np.float32)
