from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import strategies as st

from benchmarks.expert_agreement import LEVELS, agreement, agreement_by_level, compare
from training.corpus import RatedWord, Utterance, read_corpus

symbols = st.lists(st.sampled_from("ABC"), max_size=5)


def spoken(word, accuracy, *phones):
    rows = [[phone, 0, 10, score, score - 5, score + 5] for phone, score in phones]
    interval = {"accuracy_low": accuracy - 5, "accuracy_high": accuracy + 5}
    return {"word": word, "accuracy": accuracy, **interval, "phones": rows}


def analysed(*words, **features):
    scores = dict.fromkeys(("accuracy", "fluency", "prosodic", "total"), 70.0) | features
    low, high = (
        {f"{name}_{end}": score + by for name, score in scores.items()}
        for end, by in (("low", -5), ("high", 5))
    )
    alignment = {"faulty_below": 25.0, "words": list(words)}
    return SimpleNamespace(raw_alignment=alignment, raw_features=scores | low | high)


@pytest.fixture
def rated(tmp_path):
    words = (
        RatedWord("THE", 9.0, ("DH", "AH"), (1.8, 2.0)),
        RatedWord("TOMATO", 6.0, ("T", "AH", "M", "EY", "T", "OW"), (2.0, 1.0, 2.0, 0.5, 2.0, 1.5)),
    )
    means = {"accuracy": 7.0, "fluency": 8.0, "prosodic": 6.0, "total": 7.5}
    return Utterance(tmp_path, "0001", 2.0, "THE TOMATO", words, means, {"total": 7.0})


def test_every_level_is_put_beside_the_ratings(rated):
    analysis = analysed(
        spoken("the", 80.0, ("DH", 75.0), ("AH", 85.0)),
        spoken("tomato", 60.0, *zip(rated.words[1].phones, range(10, 70, 10), strict=True)),
        total=71.0,
    )
    found = compare(rated, analysis)
    assert found.speaker == "0001"
    assert set(found.means) == set(LEVELS)
    assert found.means["word"].tolist() == [[80, 9], [60, 6]]
    assert found.means["phone"][:3].tolist() == [[75, 1.8], [85, 2.0], [10, 2.0]]
    assert found.means["total"].tolist() == [[71, 7.5]]
    assert {name: pair.tolist() for name, pair in found.medians.items()} == {"total": [[71, 7]]}


def test_an_interval_covers_the_experts_mean_or_not_and_what_has_none_does_not_count(rated):
    analysis = analysed(
        spoken("the", 94.0, ("DH", 95.0)),
        spoken("tomato", 66.0, *zip(rated.words[1].phones, [95, 50, 95, 0, 95, 75], strict=True)),
        total=81.0,
    )
    found = compare(rated, analysis)
    assert found.covered("word").tolist() == [True, False]
    assert found.covered("total").tolist() == [False]
    assert found.covered("phone").tolist() == [True] * 4 + [False] + [True] * 2


def test_a_phone_of_another_pronunciation_counts_like_its_neighbour_or_its_word(rated):
    analysis = analysed(
        spoken("the", 80.0, ("DH", 75.0), ("IY", 85.0)),
        spoken("tomato", 60.0, ("T", 10.0), ("M", 30.0), ("AA", 40.0), ("T", 50.0), ("OW", 60.0)),
    )
    ours = compare(rated, analysis).means["phone"][:, 0].tolist()
    assert ours == [75, 85, 10, 38, 30, 40, 50, 60]


def test_a_word_that_was_not_aligned_counts_like_the_whole(rated):
    analysis = analysed(spoken("tomato", 60.0, ("T", 50.0), ("OW", 60.0)))
    found = compare(rated, analysis)
    assert found.means["word"][:, 0].tolist() == [60, 60]
    assert found.means["phone"][:2, 0].tolist() == [60, 60]
    assert len(found.means["phone"]) == 8


@pytest.fixture
def numbers():
    """Our and the experts' numbers for 20 speakers, ten each, correlated within and between."""
    rng = np.random.default_rng(0)
    pairs = []
    for speaker in range(20):
        level = rng.normal(0, 2)
        x = level + rng.normal(0, 1, 10)
        pairs.append((str(speaker), np.column_stack([10 * x + 50, x + rng.normal(0, 1, 10)])))
    return pairs


def test_correlations_are_pearsons(numbers):
    found = agreement(numbers)
    both = np.vstack([pair for _, pair in numbers])
    means = np.array([pair.mean(axis=0) for _, pair in numbers])
    centred = np.vstack([pair - pair.mean(axis=0) for _, pair in numbers])
    for ours, plain in (
        (found.overall, both),
        (found.between_speakers, means),
        (found.within_speakers, centred),
    ):
        assert ours == pytest.approx(np.corrcoef(plain.T)[0, 1], abs=1e-4)


def test_a_speaker_may_come_in_parts(numbers):
    parts = [(speaker, half) for speaker, pair in numbers for half in np.array_split(pair, 3)]
    assert agreement(parts[::-1]).within_speakers == agreement(numbers).within_speakers


def test_the_interval_holds_the_correlation_and_narrows_with_more_speakers(numbers):
    low, high = agreement(numbers).interval
    assert low < agreement(numbers).overall < high
    more = [(f"{speaker} {copy}", pair) for copy in range(9) for speaker, pair in numbers]
    narrow_low, narrow_high = agreement(more).interval
    assert narrow_high - narrow_low < 0.5 * (high - low)


@pytest.mark.parametrize("score", [0.1, 1.3, 33.3, 71.7, 73.3, 99.9])
def test_constant_scores_have_no_correlation(score):
    constant = agreement([(str(n), np.array([[score, n]] * 1_000)) for n in range(50)])
    assert constant.overall is None
    assert constant.interval == (None, None)
    assert constant.between_speakers is None
    assert constant.within_speakers is None


def test_nothing_compared_has_no_correlation():
    assert all(found.overall is None for found in agreement_by_level([]).values())


def test_a_corpus_and_its_analyses_give_all_levels(label, corpus_of):
    labels = [label(f"u{n}", speaker=str(n), score=4.0 + n) for n in range(5)]
    compared = [
        compare(
            utterance,
            analysed(
                *(
                    spoken(word, 10.0 * n, ("IY", 9.0 * n), ("IY", 11.0 * n))
                    for word in ("we", "call")
                ),
                accuracy=10.0 * n,
            ),
        )
        for n, utterance in enumerate(read_corpus(corpus_of(labels)))
    ]
    found = {level: one.overall for level, one in agreement_by_level(compared).items()}
    assert found["word"] == found["accuracy"] == 1
    assert 0.9 < found["phone"] < 1
    assert found["fluency"] is None
