import numpy as np
import pytest

from speech.engine import LANGUAGES, analyze, load
from speech.engines import kaiwa
from speech.errors import (
    EmptyTranscript,
    EngineFailure,
    NoSpeech,
    TextMismatch,
    UnsupportedLanguage,
    UnsupportedScript,
)
from speech.feedback.advice import recommend_pace
from speech.feedback.examples import EXAMPLES
from speech.feedback.texts import texts_in
from speech.fluency import SpokenWord, fluency
from tests.support.voices import SENTENCES


@pytest.fixture(scope="module")
def analysed(espeak):
    def _analysed(waveform, text, language, **options):
        return analyze(waveform, text, language, engine="dtw", speak=espeak, **options)

    return _analysed


def words_of(analysis):
    return [timing for timing in analysis.speech_timings if not timing.is_pause]


def edges_of(analysis):
    return np.array([(word.start_ms, word.end_ms) for word in words_of(analysis)]) / 1000


@pytest.mark.parametrize("language", SENTENCES)
def test_words_are_found_where_another_voice_says_them(analysed, another_voice, language):
    text = SENTENCES[language]
    errors = []
    for variant, pace in (("+f4", 130), ("+m3", 200)):
        waveform, edges = another_voice(
            text, language, variant=variant, words_per_minute=pace, pause_seconds=0.6
        )
        analysis = analysed(waveform, text, language)
        errors.append(np.abs(edges_of(analysis) - edges))
    errors = np.concatenate(errors)
    assert errors.mean() < 0.04
    assert np.mean(errors <= 0.05) >= 0.8


@pytest.mark.parametrize("language", SENTENCES)
def test_offsets_are_those_of_the_words_in_the_text(analysed, another_voice, language):
    waveform, _ = another_voice(SENTENCES[language], language)
    text = f"🙂 {SENTENCES[language]} \u200f"
    for word in words_of(analysed(waveform, text, language)):
        assert text[word.char_start : word.char_end] == word.word


def test_every_language_of_the_app_has_sentences_here():
    assert set(SENTENCES) == set(LANGUAGES["dtw"])


def test_pronunciation_is_not_scored_and_the_analysis_says_so(analysed, another_voice):
    waveform, _ = another_voice(SENTENCES["ja"], "ja")
    analysis = analysed(waveform, SENTENCES["ja"], "ja", feedback_language="de")
    assert analysis.overall_accuracy_score is None
    assert analysis.phoneme_analysis == analysis.problematic_words == ()
    assert {word.confidence for word in words_of(analysis)} == {None}
    assert analysis.analysis_warnings[0].startswith("Die Aussprache wird")
    assert (analysis.analysis_engine, analysis.analysis_language) == ("dtw", "ja")
    assert analysis.analysis_model_version == kaiwa.model_version("kaiwa")


def test_pauses_are_found_and_cost_fluency(analysed, another_voice):
    text = SENTENCES["es"]
    fluent, halting = (
        analysed(another_voice(text, "es", pause_seconds=seconds)[0], text, "es")
        for seconds in (0, 1.5)
    )
    assert halting.pause_count == 1
    longer_ms = halting.longest_pause_duration_ms - fluent.longest_pause_duration_ms
    assert longer_ms == pytest.approx(1500, abs=100)
    assert halting.overall_fluency_score < fluent.overall_fluency_score - 10
    assert halting.articulation_rate_wpm == pytest.approx(fluent.articulation_rate_wpm, rel=0.1)


def test_a_learner_who_pauses_in_every_sentence_is_advised(analysed, another_voice):
    text = SENTENCES["tr"]
    waveform, _ = another_voice(text, "tr", pause_seconds=3)
    assert "Pauses take" in analysed(waveform, text, "tr").recommendations[0]


