"""Silence before and after speech moves no score, whatever fills it and however long it is."""

import numpy as np
import pytest
import soundfile

from speech import engine
from speech.errors import TextMismatch
from speech.waveform import SAMPLE_RATE_HZ
from tests.speech.conftest import read_clip
from tests.speech.test_engine import TEXTS

POINT = 1
SINGLE_POINTS = 2.5  # of one word or phone: noise at -60 dB is heard, if only just


def zeros(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE_HZ), np.float32)


def noise(seconds, dbfs):
    samples = np.random.default_rng(0).standard_normal(len(zeros(seconds)))
    return (10 ** (dbfs / 20) * samples).astype(np.float32)


def dither(seconds):
    bits = np.random.default_rng(0).integers(-1, 2, len(zeros(seconds)))
    return (bits / 32_768).astype(np.float32)


NOTHING = zeros(0)
AROUND = {
    "0.1 s of zeros after": (NOTHING, zeros(0.1)),
    "0.5 s of zeros after": (NOTHING, zeros(0.5)),
    "5 s of zeros after": (NOTHING, zeros(5)),
    "60 s of zeros after": (NOTHING, zeros(60)),
    "0.5 s of zeros before": (zeros(0.5), NOTHING),
    "60 s of zeros before": (zeros(60), NOTHING),
    "zeros before, not a whole number of frames": (zeros(0.7337), NOTHING),
    "zeros on both sides": (zeros(0.3), zeros(2)),
    "dither on both sides": (dither(2), dither(2)),
    "noise at -60 dB": (noise(3, -60), noise(5, -60)),
    "noise at -70 dB, not a whole number of frames": (noise(0.7337, -70), noise(5, -70)),
    "60 s of noise at -80 dB": (noise(0.5, -80), noise(60, -80)),
    "zeros, then noise": (np.concatenate([zeros(1), noise(1, -70)]), zeros(0.2)),
    "noise, then zeros": (NOTHING, np.concatenate([noise(0.4, -60), zeros(1)])),
}


def scores(analysis):
    """The scores of the utterance, and those of its words and phones."""
    raw, words = analysis.raw_features, analysis.raw_alignment["words"]
    names = ("accuracy", "fluency", "prosodic", "total", "completeness")
    phones = [phone[3] for word in words for phone in word["phones"]]
    single = [*(word["accuracy"] for word in words), *phones]
    return np.array([raw[name] for name in names]), np.array(single)


def assert_close(one, other):
    """Assert that two analyses of the same speech have nearly the same scores."""
    (whole, single), (whole_again, single_again) = scores(one), scores(other)
    assert np.abs(whole - whole_again).max() <= POINT
    assert np.abs(single - single_again).max() <= SINGLE_POINTS


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("around", AROUND)
def test_silence_moves_no_score_and_shifts_the_times(name, around):
    before, after = AROUND[around]
    plain = engine.analyze(read_clip(name), TEXTS[name], "en")
    longer = engine.analyze(np.concatenate([before, read_clip(name), after]), TEXTS[name], "en")
    assert_close(longer, plain)
    shift_ms = 1_000 * len(before) / SAMPLE_RATE_HZ
    for then, now in zip(plain.speech_timings, longer.speech_timings, strict=True):
        assert now.start_ms - shift_ms == pytest.approx(then.start_ms, abs=30)
        assert now.end_ms - shift_ms == pytest.approx(then.end_ms, abs=30)


@pytest.mark.parametrize("around", AROUND)
def test_silence_moves_no_score_of_learners(corpus, around):
    folder, labels = corpus
    before, after = AROUND[around]
    for label in labels[11::100]:
        waveform, _ = soundfile.read(
            folder / "audio" / f"{label['utterance']}.flac", dtype="float32"
        )
        try:
            plain = engine.analyze(waveform, label["text"], "en")
        except TextMismatch:
            continue
        longer = engine.analyze(np.concatenate([before, waveform, after]), label["text"], "en")
        assert_close(longer, plain)


def test_a_recording_cut_off_at_the_speech_has_times_inside_it():
    # The voice begins 40 ms into the recording and sounds to its end.
    waveform = read_clip("fox")[1_000:-6_000]
    analysis = engine.analyze(waveform, TEXTS["fox"], "en")
    length_ms = 1_000 * len(waveform) / SAMPLE_RATE_HZ
    assert all(0 <= t.start_ms <= t.end_ms <= length_ms + 10 for t in analysis.speech_timings)
    padded = engine.analyze(np.concatenate([waveform, zeros(1)]), TEXTS["fox"], "en")
    assert_close(padded, analysis)


def test_silence_does_not_hide_that_a_recording_is_overdriven():
    loud = np.clip(read_clip("fox") * 10, -1, 1)
    analysis = engine.analyze(np.concatenate([loud, zeros(60)]), TEXTS["fox"], "en")
    assert any("overdriven" in warning for warning in analysis.analysis_warnings)
