import dataclasses

import numpy as np
import pytest

from speech.alignment.forced import AlignedPhone, AlignedWord, Alignment, Extra
from speech.assembly import Findings, assembled
from speech.breaks import Break
from speech.feedback.texts import texts_in
from speech.fluency import fluency
from speech.scores.scoring import Scores
from speech.text import transcript
from speech.text.lexicon import pronounce
from speech.text.transcript import Transcript, Word
from speech.utterance import spoken_words, utterances
from tests.speech.feedback.making import BEST, ENGLISH

PHONE_FRAMES = 10
CHECK_THE_TEXT = ENGLISH.say("advice.check_the_text")
REASONS_UNKNOWN = ENGLISH.say("reasons.unknown")


def align(spoken):
    """Align words one after the other, each phone in a tenth of a second."""
    frame, aligned = 0, []
    for word in spoken:
        said = pronounce(word)
        phones = []
        for phone in said.variants[0]:
            phones.append(AlignedPhone(frame, frame + PHONE_FRAMES, phone, (frame + 3, frame + 6)))
            frame += PHONE_FRAMES
        aligned.append(AlignedWord(word, tuple(phones), said.is_listed))
    return Alignment(tuple(aligned), (), frame)


def analysed(
    text, *, confidence=0.1, unsaid=(), inserted_before=(), heard="S", pauses=(), is_doubtful=False,
    score=90.0, extras=(), language="en",
):  # fmt: skip
    """Analyse a text with every sound heard as another; `unsaid` lists spoken words."""
    said = transcript.read(text, "en") if isinstance(text, str) else text
    alignment = align([part for word in said.words for part in word.spoken])
    alignment = dataclasses.replace(alignment, extras=extras)
    phones = sum(len(word.phones) for word in alignment.words)
    words = len(alignment.words)
    scores = Scores(
        accuracy=score, fluency=90.0, prosodic=90.0, total=90.0, completeness=100.0,
        intervals=np.array([[81.25, 97.0]] * 4),
        phones=np.full(phones, 20.0), words=np.full(words, 50.0),
        phone_intervals=np.array([[0.0, 60.4]] * phones),
        word_intervals=np.array([[31.6, 70.2]] * words),
        omitted=tuple(word.word in unsaid for word in alignment.words),
        follows_insertion=tuple(word.word in inserted_before for word in alignment.words),
        confidences=np.full(words, confidence), heard_instead=(heard,) * phones, mismatch=-9.0,
        faulty_below=55.0, measures=BEST,
    )  # fmt: skip
    timeline = utterances(said.words, alignment)
    return assembled(
        Findings(said, alignment, timeline, fluency(spoken_words(timeline)), pauses, scores),
        texts_in(language),
        engine="kaiwa", engine_version="2.0", model_version="en", language="en", warnings=(),
        is_doubtful=is_doubtful,
    )  # fmt: skip


def issues(analysis, word):
    return [one.issues for one in analysis.phoneme_analysis if one.word == word and one.issues]


def confidences(analysis):
    return {timing.word: timing.confidence for timing in analysis.speech_timings}


@pytest.mark.parametrize("word", ["1999", "um", "xyqqly"], ids=["number", "filler", "unlisted"])
def test_an_unjudged_word_has_no_confidence_and_no_issues(word):
    analysis = analysed(f"We met {word} there")
    assert confidences(analysis) == {"We": 0.1, "met": 0.1, word: None, "there": 0.1}
    assert not issues(analysis, word)
    assert all(
        one.expected_phoneme is None for one in analysis.phoneme_analysis if one.word == word
    )
    assert issues(analysis, "met")
    assert word not in {one.word for one in analysis.problematic_words}
    assert word not in analysis.practice_words


def test_a_word_that_was_not_said_is_reported_once_and_without_its_sounds():
    analysis = analysed("The green house, the green tree", unsaid=("green",))
    (reported,) = [one for one in analysis.problematic_words if one.word == "green"]
    assert (reported.issue, reported.severity) == ("It was not heard.", "high")
    assert reported.suggestion == "Say every word of the text."
    assert not issues(analysis, "green")
    assert issues(analysis, "house")
    assert not any("green" in advice for advice in analysis.recommendations)
    assert "green" not in analysis.practice_words


def test_a_word_that_experts_would_find_well_said_was_said():
    assert analysed("The green house", unsaid=("green",), confidence=0.9).problematic_words == ()


def test_a_word_of_several_was_said_if_one_of_them_was():
    said = Transcript((Word("tea-room", 0, 8, ("tea", "room")), Word("door", 9, 13, ("door",))), 0)

    def unheard(*unsaid):
        reported = analysed(said, unsaid=unsaid).problematic_words
        return [one.word for one in reported if one.issue == "It was not heard."]

    assert unheard("room") == unheard("tea") == []
    assert unheard("tea", "room") == ["tea-room"]
    assert unheard("tea", "door") == unheard("room", "door") == ["door"]


def test_every_mistake_is_stored_with_its_kind():
    pauses = [Break("unexpected", "green", 1.0, 1.7), Break("missing", "house", 2.0, 2.05)]
    analysis = analysed(
        "The green 1999 house", unsaid=("house",), inserted_before=("green",), pauses=pauses
    )
    mistakes = analysis.raw_alignment["mistakes"]
    phones = len(pronounce("the").variants[0]) + len(pronounce("green").variants[0])
    assert mistakes["phones"] == [[index, "substituted", "s"] for index in range(phones)]
    assert mistakes["words"] == [[0, "mispronounced"], [1, "mispronounced"], [3, "omitted"]]
    assert mistakes["inserted"] == [[200, 200]]
    assert mistakes["breaks"] == [["unexpected", 1000, 1700], ["missing", 2000, 2050]]
    assert any("before “green”" in advice for advice in analysis.recommendations)


