import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.waveform import SAMPLE_RATE_HZ

DATA = Path(__file__).parent / "data"


def read_clip(name):
    """Read one synthesised clip as mono float32 at 16 kHz."""
    waveform, rate_hz = soundfile.read(DATA / f"{name}.flac", dtype="float32")
    assert rate_hz == SAMPLE_RATE_HZ
    return waveform


@pytest.fixture
def clip():
    return read_clip


@pytest.fixture
def tone():
    """Return a 440 Hz tone at half of full range, by default of one second."""

    def _tone(rate_hz, seconds=1.0, channels=1):
        wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate_hz * seconds)) / rate_hz)
        return np.column_stack([wave] * channels)

    return _tone


@pytest.fixture(scope="session")
def corpus():
    """Folder and labels of learners' recordings, if the environment names one."""
    folder = os.environ.get("CORPUS")
    if not folder:
        pytest.skip("CORPUS names no folder with labels.jsonl and audio/*.flac")
    lines = (Path(folder) / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    return Path(folder), [json.loads(line) for line in lines]
