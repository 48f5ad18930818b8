"""A damaged page of an Ogg file does not move what follows it."""

import io
import sys

import numpy as np
import pytest
import soundfile

from speech.decoding.ogg_pages import has_damaged_page
from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

SECONDS, ONSET = 8.0, 6.0


def ogg(subtype):
    at = np.arange(int(SECONDS * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    noise = np.random.default_rng(0).normal(0, 0.01, len(at))
    file = io.BytesIO()
    samples = noise + 0.3 * np.sin(2_000 * at) * (at > ONSET)
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="OGG", subtype=subtype)
    return bytearray(file.getvalue())


@pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
def test_a_page_is_checked_against_its_checksum(subtype):
    data = ogg(subtype)
    assert not has_damaged_page(bytes(data))
    assert not has_damaged_page(bytes(data[:-10]))
    data[len(data) // 2] ^= 1
    assert has_damaged_page(bytes(data))


@pytest.mark.parametrize("subtype", ["OPUS", "VORBIS"])
def test_what_follows_a_damaged_page_keeps_its_time(subtype):
    pytest.importorskip("av")
    data = ogg(subtype)
    data[len(data) // 2] ^= 1
    decoded = decode(bytes(data), AudioEncoding())
    onset = np.argmax(np.abs(decoded) > 0.15) / SAMPLE_RATE_HZ
    assert onset == pytest.approx(ONSET, abs=0.06)


def test_without_ffmpeg_a_damaged_file_is_still_decoded(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    data = ogg("OPUS")
    data[len(data) // 2] ^= 1
    assert len(decode(bytes(data), AudioEncoding()))
