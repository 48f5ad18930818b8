import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.front_end import cepstra, features
from speech.acoustics.pitch import pitch
from speech.alignment import forced
from speech.alignment.forced import aligned_pieces
from speech.scores.gate import CERTAIN, POSSIBLE
from speech.scores.model import scoring_model
from speech.scores.scoring import align_and_score
from speech.text.lexicon import pronounce
from tests.speech.conftest import read_clip

FOX = "the quick brown fox jumps over the lazy dog".split()  # noqa: SIM905 - a sentence
CLIP = read_clip("fox")


def scored(waveform, words):
    frames = features(cepstra(waveform))
    pieces = aligned_pieces(frames, words, [pronounce(word) for word in words])
    return align_and_score(waveform, frames, pieces, pitch(waveform), scoring_model("kaiwa-large"))


def assert_on_their_scales(scores, alignments):
    whole = [scores.accuracy, scores.fluency, scores.prosodic, scores.total, scores.completeness]
    assert all(0 <= score <= 100 for score in whole)
    words = [word for alignment in alignments for word in alignment.words]
    assert scores.words.shape == scores.confidences.shape == (len(scores.omitted),) == (len(words),)
    assert (
        len(scores.heard_instead) == len(scores.phones) == sum(len(word.phones) for word in words)
    )
    for values, most in ((scores.phones, 100), (scores.words, 100), (scores.confidences, 1)):
        assert ((values >= 0) & (values <= most)).all()
    assert np.isfinite([*scores.measures.values(), scores.mismatch]).all()


@settings(max_examples=15, deadline=None)
@given(words=st.lists(st.sampled_from(FOX), min_size=1, max_size=6), start=st.integers(0, 20_000))
def test_scores_stay_on_their_scales_whatever_is_said(words, start):
    alignments, scores = scored(CLIP[start:], words)
    assert_on_their_scales(scores, alignments)


def test_the_right_text_fits_far_better_than_another():
    _, right = scored(CLIP, FOX)
    _, wrong = scored(CLIP, FOX[::-1])
    assert right.mismatch < POSSIBLE < CERTAIN < wrong.mismatch
    assert right.accuracy > wrong.accuracy + 10
    assert right.completeness == 100


def test_pieces_score_like_the_whole(monkeypatch):
    waveform, words = np.tile(CLIP, 3), FOX * 3
    _, whole = scored(waveform, words)
    monkeypatch.setattr(forced, "_PIECE_FRAMES", 300)
    alignments, pieces = scored(waveform, words)
    assert len(alignments) == 3
    assert_on_their_scales(pieces, alignments)
    assert pieces.accuracy == pytest.approx(whole.accuracy, abs=8)
    assert pieces.fluency == pytest.approx(whole.fluency, abs=12)


@pytest.mark.parametrize("gain", [0.03, 0.5])
def test_scores_do_not_depend_on_loudness(gain):
    _, plain = scored(CLIP, FOX)
    _, quiet = scored(CLIP * np.float32(gain), FOX)
    assert quiet.accuracy == pytest.approx(plain.accuracy, abs=1)
    assert quiet.words == pytest.approx(plain.words, abs=4)
