from types import SimpleNamespace

import numpy as np

from benchmarks import variants
from benchmarks.variants import Reading, figures, reading_of
from speech import engine
from speech.errors import TextMismatch

SOUND = np.zeros(16_000, np.float32)


def test_each_word_reported_of_a_correct_reading_is_a_false_alarm():
    found = figures([Reading(8, 1, 90.0), Reading(12, 0, 80.0, is_doubted=True)])
    assert found["reported"] == 0.05
    assert found["accuracy"] == 85
    assert (found["refused"], found["doubted"]) == (0, 0.5)


def test_a_refused_reading_has_no_words(monkeypatch):
    def refuse(waveform, text, language, *, engine):
        raise TextMismatch(reason="it was told to")

    monkeypatch.setattr(engine, "analyze", refuse)
    found = figures([reading_of(SOUND, "yes", "kaiwa"), Reading(4, 0, 90.0)])
    assert (found["words"], found["refused"], found["accuracy"]) == (4, 0.5, 90)


def test_a_reading_counts_words_and_reports(monkeypatch):
    analyses = {
        "kaiwa": SimpleNamespace(
            raw_alignment={"words": [{}, {}, {}]},
            problematic_words=("one",),
            raw_features={"accuracy": 71.5, "mismatch": 0.4},
        )
    }
    monkeypatch.setattr(engine, "analyze", lambda *_, engine: analyses[engine])
    assert reading_of(SOUND, "one two three", "kaiwa") == Reading(3, 1, 71.5, is_doubted=True)


def test_voices_that_are_not_installed_are_named(monkeypatch, capsys):
    monkeypatch.setattr(variants, "voices", lambda: ({}, {"gb voice": "It is not installed."}))
    found = variants.measure(None, sentences=1, engine="kaiwa")
    assert found["missing"] == ["gb voice"]
    assert found["synthetic"] is None
    assert "gb voice is left out" in capsys.readouterr().err
