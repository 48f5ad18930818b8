import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.alignment.interim import AlignedPhone, AlignedWord, Alignment
from speech.fluency import SpokenWord, fluency
from speech.scores.calibration import Calibration, LinearMap, shipped
from speech.scores.scoring import score
from speech.text.phones import IPA

PHONE = st.tuples(st.sampled_from(sorted(IPA)), st.integers(3, 60), st.floats(-200, 0))
WORD = st.tuples(st.lists(PHONE, min_size=1, max_size=6), st.integers(0, 300))


def utterance(words):
    """An alignment of words: phones with frames and score, then frames of silence."""
    now, aligned, silences = 0, [], []
    for phones, gap in words:
        spoken = []
        for name, frames, nats in phones:
            spoken.append(AlignedPhone(name, now / 100, (now + frames) / 100, nats))
            now += frames
        aligned.append(AlignedWord("word", tuple(spoken), is_listed=True))
        if gap:
            silences.append(AlignedPhone("SIL", now / 100, (now + gap) / 100, -1.0))
        now += gap
    return Alignment(tuple(aligned), tuple(silences), now / 100)


def scored(words):
    alignment = utterance(words)
    measured = fluency([SpokenWord(w.start, w.end) for w in alignment.words])
    return score(alignment, measured, shipped())


@given(st.lists(WORD, min_size=1, max_size=12))
def test_scores_stay_on_their_scales(words):
    scores = scored(words)
    assert 0 <= scores.accuracy <= 100
    assert 0 <= scores.fluency <= 100
    assert ((scores.phones >= 0) & (scores.phones <= 100)).all()
    assert ((scores.words >= 0) & (scores.words <= 1)).all()
    assert len(scores.words) == len(words)
    assert len(scores.phones) == sum(len(phones) for phones, _ in words)
    assert np.isfinite([*scores.features.values(), scores.mismatch]).all()


def sentence(nats=-2.0, gap=0):
    phones = [("B", 7, nats), ("IY", 12, nats), ("T", 8, nats)]
    return [(phones, gap) for _ in range(6)]


def test_sounds_that_fit_better_score_higher():
    good, bad = scored(sentence(nats=-1.0)), scored(sentence(nats=-15.0))
    assert good.accuracy > bad.accuracy + 10
    assert good.words.mean() > bad.words.mean()
    assert good.phones.mean() > bad.phones.mean()
    assert good.mismatch < bad.mismatch


def test_pauses_lower_fluency():
    assert scored(sentence(gap=0)).fluency > scored(sentence(gap=80)).fluency + 10


def test_a_long_text_is_judged_like_several_short_ones():
    for nats in (-2.0, -15.0):
        short, long = scored(2 * sentence(nats)), scored(40 * sentence(nats))
        assert long.accuracy == pytest.approx(short.accuracy, abs=2)
        assert long.mismatch == pytest.approx(short.mismatch, abs=0.5)


def test_the_shipped_calibration_knows_every_phone():
    assert set(shipped().phone_norms) == set(IPA)


def test_a_calibration_survives_being_written():
    assert Calibration.from_json(shipped().to_json()) == shipped()


def test_a_linear_map_takes_numbers_and_columns():
    line = LinearMap(("a", "b"), (2.0, -1.0), 0.5)
    assert line.of({"a": 1.0, "b": 3.0, "unused": 9.0}) == pytest.approx(-0.5)
    columns = {"a": np.array([1.0, 0.0]), "b": np.array([3.0, 0.0])}
    assert line.of(columns) == pytest.approx([-0.5, 0.5])
