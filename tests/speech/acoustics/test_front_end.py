import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.front_end import cepstra, features, frame_count
from tests.speech.acoustics.data.make_golden import FRAMES, NAMES, sixteen_bits
from tests.speech.conftest import read_clip

FOX = read_clip("fox")  # Hypothesis takes no fixtures


@pytest.mark.parametrize("name", NAMES)
def test_cepstra_are_those_of_pocketsphinx(clip, golden, name):
    heard = sixteen_bits(clip(name)).astype(np.float32) / 32_768
    measured = cepstra(heard)[FRAMES]
    assert measured == pytest.approx(golden[f"{name}_cepstra"], abs=2e-4)


@pytest.mark.parametrize("gain", [1e-4, 0.03, 1.7])
def test_loudness_changes_features_by_rounding_only(clip, gain):
    plain = features(cepstra(clip("fox")))
    assert features(cepstra(clip("fox") * np.float32(gain))) == pytest.approx(plain, abs=5e-3)


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 5_000))
def test_every_sample_lies_in_a_frame(samples):
    measured = cepstra(FOX[20_000 : 20_000 + samples])
    assert measured.shape == (frame_count(samples), 13)
    assert (len(measured) - 1) * 160 + 410 >= samples
    assert features(measured).shape == (len(measured), 39)
    assert np.isfinite(features(measured)).all()


def test_later_samples_change_no_cepstrum(clip):
    waveform = clip("fox")
    loudest = int(np.abs(waveform).argmax())
    early = cepstra(waveform[: loudest + 1])[:-3]
    assert cepstra(waveform)[: len(early)] == pytest.approx(early, abs=1e-4)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_silence_and_a_constant_have_finite_features(level):
    measured = features(cepstra(np.full(8_000, level, np.float32)))
    assert measured.dtype == np.float32
    assert np.isfinite(measured).all()


def test_steady_noise_is_turned_down():
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    loudness = cepstra(noise)[:, 0]
    assert loudness[200:].mean() < loudness[:3].mean() - 2


def test_the_mean_is_that_of_frames_with_sound():
    sounds = np.zeros((20, 13), np.float32)
    sounds[:10] = -40  # digital silence
    sounds[10:] = np.arange(13) + np.arange(10)[:, None]
    centred = features(sounds)[:, :13]
    assert centred[10:].mean(axis=0) == pytest.approx(np.zeros(13), abs=1e-5)


def test_a_steady_rise_has_velocity_and_no_acceleration():
    sounds = np.repeat(np.arange(20, dtype=np.float32)[:, None], 13, axis=1)
    measured = features(sounds)
    assert (measured[2:-2, 13:26] == 4).all()
    assert (measured[3:-3, 26:] == 0).all()
    # The first and last frame are repeated beyond the edges.
    assert measured[[0, 1, -2, -1], 13].tolist() == [2, 3, 3, 2]
    assert measured[[0, 1, 2, -3, -2, -1], 26].tolist() == [2, 2, 1, -1, -2, -2]
