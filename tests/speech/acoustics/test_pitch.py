import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.front_end import frame_count
from speech.acoustics.pitch import SILENCE_DB, pitch

RATE_HZ = 16_000


def voice(hz):
    """A buzz with this fundamental frequency at each sample, float32."""
    phase = 2 * np.pi * np.cumsum(hz) / RATE_HZ
    harmonics = [np.sin(k * phase + k) / k for k in range(1, int(7_000 / np.max(hz)))]
    return (0.1 * np.sum(harmonics, axis=0)).astype(np.float32)


@pytest.mark.parametrize("hz", [70, 95, 120, 160, 210, 300, 380])
def test_a_steady_voice_has_its_pitch(hz):
    measured = pitch(voice(np.full(RATE_HZ, hz)))
    assert measured.hz[3:-3] == pytest.approx(np.full(len(measured.hz) - 6, hz), rel=0.01)
    assert measured.periodicity[3:-3].min() > 0.8


@pytest.mark.parametrize(("begin", "end"), [(100, 220), (350, 180)])
def test_a_glide_is_followed(begin, end):
    course = np.linspace(begin, end, 2 * RATE_HZ)
    measured = pitch(voice(course)).hz
    middles = 160 * np.arange(len(measured)) + 205
    expected = np.interp(middles, np.arange(len(course)), course)
    assert measured[3:-3] == pytest.approx(expected[3:-3], rel=0.02)


def test_a_voice_is_found_where_it_is():
    silence = np.zeros(RATE_HZ // 2, np.float32)
    waveform = np.concatenate([silence, voice(np.full(RATE_HZ // 2, 150)), silence])
    voiced = np.flatnonzero(pitch(waveform).hz)
    middles = 160 * voiced + 205
    assert abs(middles[0] - 8_000) <= 320
    assert abs(middles[-1] - 16_000) <= 320


def test_frames_match_those_of_the_cepstra():
    waveform = np.zeros(2 * RATE_HZ, np.float32)
    waveform[12_000:12_800] = voice(np.full(800, 200)) * np.hanning(800)
    energy = 10 ** (pitch(waveform).energy_db / 10)
    middles = 160 * np.arange(len(energy)) + 205
    assert np.average(middles, weights=energy) == pytest.approx(12_400, abs=40)


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE_HZ).astype(np.float32)
    assert np.mean(pitch(noise).hz > 0) < 0.01


def test_silence_has_neither_pitch_nor_energy():
    measured = pitch(np.zeros(RATE_HZ, np.float32))
    assert not measured.hz.any()
    assert not measured.periodicity.any()
    assert (measured.energy_db == SILENCE_DB).all()


def test_energy_is_relative_to_the_loudest_frames():
    loud = voice(np.full(RATE_HZ, 150))
    measured = pitch(np.concatenate([loud, 0.1 * loud]))
    assert measured.energy_db[10:80] == pytest.approx(np.zeros(70), abs=1)
    assert measured.energy_db[120:180] == pytest.approx(np.full(60, -20), abs=1)


def test_hum_below_the_voice_is_neither_voiced_nor_tracked(clip):
    waveform = clip("fox")
    hum = np.sin(2 * np.pi * 50 * np.arange(len(waveform)) / RATE_HZ).astype(np.float32)
    plain, hummed = pitch(waveform), pitch(waveform + 0.02 * hum)
    both = (plain.hz > 0) & (hummed.hz > 0)
    assert both.sum() > 0.8 * (plain.hz > 0).sum()
    assert np.median(np.abs(np.log2(hummed.hz[both] / plain.hz[both]))) < 0.01
    assert hummed.energy_db[:5].max() < -50  # before the first word


@pytest.mark.parametrize("gain", [1e-3, 0.1, 2.0])
def test_gain_does_not_matter(clip, gain):
    plain, other = pitch(clip("fox")), pitch(clip("fox") * np.float32(gain))
    assert other.hz == pytest.approx(plain.hz, rel=1e-3)
    assert other.energy_db == pytest.approx(plain.energy_db, abs=0.01)


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(1, 5_000))
def test_frames_are_in_step_with_the_cepstra(samples):
    noise = np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)
    measured = pitch(noise)
    for values in (measured.hz, measured.periodicity, measured.energy_db):
        assert values.shape == (frame_count(samples),)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_a_reader_seldom_jumps_an_octave(clip):
    for name in ("fox", "pauses", "number"):
        hz = pitch(clip(name)).hz
        voiced = (hz[1:] > 0) & (hz[:-1] > 0)
        jumps = np.abs(np.log2(hz[1:][voiced] / hz[:-1][voiced])) > 0.5
        assert voiced.sum() > 100
        assert jumps.mean() < 0.02
