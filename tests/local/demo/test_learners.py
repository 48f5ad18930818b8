"""The demo's list of learners is consistent with what it promises."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from local.demo.learners import PARTS, record_all
from local.demo.recordings import ANALYZED, ENCODINGS, UNTOUCHED
from schema.states import ProcessingState, UserTier


@pytest.fixture(scope="module")
def recordings():
    return list(record_all())


def test_two_runs_record_the_same_speech(recordings):
    again = list(record_all())
    # Bytes may differ: Ogg streams get a random number, a few espeak-ng voices a random breath.
    assert [replace(r, audio=None) for r in again] == [replace(r, audio=None) for r in recordings]
    for one, other in zip(recordings, again, strict=True):
        if one.audio and one.encoding.audio_format == "pcm16" and any(one.audio):
            ours, theirs = (np.frombuffer(r.audio, "<i2") for r in (one, other))
            assert np.corrcoef(ours, theirs)[0, 1] > 0.99


def test_every_tier_of_a_person_and_every_encoding_is_there(recordings):
    tiers = {part.learner.tier for part in PARTS}
    assert tiers == {*UserTier, None} - {UserTier.SYSTEM}
    assert {recording.encoding for recording in recordings} == {*ENCODINGS}


def test_learners_and_sentences_are_distinct(recordings):
    assert max(Counter(part.learner.name for part in PARTS).values()) == 1
    assert max(Counter(recording.text for recording in recordings).values()) == 1
    assert not any("|" in recording.text for recording in recordings)


def test_most_are_analysed_and_each_fault_appears_once(recordings):
    expected = Counter(recording.expected for recording in recordings)
    assert expected[ANALYZED] == 24
    assert expected[UNTOUCHED] == 1
    failures = {one for one in expected if one.state is ProcessingState.FAILED}
    assert len(failures) == 4
    assert all(expected[failure] == 1 and failure.error for failure in failures)


def test_six_languages_are_spoken(recordings):
    assert {recording.language for recording in recordings} == {"de", "en", "es", "ja", "ko", "zh"}


def test_only_the_typed_message_has_no_audio_and_only_one_is_missing(recordings):
    assert [r.expected for r in recordings if r.audio is None] == [UNTOUCHED]
    assert [r.expected.error for r in recordings if r.is_missing] == ["not in the bucket"]


def test_the_silent_recording_is_silent_and_the_others_are_not(recordings):
    raw = [r for r in recordings if r.audio and r.encoding.audio_format == "pcm16"]
    silent = [r for r in raw if not np.frombuffer(r.audio, "<i2").any()]
    assert [r.expected.error for r in silent] == ["No speech"]


def test_a_mark_in_the_sentence_is_a_pause_in_the_speech(recordings):
    (paused,) = (r for r in recordings if r.text.startswith("We went to the beach"))
    samples = np.abs(np.frombuffer(paused.audio, "<i2"))
    loud = np.flatnonzero(samples > 300)
    assert np.diff(loud).max() / paused.encoding.sample_rate_hz == pytest.approx(1.2, abs=0.35)
