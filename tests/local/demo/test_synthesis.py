"""Synthetic learners really speak."""

import numpy as np
import pytest

from local.demo.synthesis import SAMPLE_RATE_HZ, SynthesisFailed, Voice, speak

SENTENCE = "Could you tell me where the station is?"


def test_a_sentence_of_eight_words_is_two_seconds_of_speech():
    samples = speak(SENTENCE, Voice("en-us+f3", words_per_minute=150))
    assert samples.dtype == np.float32
    assert 1.5 < len(samples) / SAMPLE_RATE_HZ < 4.0
    assert 0.1 < np.abs(samples).max() <= 1.0
    assert np.sqrt(np.mean(samples**2)) > 0.01


def test_the_same_sentence_sounds_the_same_every_time():
    voice = Voice("en-gb-scotland+m3", 165, 45)
    np.testing.assert_array_equal(speak(SENTENCE, voice), speak(SENTENCE, voice))


def test_speaking_slower_takes_longer():
    slow, fast = (speak(SENTENCE, Voice("en", words)) for words in (100, 200))
    assert len(slow) > 1.4 * len(fast)


def test_a_foreign_voice_says_it_differently():
    ours, theirs = (speak(SENTENCE, Voice(name)) for name in ("en", "de"))
    assert len(ours) != len(theirs)


def test_an_unknown_voice_is_named():
    with pytest.raises(SynthesisFailed, match="klingonese"):
        speak(SENTENCE, Voice("klingonese"))
