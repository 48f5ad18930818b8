"""A damaged FLAC file loses its damaged frames, and nothing else."""

import io

import numpy as np
import pytest
import soundfile

from speech.waveform import SAMPLE_RATE_HZ, AudioEncoding, decode

UNKNOWN = AudioEncoding()
FRAMES = 3 * SAMPLE_RATE_HZ + 333
FRAME_SAMPLES = 4_096  # as libsndfile writes them


def flac(rate_hz=SAMPLE_RATE_HZ):
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * rate_hz + 333)
    file = io.BytesIO()
    soundfile.write(file, noise, rate_hz, format="FLAC")
    return bytearray(file.getvalue())


def without_count(data):
    data[21] &= 0xF0  # of 36 bits that count the samples
    data[22:26] = bytes(4)
    return data


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
def test_a_streamed_file_is_read_to_its_last_sample(rate_hz):
    whole = decode(bytes(flac(rate_hz)), UNKNOWN)
    np.testing.assert_array_equal(decode(bytes(without_count(flac(rate_hz))), UNKNOWN), whole)


@pytest.mark.parametrize("states_count", [True, False])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.8])
def test_a_flipped_bit_costs_one_frame(share, states_count):
    data = flac() if states_count else without_count(flac())
    whole = decode(bytes(data), UNKNOWN)
    data[int(len(data) * share)] ^= 0x10
    damaged = decode(bytes(data), UNKNOWN)
    assert len(damaged) == len(whole)
    assert 0 < np.count_nonzero(damaged != whole) <= FRAME_SAMPLES


def test_a_hole_of_many_bytes_costs_the_frames_it_touches():
    data = flac()
    whole = decode(bytes(data), UNKNOWN)
    middle = len(data) // 2
    data[middle : middle + 10_000] = bytes(10_000)
    damaged = decode(bytes(data), UNKNOWN)
    assert len(damaged) == len(whole)
    assert np.count_nonzero(damaged != whole) <= 3 * FRAME_SAMPLES


def test_a_truncated_file_loses_only_the_frame_that_is_cut():
    data = flac()
    whole = decode(bytes(data), UNKNOWN)
    cut = decode(bytes(data[:-100]), UNKNOWN)
    assert len(whole) - len(cut) == FRAMES % FRAME_SAMPLES
    np.testing.assert_array_equal(cut, whole[: len(cut)])


def test_a_file_with_a_tag_of_mp3_in_front_is_read():
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)
    assert len(decode(tag + bytes(flac()), UNKNOWN)) == FRAMES
