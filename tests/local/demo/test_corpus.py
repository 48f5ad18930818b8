"""Real learners are read from their folder, many speakers first."""

import json
from collections import Counter

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from local.demo.corpus import rank_correlation, read_corpus
from schema.states import UserTier

NUMBERS = {"seconds": 0.5, "accuracy": 8.0, "fluency": 7.5}
numbers = st.lists(st.integers(-5, 5), min_size=3, max_size=30)


@pytest.fixture
def folder(tmp_path):
    """Three speakers with 3, 1 and 2 utterances."""
    (tmp_path / "audio").mkdir()
    with (tmp_path / "labels.jsonl").open("w") as labels:
        for utterance in ("A1", "A2", "A3", "B1", "C1", "C2"):
            label = {"utterance": utterance, "speaker": utterance[0], "text": f"SAY {utterance}"}
            labels.write(json.dumps(label | NUMBERS) + "\n")
            soundfile.write(tmp_path / "audio" / f"{utterance}.flac", np.zeros(8_000), 16_000)
    return tmp_path


def test_every_speaker_comes_before_anyone_comes_twice(folder):
    speakers = [recording.learner.name for recording in read_corpus(folder, 6)]
    assert speakers[:3] == ["A", "B", "C"]
    assert len(speakers) == 6


def test_no_more_are_read_than_asked_for(folder):
    assert len(list(read_corpus(folder, 4))) == 4
    assert len(list(read_corpus(folder, 100))) == 6


def test_most_speakers_are_free_and_some_are_guests_or_pay(folder):
    with (folder / "labels.jsonl").open("a") as labels:
        labels.writelines(
            json.dumps({"utterance": "A1", "speaker": f"D{number}", "text": "SAY"} | NUMBERS) + "\n"
            for number in range(97)
        )
    tiers = Counter(recording.learner.tier for recording in read_corpus(folder, 100))
    assert tiers == {UserTier.FREE: 80, UserTier.GUEST: 10, UserTier.PREMIUM: 10}


def test_the_experts_opinion_and_the_bytes_come_along(folder):
    first = next(read_corpus(folder, 1))
    assert (first.experts.accuracy, first.experts.fluency) == (8.0, 7.5)
    assert first.audio.startswith(b"fLaC")
    assert first.text == "Say a1"
    assert first.expected is None


@pytest.mark.parametrize(
    ("ours", "theirs", "rho"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([86, 97, 99, 100, 101, 103, 106, 110, 112, 113],
         [2, 20, 28, 27, 50, 29, 7, 17, 6, 12], -29 / 165),
        ([1, 2, 2, 3], [1, 2, 3, 4], 0.9486832980505138),
    ],
)  # fmt: skip
def test_rank_correlation_meets_known_values(ours, theirs, rho):
    assert rank_correlation(ours, theirs) == pytest.approx(rho)


@given(numbers)
def test_rank_correlation_sees_order_alone(ours):
    if len(set(ours)) > 1:
        assert rank_correlation(ours, [number**3 for number in ours]) == pytest.approx(1.0)


def test_rank_correlation_with_a_constant_is_no_number():
    assert np.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
