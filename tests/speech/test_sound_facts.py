import io

import numpy as np
import pytest
import soundfile

from speech.sound_facts import SoundFacts, file_facts, pcm_facts


def encoded(rate_hz=24_000, channels=1, **how):
    """Return 1.5 s of a tone."""
    tone = 0.1 * np.sin(np.arange(rate_hz * 3 // 2) / 7)
    file = io.BytesIO()
    soundfile.write(file, np.tile(tone[:, None], channels), rate_hz, **how)
    return file.getvalue()


@pytest.mark.parametrize(
    ("size_bytes", "duration_ms"), [(0, 0), (48_000, 1000), (48_001, 1000), (24, 0), (36_000, 750)]
)
def test_headerless_pcm_lasts_as_long_as_its_bytes_at_the_apps_rate(size_bytes, duration_ms):
    assert pcm_facts(size_bytes) == SoundFacts("pcm16", 24_000, 1, duration_ms)


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"format": "WAV"}, "wav"),
        ({"format": "WAVEX"}, "wav"),
        ({"format": "RF64"}, "wav"),
        ({"format": "FLAC"}, "flac"),
        ({"format": "OGG", "subtype": "VORBIS"}, "ogg"),
        ({"format": "OGG", "subtype": "OPUS"}, "ogg"),
        ({"format": "AIFF"}, "aiff"),
    ],
)
def test_format_rate_channels_and_length_are_read_from_a_file(how, name):
    assert file_facts(encoded(48_000, 2, **how)) == SoundFacts(name, 48_000, 2, 1500)


def test_an_mp3_has_no_reliable_length():
    assert file_facts(encoded(format="MP3")) == SoundFacts("mp3", 24_000, 1, None)


def test_a_wav_streamed_with_a_size_of_0_has_no_known_length():
    data = bytearray(encoded(format="WAV"))
    data[4:8] = data[40:44] = bytes(4)
    assert file_facts(bytes(data)) == SoundFacts("wav", 24_000, 1, None)


def test_a_wav_that_was_streamed_with_the_greatest_size_is_as_long_as_its_samples():
    data = bytearray(encoded(format="WAV"))
    data[4:8] = data[40:44] = b"\xff" * 4
    assert file_facts(bytes(data)).duration_ms == 1500


def test_a_streamed_or_truncated_flac_has_no_known_length():
    data = bytearray(encoded(format="FLAC"))
    assert file_facts(bytes(data[: len(data) // 2])).duration_ms is None
    data[21] &= 0xF0  # of 36 bits that count the samples
    data[22:26] = bytes(4)
    assert file_facts(bytes(data)) == SoundFacts("flac", 24_000, 1, None)


@pytest.mark.parametrize("data", [b"", b"RIFF", b"fLaC" + bytes(100), b"<html>", bytes(1000)])
def test_nothing_is_known_of_a_file_that_is_not_audio(data):
    assert file_facts(data) == SoundFacts()


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\x1aE\xdf\xa3\x9fB\x86", "webm"),
        (b"\x00\x00\x00\x1cftypmp42", "mp4"),
        (b"#!AMR\n", "amr"),
    ],
)
def test_of_what_ffmpeg_reads_only_the_format_is_known(beginning, name):
    assert file_facts(beginning) == SoundFacts(name)
