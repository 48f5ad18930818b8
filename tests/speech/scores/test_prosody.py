import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.alignment.forced import AlignedPhone, AlignedWord, Alignment, Extra
from speech.scores.goodness import NAMES as GOODNESS_NAMES
from speech.scores.prosody import NAMES, DurationNorm, Voice, utterance_features
from speech.text.phones import PHONES

NORMS = dict.fromkeys(PHONES, DurationNorm(np.log(8), 0.4))
PHONE = st.tuples(st.sampled_from(PHONES), st.integers(3, 60))
WORD = st.tuples(st.lists(PHONE, min_size=1, max_size=6), st.integers(0, 300))


def utterance(words, kind="silence"):
    """Build an alignment of words: phones with frames, then frames of silence."""
    now, aligned, extras = 0, [], []
    for phones, gap in words:
        spoken = []
        for name, frames in phones:
            spoken.append(AlignedPhone(now, now + frames, name, (now + 1, now + 2)))
            now += frames
        aligned.append(AlignedWord("word", tuple(spoken), is_listed=True))
        if gap:
            extras.append(Extra(now, now + gap, kind))
        now += gap
    return Alignment(tuple(aligned), tuple(extras), now)


def described(words, semitones=None, kind="silence"):
    alignment = utterance(words, kind)
    phones = sum(len(word.phones) for word in alignment.words)
    goodness = np.full((phones, len(GOODNESS_NAMES)), -1.0, np.float32)
    if semitones is None:
        semitones = np.zeros(alignment.frames, np.float32)
    voice = Voice(semitones, np.full(alignment.frames, -10.0, np.float32))
    values = utterance_features(alignment, goodness, -2.0, voice, NORMS)
    return dict(zip(NAMES, values.tolist(), strict=True))


@settings(deadline=None)
@given(st.lists(WORD, min_size=1, max_size=8), st.booleans())
def test_every_number_is_finite(words, is_voiced):
    frames = utterance(words).frames
    semitones = np.full(frames, 0.0 if is_voiced else np.nan, np.float32)
    assert np.isfinite(list(described(words, semitones).values())).all()


def sentence(gap=0, frames=8):
    return [
        ([("B", frames), ("IY", frames), ("T", frames)], gap if index < 3 else 0)
        for index in range(4)
    ]


def test_pauses_lower_the_rate_and_count_from_each_length():
    fluent, halting = described(sentence()), described(sentence(gap=30))
    assert fluent["pause_share"] == 0
    assert halting["pauses_from_250_ms"] == 1
    assert halting["pauses_from_500_ms"] == 0
    assert halting["log_phones_per_second"] < fluent["log_phones_per_second"]
    assert halting["log_phones_per_spoken_second"] == fluent["log_phones_per_spoken_second"]


def test_fillers_and_repeats_are_hesitations():
    assert described(sentence(gap=30), kind="filler")["hesitations"] == pytest.approx(3 / 4)
    assert described(sentence(gap=30), kind="repeat")["hesitations"] == pytest.approx(3 / 4)
    assert described(sentence(gap=30))["hesitations"] == 0


def test_phones_of_usual_length_deviate_by_nothing():
    assert described(sentence(frames=8))["duration_mean"] == pytest.approx(0, abs=1e-6)
    assert described(sentence(frames=16))["duration_mean"] == pytest.approx(np.log(2) / 0.4)


def test_even_vowels_do_not_vary_and_uneven_ones_do():
    even = [([("B", 5), ("IY", 10)], 0)] * 4
    uneven = [([("B", 5), ("IY", 5 + 10 * (index % 2))], 0) for index in range(4)]
    assert described(even)["vowel_pairs"] == 0
    assert described(uneven)["vowel_pairs"] == pytest.approx(0.5)


def test_a_falling_melody_has_a_slope_and_a_flat_one_none():
    words = sentence()
    frames = utterance(words).frames
    falling = described(words, np.linspace(4, -4, frames).astype("f4"))
    assert falling["melody_slope"] == pytest.approx(-8, rel=0.01)
    assert described(words)["melody_slope"] == 0
    assert falling["melody_range"] > described(words)["melody_range"]


def test_silence_before_and_after_the_words_changes_nothing():
    words = sentence()
    padded = [([("B", 8), ("IY", 8), ("T", 8)], 0)] * 3 + [([("B", 8), ("IY", 8), ("T", 8)], 200)]
    assert described(words) == pytest.approx(described(padded), abs=1e-6)