def test_advice_gives_examples_in_the_language_that_is_learnt():
    assert set(EXAMPLES) == set(LANGUAGES["dtw"])
    halting = fluency([SpokenWord(number, number + 0.4) for number in range(8)])
    (advice,) = recommend_pace(texts_in("de"), halting, 8, "ja")
    assert "„朝の早い時間に“" in advice


def test_silence_around_the_speech_changes_nothing(analysed, another_voice):
    waveform, _ = another_voice(SENTENCES["ko"], "ko")
    alone = analysed(waveform, SENTENCES["ko"], "ko")
    padded = analysed(np.pad(waveform, (16_000, 32_000)), SENTENCES["ko"], "ko")
    assert padded.overall_fluency_score == alone.overall_fluency_score
    assert np.abs(edges_of(padded) - 1 - edges_of(alone)).max() <= 0.021


def test_the_same_recording_gives_the_same_analysis(analysed, another_voice):
    waveform, _ = another_voice(SENTENCES["hi"], "hi")
    assert analysed(waveform, SENTENCES["hi"], "hi") == analysed(waveform, SENTENCES["hi"], "hi")


@pytest.mark.parametrize("language", ["de", "en", "fr", "it", "ja", "ko", "ru", "vi"])
def test_another_text_is_refused_or_doubted(analysed, another_voice, language):
    texts = {
        "de": "Meine Schwester arbeitet schon lange im Krankenhaus.",
        "en": "My sister has been working in the hospital.",
        "fr": "Ma sœur travaille depuis longtemps dans un hôpital.",
        "it": "Mia sorella lavora da tempo in un ospedale.",
        "ja": "姉は三年前から大きい病院で働いています。",
        "ko": "제 누나는 삼 년 전부터 병원에서 일해요.",
        "ru": "Моя сестра давно работает в больнице.",
        "vi": "Chị tôi làm việc ở bệnh viện lâu rồi.",
    }
    waveform, _ = another_voice(SENTENCES[language], language)
    try:
        analysis = analysed(waveform, texts[language], language)
    except TextMismatch:
        return
    assert analysis.analysis_warnings[0].startswith("The recording may not match the text")


@pytest.mark.parametrize(
    ("text", "language", "error"),
    [
        ("", "ja", EmptyTranscript),
        ("… 🙂 。", "ja", EmptyTranscript),
        ("Where is the station?", "ja", UnsupportedScript),
        ("駅はどこですか", "fr", UnsupportedScript),
        ("la la la", "eo", UnsupportedLanguage),
        (500 * "bonjour ", "fr", TextMismatch),
        (100_000 * "我", "zh", TextMismatch),
    ],
)
def test_a_text_that_cannot_be_aligned_says_why(analysed, another_voice, text, language, error):
    waveform, _ = another_voice(SENTENCES["fr"], "fr")
    with pytest.raises(error):
        analysed(waveform, text, language)


@pytest.mark.parametrize("seconds", [0.01, 1, 60])
def test_silence_holds_no_speech(analysed, seconds):
    with pytest.raises(NoSpeech):
        analysed(np.zeros(round(16_000 * seconds), np.float32), "bonjour", "fr")


def test_without_a_voice_nothing_is_analysed(another_voice):
    waveform, _ = another_voice(SENTENCES["fr"], "fr")
    with pytest.raises(EngineFailure, match="no voice"):
        analyze(waveform, SENTENCES["fr"], "fr", engine="dtw")


def test_minutes_of_speech_are_aligned_to_the_end(analysed, another_voice):
    text = " ".join(40 * [SENTENCES["it"]])
    waveform, edges = another_voice(text, "it")
    assert len(waveform) > 120 * 16_000
    errors = np.abs(edges_of(analysed(waveform, text, "it")) - edges)
    assert np.mean(errors <= 0.05) > 0.8
    assert errors[-20:].max() < 0.3


def test_everything_can_be_loaded_before(espeak):
    for engine, languages in LANGUAGES.items():
        for language in languages:
            load(language, engine)
