"""Findings for the app's list from an analysis."""

import pytest

from policy.findings import changes, finding_id, findings
from schema.documents import PhonemeAnalysis, ProblematicWord, SpeechTiming
from schema.facts.findings import (
    AnalysedMessage,
    ExportReport,
    Feature,
    FindingDocuments,
    FindingText,
    StoredFinding,
)
from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.texts import languages, texts_in
from speech.feedback.words import explain
from speech.text.phones import IPA

THETA = Feature("en", "pronunciation", "phoneme", "θ")
CLARITY = Feature("en", "pronunciation", "word", "clarity")
ISSUE = "The first sound /θ/, as in “three”, was unclear."


def weak(word, start_ms=0, issue=ISSUE, severity="medium", suggestion="Say it slowly."):
    return ProblematicWord(
        word=word,
        start_ms=start_ms,
        end_ms=start_ms + 300,
        issue=issue,
        severity=severity,
        suggestion=suggestion,
    )


def sound(phoneme, word, start_ms=0, **more):
    return PhonemeAnalysis(
        phoneme=phoneme,
        word=word,
        accuracy_score=30,
        start_ms=start_ms,
        end_ms=start_ms + 90,
        **more,
    )


def timing(word, start_ms, char_start):
    return SpeechTiming(
        word=word,
        start_ms=start_ms,
        end_ms=start_ms + 300,
        char_start=char_start,
        char_end=char_start + len(word),
    )


def message(words, sounds=(), timings=(), content="I think so", practice=None):
    return AnalysedMessage(
        "m",
        "en",
        content,
        FindingDocuments(
            analysis_version="2.0",
            speech_timings=tuple(timings),
            phoneme_analysis=tuple(sounds),
            problematic_words=tuple(words),
            practice_words=tuple(word.word for word in words) if practice is None else practice,
        ),
    )


def test_a_word_is_reported_with_its_sound_its_place_and_what_to_do():
    (finding,) = findings(
        message([weak("think", 100)], [sound("θ", "think", 100)], [timing("think", 100, 2)])
    )
    assert finding.feature == THETA
    assert finding.feature.id == "en:pronunciation:phoneme:θ"
    assert finding.says == FindingText(
        severity="hint",
        offset_start=2,
        offset_end=7,
        original_text="think",
        explanation=f"{ISSUE} Say it slowly.",
        metadata={"startMs": 100, "endMs": 400, "analysisVersion": "2.0"},
    )


@pytest.mark.parametrize(
    ("severity", "exported"), [("low", "info"), ("medium", "hint"), ("high", "warning")]
)
def test_a_finding_is_as_severe_as_its_word(severity, exported):
    (finding,) = findings(message([weak("think", severity=severity)]))
    assert finding.says.severity == exported


def test_several_words_with_one_sound_are_one_finding_about_the_worst():
    words = [weak("think", 900), weak("three", 100, suggestion=None), weak("thin", 500)]
    sounds = [sound("θ", word.word, word.start_ms) for word in words]
    (finding,) = findings(message(words, sounds))
    assert finding.says.original_text == "think"
    assert finding.says.explanation == f"{ISSUE} Say it slowly. (+ three, thin)"


def test_a_word_without_a_named_sound_is_reported_as_a_whole():
    whole = weak("think", issue="It was hard to recognise as a whole.", suggestion=None)
    elsewhere = weak("other", start_ms=1000)  # its issue names a sound that is not in the word
    (finding,) = findings(message([whole, elsewhere], [sound("θ", "think")]))
    assert finding.feature == CLARITY
    assert finding.says.explanation.endswith("as a whole. (+ other)")


def test_a_sound_is_not_searched_for_where_it_is_stored():
    stored = weak("think").model_copy(update={"issue": "/s/ … /θ/", "sound": "θ"})
    (finding,) = findings(message([stored], [sound("s", "think"), sound("θ", "think", 90)]))
    assert finding.feature == THETA


def test_a_finding_is_about_the_expected_sound_not_the_one_heard():
    heard = sound("s", "think", expected_phoneme="θ", issues=("heard as /s/",))
    (finding,) = findings(message([weak("think")], [heard]))
    assert finding.feature == THETA


def test_a_word_that_needs_no_practice_is_not_exported():
    assert findings(message([weak("think")], practice=("three",))) == []


def test_a_message_without_a_valid_analysis_has_no_findings():
    assert findings(AnalysedMessage("m", "en", "I think so", None)) == []


@pytest.mark.parametrize(
    ("content", "place"),
    [("😀 think", 3), ("I think so", None), ("think", None), ("", None)],
)
def test_offsets_count_utf_16_units_and_only_where_the_text_has_the_word(content, place):
    analysed = message([weak("think")], timings=[timing("think", 0, 3)], content=content)
    (finding,) = findings(analysed)
    assert finding.says.offset_start == place
    assert finding.says.offset_end == (None if place is None else place + 5)
    assert finding.says.original_text == "think"


@pytest.mark.parametrize("language", languages())
def test_the_sound_that_failed_first_is_found_in_every_language(language):
    def heard(*phones, **more):
        facts = {"confidence": 0.1, "usual": ("TH",), "is_judged": True, "is_said": True, **more}
        return HeardWord(text="think", start_ms=0, end_ms=300, phones=phones, **facts)

    sounds = [sound("θ", "think"), sound(IPA["IH"], "think", 90)]
    for word, feature in (
        (heard(HeardPhone("TH", 10, "S"), HeardPhone("IH", 20)), THETA),
        (heard(HeardPhone("TH", 10, ""), HeardPhone("IH", 20)), THETA),
        (heard(HeardPhone("TH", 20), HeardPhone("IH", 90)), THETA),
        (heard(HeardPhone("TH", 90), HeardPhone("IH", 90)), CLARITY),
    ):
        problem = explain(texts_in(language), word)
        named = ProblematicWord(
            word=problem.word,
            issue=problem.issue,
            severity=problem.severity,
            start_ms=problem.start_ms,
            end_ms=problem.end_ms,
            suggestion=problem.suggestion,
            sound=problem.sound,
        )
        (finding,) = findings(message([named], sounds))
        assert finding.feature == feature, problem.issue


def test_a_messages_finding_about_a_feature_has_one_id_for_ever():
    assert str(finding_id("m", THETA)) == "e44c4241-775e-5907-a72b-1c4cbddbc322"
    assert len({finding_id(*of) for of in (("m", THETA), ("n", THETA), ("m", CLARITY))}) == 3


def test_changes_are_new_different_and_removed_findings():
    same, other = findings(
        message(
            [weak("think"), weak("so", 500, issue="It was hard to recognise as a whole.")],
            [sound("θ", "think")],
        )
    )
    (new,) = findings(AnalysedMessage("n", "en", "", message([weak("think")]).documents))
    before = FindingText("info", None, None, "so", "Said otherwise.", {})
    gone, kept = (finding_id(name, THETA) for name in ("gone", "kept"))
    stored = [
        StoredFinding(same.id, same.says, acted_on=True),
        StoredFinding(other.id, before, acted_on=True),
        StoredFinding(gone, before, acted_on=False),
        StoredFinding(kept, before, acted_on=True),
    ]
    decided = changes(4, [same, other, new], stored)
    assert decided.write == (new, other)
    assert decided.remove == (gone,)
    assert decided.report == ExportReport(
        messages=4, added=1, changed=1, unchanged=1, removed=1, kept=1
    )
