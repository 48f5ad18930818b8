import numpy as np
import pytest

from speech.acoustics import senones as module
from speech.acoustics.front_end import cepstra, features
from speech.acoustics.model_files import acoustic_model
from speech.acoustics.senones import log_likelihoods
from tests.speech.acoustics.data.make_golden import FRAMES, NAMES, NATS, SENONES, sixteen_bits


@pytest.fixture(scope="module")
def model():
    return acoustic_model()


@pytest.fixture
def sounds(clip):
    return features(cepstra(clip("fox")))


def log_densities(model, sounds):
    """Return log densities in float64, shape (3, frames, phones, 128)."""
    streams = sounds.astype(np.float64).reshape(-1, 3, 13).swapaxes(0, 1)
    terms = np.concatenate([streams, streams**2, np.ones((*streams.shape[:2], 1))], axis=2)
    return np.einsum("stk,psdk->stpd", terms, model.densities.astype(np.float64), optimize=True)


def mixed(model, densities, chosen):
    """Return logarithms of the weighted sums over streams, shape (frames, chosen)."""
    own = densities[:, :, model.triphones.codebooks[chosen]]
    return np.logaddexp.reduce(own + np.log(model.weights[chosen]).swapaxes(0, 1)[:, None], 3).sum(
        0
    )


def assert_agree(scores, expected):
    assert scores.dtype == np.float32
    assert scores == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_pocketsphinx_but_for_its_shortcuts(clip, golden, model, name):
    """It uses only the four best densities of a codebook, none worse than 96 units, and rounds."""
    heard = sixteen_bits(clip(name)).astype(np.float32) / 32_768
    densities = log_densities(model, features(cepstra(heard))[FRAMES])
    relative = densities - densities.max(axis=(2, 3), keepdims=True)
    fourth = np.sort(relative, axis=3)[..., -4:-3]
    kept = np.where(relative >= fourth, np.maximum(relative, -96 * NATS), -np.inf)
    ours = mixed(model, kept, np.arange(len(model.weights))[SENONES])
    theirs = -NATS * golden[f"{name}_senones"]
    error = ours - theirs
    error -= np.median(error, axis=1, keepdims=True)  # theirs are relative to the best
    # Measured: 0.14 to 0.17 nats on average, from rounding a dozen terms to 0.1.
    assert np.abs(error).mean() < 0.2
    assert np.quantile(np.abs(error), 0.99) < 1.5


def test_likelihoods_are_those_of_the_formula(model, sounds):
    chosen = np.array([5_125, 0, 126, 4_000, 126, 77])
    expected = mixed(model, log_densities(model, sounds), chosen)
    assert_agree(log_likelihoods(model, sounds, chosen), expected)


def test_scores_do_not_depend_on_other_requested_senones(model, sounds):
    every = log_likelihoods(model, sounds, np.arange(0, 5_126, 7))
    alone = log_likelihoods(model, sounds, np.array([7 * 700, 0]))
    assert_agree(alone, every[:, [700, 0]])


def test_every_phone_has_three_states_without_context(model):
    assert model.context_independent.tolist() == list(range(126))
    owners = model.triphones.codebooks[model.context_independent]
    assert (owners == np.repeat(np.arange(42), 3)).all()


def test_a_slice_of_frames_is_scored_as_within_the_whole(model, sounds):
    chosen = np.array([3, 2_000, 900])
    whole = log_likelihoods(model, sounds, chosen)
    assert_agree(log_likelihoods(model, sounds[40:60], chosen), whole[40:60])


@pytest.mark.parametrize("size", [1, 100, 4_096])
def test_the_size_of_blocks_does_not_matter(model, sounds, monkeypatch, size):
    chosen = np.array([1_000, 5_000, 7])
    usual = log_likelihoods(model, sounds, chosen)
    monkeypatch.setattr(module, "_FRAMES_AT_ONCE", size)
    assert_agree(log_likelihoods(model, sounds, chosen), usual)


def test_the_same_frames_give_the_same_bits(model, sounds):
    chosen = np.arange(0, 5_126, 7)
    once, again = (log_likelihoods(model, sounds, chosen) for _ in range(2))
    assert (once == again).all()


def test_sounds_unlike_any_speech_still_have_likelihoods(model):
    far = np.full((2, 39), 300, np.float32)
    far[1] *= -1
    assert np.isfinite(log_likelihoods(model, far, np.arange(len(model.weights)))).all()
