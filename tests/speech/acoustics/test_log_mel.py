import numpy as np
import pytest

from speech.acoustics.log_mel import log_mel


def test_the_spectrum_is_that_of_whisper(clip, whisper_states):
    assert log_mel(clip("fox"))[::25] == pytest.approx(whisper_states["spectrum"], abs=1e-4)


@pytest.mark.parametrize("gain", [1e-4, 0.03, 1.7])
def test_it_does_not_depend_on_the_level(clip, gain):
    waveform = clip("fox")
    plain = log_mel(waveform)
    assert log_mel(waveform * np.float32(gain)) == pytest.approx(plain, abs=1e-4)
    assert plain.max() == pytest.approx(1.375)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(1, 1), (159, 1), (160, 1), (319, 1), (320, 2), (3_199, 19), (3_200, 20)],
)
def test_each_whole_10_ms_are_a_frame(clip, samples, frames):
    measured = log_mel(clip("fox")[20_000 : 20_000 + samples])
    assert measured.shape == (frames, 80)
    assert np.isfinite(measured).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_silence_and_a_constant_have_a_finite_spectrum(level):
    measured = log_mel(np.full(8_000, level, np.float32))
    assert measured.dtype == np.float32
    assert ((measured >= -0.625 - 1e-6) & (measured <= 1.375 + 1e-6)).all()
