import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.endpoints import speech_part
from speech.acoustics.front_end import cepstra, frame_count
from speech.waveform import SAMPLE_RATE_HZ
from tests.speech.conftest import read_clip
from training import channels

FOX = read_clip("fox")


def background(seconds, dbfs):
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_RATE_HZ))
    return (10 ** (dbfs / 20) * noise).astype(np.float32)


@pytest.mark.parametrize("dbfs", [-90, -75, -60, -45, -35])
def test_noise_before_and_after_is_taken_off(dbfs):
    before = background(20, dbfs)
    part = speech_part(np.concatenate([before, FOX, background(10, dbfs)]))
    start, end = part.first_frame, part.first_frame + len(part.pitch.hz)
    assert 1_925 <= start <= 2_000
    assert 2_000 + 250 <= end <= 2_000 + frame_count(len(FOX)) + 75


@pytest.mark.parametrize("snr_db", [10.0, 20.0])
def test_speech_in_noise_is_kept_whole(snr_db):
    alone, noisy = (
        speech_part(waveform)
        for waveform in (FOX, channels.white_noise(FOX, np.random.default_rng(1), snr_db=snr_db))
    )
    assert noisy.first_frame <= alone.first_frame + 50
    assert len(noisy.pitch.hz) >= len(alone.pitch.hz) - 50


def test_a_recording_without_speech_is_not_trimmed():
    for waveform in (background(3, -40), np.zeros(48_000, np.float32), np.zeros(1, np.float32)):
        part = speech_part(waveform)
        assert part.first_frame == 0
        assert part.waveform is waveform or (part.waveform == waveform).all()


@settings(max_examples=25, deadline=None)
@given(before=st.integers(0, 60_000), after=st.integers(0, 60_000), dbfs=st.floats(-90, -40))
def test_there_is_one_pitch_for_each_frame_of_the_part(before, after, dbfs):
    noise = background(8, dbfs)
    part = speech_part(np.concatenate([noise[:before], FOX, noise[60_000 : 60_000 + after]]))
    assert len(part.pitch.hz) == frame_count(len(part.waveform)) == len(cepstra(part.waveform))


def test_levels_are_relative_to_the_loudest_of_the_part():
    part = speech_part(np.concatenate([FOX, background(60, -60)]))
    assert np.quantile(part.pitch.energy_db, 0.95) == pytest.approx(0, abs=0.01)


def test_what_is_missing_of_the_margin_is_added():
    part = speech_part(FOX[1_000:-6_000])
    assert part.first_frame < 0
    assert part.samples == slice(0, len(FOX) - 7_000)
    assert len(part.pitch.hz) - part.speech_frames == pytest.approx(100, abs=1)


def test_the_frames_fall_on_the_same_samples_whatever_comes_before():
    alone, later = (
        speech_part(np.concatenate([np.zeros(before, np.float32), FOX])) for before in (0, 1_237)
    )
    assert later.waveform == pytest.approx(alone.waveform, abs=1e-6)
    assert later.samples.stop - alone.samples.stop == 1_237
