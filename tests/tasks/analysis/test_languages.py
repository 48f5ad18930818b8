"""Recordings in all languages, analysed in locked-down processes that ask for a voice."""

import io
import sys

import psutil
import pytest
import soundfile

from schema.states import AnalysisEngine, FailureCause
from speech import engine
from tasks.analysis import voice as voices
from tasks.analysis.workers import Analysed, AnalysisWorkers
from tests.support.voices import SENTENCES


def as_wav(waveform):
    file = io.BytesIO()
    soundfile.write(file, waveform, 16_000, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def polyglots():
    with AnalysisWorkers(1, AnalysisEngine.AUTO) as workers:
        yield workers


@pytest.mark.parametrize("language", SENTENCES)
def test_each_language_is_analysed_behind_the_lockdown(
    polyglots, another_voice, claimed, noon, language
):
    text = SENTENCES[language]
    waveform, _ = another_voice(text, language)
    outcome = polyglots.analyse(claimed(text, language), as_wav(waveform), as_of=noon)
    assert isinstance(outcome, Analysed), outcome
    record = outcome.record
    expected = "kaiwa-large" if language == "en" else "dtw"
    assert (record.analysis_language, record.analysis_engine) == (language, expected)
    assert record.analysis_model_version == engine.model_version(expected)
    assert (record.overall_accuracy_score is None) == (expected == "dtw")
    assert record.overall_fluency_score > 50


def test_a_voice_that_was_killed_costs_no_message(polyglots, another_voice, claimed, noon):
    text = SENTENCES["ko"]
    audio = as_wav(another_voice(text, "ko")[0])
    before = polyglots.analyse(claimed(text, "ko"), audio, as_of=noon)
    for child in psutil.Process().children(recursive=True):
        if child.status() != psutil.STATUS_ZOMBIE and "tasks.analysis.espeak" in child.cmdline():
            child.kill()
    after = polyglots.analyse(claimed(text, "ko"), audio, as_of=noon)
    assert after.record.speech_timings == before.record.speech_timings


def test_a_voice_that_fails_is_tried_again_later(
    polyglots, another_voice, claimed, noon, monkeypatch
):
    text = SENTENCES["ko"]
    audio = as_wav(another_voice(text, "ko")[0])
    monkeypatch.setattr(voices, "COMMAND", (sys.executable, "-c", ""))
    with AnalysisWorkers(1, AnalysisEngine.DTW) as workers:
        outcome = workers.analyse(claimed(text, "ko"), audio, as_of=noon)
    assert outcome.cause is FailureCause.ENGINE_ERROR
    assert "synthetic voice" in outcome.reason
