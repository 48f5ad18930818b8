import io

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech.formats import has_container, is_mp3, promised_bytes


def encoded(rate_hz, **how):
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.sin(np.arange(rate_hz) / 7), rate_hz, **how)
    return file.getvalue()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_mp3_is_recognised_at_every_rate(rate_hz):
    assert is_mp3(encoded(rate_hz, format="MP3"))


@pytest.mark.parametrize("form", ["WAV", "RF64", "FLAC", "OGG", "AIFF", "CAF", "AU"])
def test_containers_are_recognised(form):
    data = encoded(16_000, format=form, endian="BIG" if form == "AU" else None)
    assert has_container(data)


@given(st.binary(max_size=2_000))
def test_a_single_frame_header_is_not_enough(data):
    # 0xFF 0xFB 0x90 0x00 declares 417 bytes, but no header follows there.
    assert not is_mp3(b"\xff\xfb\x90\x00" + bytes(413) + b"\x00" + data)


def test_speech_as_pcm_is_no_container():
    noise = np.random.default_rng(0).normal(0, 3_000, 200_000).astype("<i2")
    assert not has_container(noise.tobytes())


def test_a_riff_header_promises_its_length():
    wav = encoded(16_000, format="WAV")
    assert promised_bytes(wav) == len(wav)


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_streaming_writer_promises_nothing(size):
    assert promised_bytes(b"RIFF" + size.to_bytes(4, "little") + b"WAVE") is None
