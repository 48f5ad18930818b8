import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech import engine
from speech.errors import TextMismatch
from speech.feedback.reasons import (
    FULL_SCORE,
    MEASURES,
    cost,
    measured,
    merit,
    points_lost,
)
from tests.speech.feedback.making import BEST, ENGLISH, think, word

WORDS = [word(), think(0.4), word("green", 0.6)]


def costs(words=WORDS, accuracy=74, fluency=80, **measures):
    return cost(
        ENGLISH, words, {**BEST, **measures}, accuracy_score=accuracy, fluency_score=fluency
    )


@pytest.mark.parametrize(
    ("measures", "reason"),
    [
        ({"pause_share": 0.2}, "gaps between words, about 3 (20 % of the time)"),
        ({"log_phones_per_spoken_second": np.log(6)},
         "pace, about 3 (6 sounds a second, 10 in the best recordings)"),
        ({"duration_spread": 1.54},
         "rhythm, about 3 (the lengths of your sounds vary 2.0 times as much as usual)"),
        ({"hesitations": 0.25}, "hesitations, about 2 (25 for 100 words)"),
    ],
    ids=["pauses", "pace", "rhythm", "hesitations"],
)  # fmt: skip
def test_what_cost_points_is_named_with_its_number(measures, reason):
    assert reason in costs([word(R=98.4, EH=98.4, D=98.4)], **measures)


def test_sounds_are_named_with_their_score_and_the_least_clear_words():
    text = costs()
    assert "sounds, about 9 (90 of 100 on average, least clear in “think” and “green”)" in text


def test_words_that_are_not_judged_are_not_named():
    text = costs([word("1999", 0.1, judged=False), word()])
    assert "1999" not in text
    assert "“red”" in text


def test_the_lower_score_is_explained():
    slow = {"pause_share": 0.3}
    assert "gaps between words, about 4" in costs(accuracy=70, fluency=80, **slow)
    assert "gaps between words, about 10" in costs(accuracy=80, fluency=70, **slow)


def test_most_points_come_first_and_little_is_left_out():
    text = costs(pause_share=0.3, hesitations=0.01)
    assert text.index("sounds") < text.index("gaps")
    assert "hesitations" not in text


def test_what_no_measure_explains_is_said():
    good = [word(R=99.0, EH=99.0, D=99.0)]
    assert costs(good).startswith("No single measure explains the missing points")
    assert costs(good, accuracy=50, pause_share=0.2).endswith(
        "No single measure explains the rest."
    )
    assert not costs(good, accuracy=88, pause_share=0.2).endswith("explains the rest.")


def test_full_marks_say_what_was_good():
    assert merit(ENGLISH, WORDS, BEST) == (
        "What was good: your sounds scored 90 of 100 on average, and you said 10 sounds a second "
        "with no gap between words."
    )
    assert "gaps between words of 4 %" in merit(ENGLISH, WORDS, {**BEST, "pause_share": 0.04})


@given(
    sounds=st.floats(0, 100), pauses=st.floats(0, 1), pace=st.floats(0, 4),
    spread=st.floats(0, 4), hesitations=st.floats(0, 1), accuracy=st.floats(0, 100),
    fluency=st.floats(0, 100),
)  # fmt: skip
def test_only_measures_worse_than_the_best_cost_points(
    sounds, pauses, pace, spread, hesitations, accuracy, fluency
):
    values = dict(zip(MEASURES, (sounds, pauses, pace, spread, hesitations), strict=True))
    lost = points_lost(values, accuracy_score=accuracy, fluency_score=fluency)
    assert list(lost.values()) == sorted(lost.values(), reverse=True)
    for name in lost:
        is_worse = values[name] < MEASURES[name].best
        assert is_worse == (name in {"sounds", "log_phones_per_spoken_second"})


def test_every_score_of_learners_has_a_reason_that_agrees_with_it(corpus):
    folder, labels = corpus
    explained, missing = [], []
    for label in labels[17::25]:
        waveform, _ = soundfile.read(
            folder / "audio" / f"{label['utterance']}.flac", dtype="float32"
        )
        try:
            analysis = engine.analyze(waveform, label["text"], "en")
        except TextMismatch:
            continue
        scores = {
            "accuracy_score": analysis.overall_accuracy_score,
            "fluency_score": analysis.overall_fluency_score,
        }
        reason = analysis.recommendations[-1]
        if ENGLISH.say("advice.check_the_text") in analysis.recommendations:
            assert (reason == ENGLISH.say("reasons.unknown")) == (min(scores.values()) < FULL_SCORE)
            continue
        if min(scores.values()) >= FULL_SCORE:
            assert reason.startswith("What was good")
            continue
        assert reason.startswith(("What cost points", "No single measure"))
        raw = analysis.raw_features
        sounds = np.mean([phone.accuracy_score for phone in analysis.phoneme_analysis])
        lost = points_lost(raw | {"sounds": sounds}, **scores)
        assert reason.startswith("What cost points") == bool(lost)
        explained.append(sum(lost.values()))
        missing.append(FULL_SCORE - min(scores.values()))
    assert np.corrcoef(explained, missing)[0, 1] > 0.85
    assert np.mean(explained) > 0.6 * np.mean(missing)


def test_measures_are_those_of_the_words_and_of_the_utterance():
    assert measured([word()], {**BEST, "other": 1.0}) == {"sounds": 90.0, **BEST}
