import numpy as np
import pytest

from speech.acoustics.front_end import cepstra
from speech.acoustics.whisper import LAYERS, WhisperEncoder, whisper_encoder
from speech.scores.features import step_embeddings
from speech.scores.network import STEP
from speech.trained_models import MODELS
from speech.waveform import SAMPLE_RATE_HZ

STEP_SAMPLES = SAMPLE_RATE_HZ // 100 * STEP


@pytest.fixture
def hiss():
    """Return faint noise of a length in seconds."""

    def _hiss(seconds):
        count = round(seconds * SAMPLE_RATE_HZ)
        return 1e-3 * np.random.default_rng(0).standard_normal(count).astype(np.float32)

    return _hiss


@pytest.fixture
def deaf_to_others():
    """The encoder without what mixes states: each is of the sound around it alone."""
    with np.load(MODELS / "whisper-tiny.en.npz") as archive:
        weights = {name: array.astype(np.float32) for name, array in archive.items()}
    mixing = [name for name in weights if ".mix." in name or ".narrow." in name]
    assert len(mixing) == 4 * LAYERS
    return WhisperEncoder(weights | {name: 0 * weights[name] for name in mixing}, LAYERS)


@pytest.mark.parametrize("step", range(5, 45, 8))
def test_a_click_is_heard_around_the_step_in_the_middle_of_which_it_is(hiss, deaf_to_others, step):
    waveform = hiss(1)
    waveform[-800] = 1  # the loudest sound sets the level of all
    frames = len(cepstra(waveform))
    quiet = step_embeddings(deaf_to_others, waveform, frames)
    waveform[STEP_SAMPLES * step + 285] = 0.5  # the middle of the two frames' windows
    is_changed = (step_embeddings(deaf_to_others, waveform, frames) != quiet).any(axis=1)
    assert len(quiet) == -(-frames // STEP)
    assert np.flatnonzero(is_changed).tolist() == [step - 1, step, step + 1]


def test_what_is_beyond_thirty_seconds_is_not_heard(hiss):
    waveform = hiss(31)
    frames = len(cepstra(waveform))
    heard = step_embeddings(whisper_encoder(), waveform, frames)
    assert len(heard) == -(-frames // STEP)
    assert (heard[1_500:] == heard[1_499]).all()
    waveform[30 * SAMPLE_RATE_HZ :] = 1
    assert (step_embeddings(whisper_encoder(), waveform, frames) == heard).all()


def test_without_an_encoder_steps_have_no_embeddings(hiss):
    assert step_embeddings(None, hiss(1), 99).shape == (50, 0)