@pytest.mark.parametrize(
    ("spoken", "inserted"), [("nineteen", [[600, 600]]), ("ninety", []), ("nine", [])]
)
def test_what_was_inserted_within_a_number_was_not_before_it(spoken, inserted):
    analysis = analysed("The green 1999 house", inserted_before=(spoken,))
    assert analysis.raw_alignment["mistakes"]["inserted"] == inserted
    assert any("before “1999”" in advice for advice in analysis.recommendations) == bool(inserted)


def test_a_hesitation_is_no_insertion():
    um = Extra(19, 20, "filler")
    analysis = analysed("The green house", inserted_before=("green", "house"), extras=(um,))
    assert analysis.hesitation_count == 1
    assert analysis.raw_alignment["mistakes"]["inserted"] == [[600, 600]]
    assert not any("before “green”" in advice for advice in analysis.recommendations)


def test_a_gap_in_which_something_was_inserted_is_no_pause():
    pauses = [Break("unexpected", "the", 0.2, 0.2), Break("unexpected", "green", 0.6, 0.6)]
    text = "The green house stands there today"
    analysis = analysed(text, inserted_before=("green",), pauses=pauses)
    mistakes = analysis.raw_alignment["mistakes"]
    assert mistakes["inserted"] == [[200, 200]]
    assert mistakes["breaks"] == [["unexpected", 600, 600]]
    assert any("after “green”" in advice for advice in analysis.recommendations)
    assert not any("after “the”" in advice for advice in analysis.recommendations)


def test_a_deleted_phone_is_stored_without_another():
    mistakes = analysed("green", heard="").raw_alignment["mistakes"]
    assert mistakes["phones"][0] == [0, "deleted"]


def test_what_was_well_said_has_no_mistakes():
    mistakes = analysed("The green house", heard=None, confidence=0.9).raw_alignment["mistakes"]
    assert mistakes == {"phones": [], "words": [], "inserted": [], "breaks": []}


def test_a_doubtful_recording_gets_no_feedback_but_to_check_the_text():
    text = "We think that three things are here"
    sure, doubtful = analysed(text), analysed(text, is_doubtful=True)
    assert sure.problematic_words
    assert sure.practice_words
    assert doubtful == dataclasses.replace(
        sure,
        problematic_words=(),
        practice_words=(),
        recommendations=(CHECK_THE_TEXT,),
        phoneme_analysis=tuple(
            dataclasses.replace(one, expected_phoneme=None, issues=())
            for one in sure.phoneme_analysis
        ),
        raw_alignment=doubtful.raw_alignment,
        raw_features=doubtful.raw_features,
    )


@pytest.mark.parametrize(
    ("score", "reasons"), [(90.0, ()), (89.0, (REASONS_UNKNOWN,)), (30.0, (REASONS_UNKNOWN,))]
)
def test_a_doubtful_recording_that_lost_points_says_that_their_cause_is_unknown(score, reasons):
    doubtful = analysed("We think that things are here", is_doubtful=True, score=score)
    assert doubtful.recommendations == (CHECK_THE_TEXT, *reasons)


def test_a_number_is_one_timing_from_its_first_part_to_its_last():
    timings = analysed("In 1999 there").speech_timings
    assert [(one.word, one.start_ms, one.end_ms) for one in timings] == [
        ("In", 0, 200), ("1999", 200, 1600), ("there", 1600, 1900)
    ]  # fmt: skip


def test_the_usual_pronunciation_is_taught():
    (reported,) = analysed("would", heard=None).problematic_words
    assert "/w ʊ d/" in reported.suggestion


def test_a_doubtful_recording_keeps_its_scores_without_mistakes_and_intervals():
    sure, doubtful = analysed("We met"), analysed("We met", is_doubtful=True)
    ends = {name for name in sure.raw_features if name.endswith(("_low", "_high"))}
    assert len(ends) == 8
    assert doubtful.raw_features == {
        name: value for name, value in sure.raw_features.items() if name not in ends
    }
    stored = doubtful.raw_alignment
    assert set(sure.raw_alignment) - set(stored) == {"mistakes"}
    assert stored["phone_columns"] == ["arpabet", "start_ms", "end_ms", "accuracy"]
    assert stored["words"][0] == {
        "word": "we", "accuracy": 50, "phones": [["W", 0, 100, 20], ["IY", 100, 200, 20]]
    }  # fmt: skip


def test_every_stored_score_has_its_interval_beside_it():
    analysis = analysed("We met there")
    raw = analysis.raw_features
    for name in ("accuracy", "fluency", "prosodic", "total"):
        assert (raw[f"{name}_low"], raw[f"{name}_high"]) == (81.25, 97)
    stored = analysis.raw_alignment
    word = stored["words"][0]
    assert (word["accuracy"], word["accuracy_low"], word["accuracy_high"]) == (50, 31, 71)
    phone = dict(zip(stored["phone_columns"], word["phones"][0], strict=True))
    assert (phone["accuracy"], phone["accuracy_low"], phone["accuracy_high"]) == (20, 0, 61)
