from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech.waveform import SAMPLE_RATE_HZ
from training import impostors

CLIP = Path(__file__).parents[1] / "speech" / "data" / "fox.flac"
IMPOSTORS = {
    "silence": impostors.silence,
    "noise": impostors.noise,
    "music": impostors.music,
    "byte swapped": impostors.byte_swapped,
    "said twice": impostors.said_twice,
}


@pytest.fixture(scope="module")
def speech():
    return soundfile.read(CLIP, dtype="float32")[0]


@pytest.mark.parametrize("name", IMPOSTORS)
@pytest.mark.parametrize("seed", range(8))
def test_an_impostor_is_finite_within_full_scale_and_repeats_itself(name, seed, speech):
    first, second = (IMPOSTORS[name](speech, np.random.default_rng(seed)) for _ in range(2))
    assert first.dtype == np.float32
    assert len(first) == len(speech) * (2 if name == "said twice" else 1)
    assert np.isfinite(first).all()
    assert np.abs(first).max() <= 1
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["silence", "noise", "music"])
def test_nothing_of_the_recording_is_left(name, speech):
    heard = IMPOSTORS[name](speech, np.random.default_rng(1))
    other = IMPOSTORS[name](np.zeros_like(speech), np.random.default_rng(1))
    np.testing.assert_array_equal(heard, other)


@pytest.mark.parametrize("seed", range(8))
def test_silence_is_too_faint_to_hear(seed, speech):
    assert np.abs(impostors.silence(speech, np.random.default_rng(seed))).max() < 0.005


@pytest.mark.parametrize("seed", range(8))
def test_music_sounds_throughout_on_tones(seed, speech):
    heard = impostors.music(speech, np.random.default_rng(seed))
    seconds = heard[: len(heard) // SAMPLE_RATE_HZ * SAMPLE_RATE_HZ].reshape(-1, SAMPLE_RATE_HZ)
    assert (np.abs(seconds).max(axis=1) > 0.01).all()
    power = np.sort(np.abs(np.fft.rfft(seconds[0])) ** 2)
    assert power[-80:].sum() > 0.8 * power.sum()


def test_swapped_bytes_swapped_again_are_the_recording(speech):
    rng = np.random.default_rng(0)
    swapped = impostors.byte_swapped(speech, rng)
    # Read as 16 bits, not scaled by values beyond 16 bits.
    assert not np.allclose(swapped, speech, atol=0.1)
    pcm = np.round(swapped * 32_768).astype(np.int16).byteswap()
    assert pcm / 32_767 == pytest.approx(speech, abs=1 / 32_767)
