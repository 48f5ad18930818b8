import numpy as np
import pytest
import soundfile

from benchmarks.locality import PAIRS, change_at, figures
from benchmarks.sound_changes import ScoredPhone, scored_phones, spliced
from speech.scores.model import ENGINES
from speech.text.lexicon import pronounce


def phones(*scores, names="SH IY P IH Z"):
    words = (0, 0, 0, 1, 1)
    return [
        ScoredPhone(word, name, 160 * at, 160 * at + 160, score)
        for at, (word, name, score) in enumerate(zip(words, names.split(), scores, strict=True))
    ]


def test_a_change_is_compared_with_its_neighbours_and_with_other_words():
    change = change_at(1, phones(90, 90, 90, 90, 90), phones(86, 40, 80, 88, 94))
    assert change.own == 50
    assert change.near == pytest.approx((4 + 10 + 2) / 3)
    assert change.elsewhere == pytest.approx((2 - 4) / 2)
    assert change.is_lowest


def test_a_change_that_is_aligned_with_other_phones_or_refused_is_left_out():
    before = phones(90, 90, 90, 90, 90)
    assert change_at(1, before, phones(90, 90, 90, 90, 90, names="SH IH P IH Z")) is None
    assert change_at(1, before, []) is None
    found = figures([None, change_at(1, before, phones(89, 60, 89, 89, 89))])
    assert (found["changes"], found["left_out"], found["ratio"]) == (1, 1, 30)


def test_a_ratio_is_none_if_the_neighbours_do_not_drop():
    change = change_at(1, phones(80, 90, 80, 80, 80), phones(90, 60, 90, 90, 90))
    assert figures([change])["ratio"] is None


@pytest.mark.parametrize(("sentence", "word", "said"), PAIRS)
def test_words_of_a_pair_differ_in_one_phone(sentence, word, said):
    wanted, other = (pronounce(each).variants[0] for each in (word, said))
    assert sum(one != two for one, two in zip(wanted, other, strict=True)) == 1
    assert "{}" in sentence.split()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_phone_of_an_analysis_is_scored(clip, engine):
    found = scored_phones(clip, "The quick brown fox jumps over the lazy dog.", engine, None)
    assert [one.name for one in found if one.word == 3] == ["F", "AA", "K", "S"]
    assert all(0 <= one.score <= 100 for one in found)
    assert all(one.start < one.end <= len(clip) for one in found)
    assert scored_phones(np.zeros_like(clip), "The quick brown fox.", engine, None) == []


def test_a_splice_replaces_one_phone_at_the_level_of_the_other(clip):
    place, piece = (
        ScoredPhone(0, "IY", 8_000, 9_600, 90.0),
        ScoredPhone(0, "IH", 4_000, 6_400, 90.0),
    )
    heard = spliced(clip, place, 0.5 * clip, piece)
    assert len(heard) == pytest.approx(len(clip) + 800, abs=200)
    np.testing.assert_array_equal(heard[:7_800], clip[:7_800])
    np.testing.assert_array_equal(heard[-5_000:], clip[-5_000:])
    ratio = np.std(heard[8_200:10_200]) / np.std(clip[8_000:9_600])
    assert ratio == pytest.approx(1, abs=0.3)


@pytest.fixture
def clip(request):
    path = request.config.rootpath / "tests" / "speech" / "data" / "fox.flac"
    return soundfile.read(path, dtype="float32")[0]
