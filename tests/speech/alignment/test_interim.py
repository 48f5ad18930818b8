from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech import decoding
from speech.alignment.interim import align
from speech.errors import TextMismatch
from tests.speech.conftest import read_clip

FOX = "the quick brown fox jumps over the lazy dog".split()  # noqa: SIM905 - a sentence
PAUSES = "i would like a glass of water please".split()  # noqa: SIM905 - a sentence

CLIPS = {name: read_clip(name) for name in ("fox", "pauses")}  # Hypothesis takes no fixtures


def edges(words):
    return [edge for word in words for edge in (word.start, word.end)]


def assert_lawful(aligned, words):
    assert [word.word for word in aligned.words] == list(words)
    phones = [phone for word in aligned.words for phone in word.phones]
    assert all(a.end <= b.start + 1e-9 for a, b in pairwise(phones))
    assert all(phone.start < phone.end for phone in phones)
    assert phones[0].start >= 0
    assert phones[-1].end <= aligned.seconds
    assert all(phone.score <= 0 for phone in phones)


def test_words_are_found_where_they_are(clip):
    aligned = align(clip("pauses"), PAUSES)
    assert_lawful(aligned, PAUSES)
    gaps = {a.word: b.start - a.end for a, b in pairwise(aligned.words)}
    # Silences of 0.6 and 0.4 s were put in; a stop's closure may lengthen them.
    assert gaps["like"] == pytest.approx(0.6, abs=0.1)
    assert gaps["water"] == pytest.approx(0.4, abs=0.1)
    assert max(gap for word, gap in gaps.items() if word not in {"like", "water"}) < 0.15


def test_phones_are_those_of_a_listed_pronunciation(clip):
    fox = align(clip("fox"), FOX).words[3]
    assert [phone.phone for phone in fox.phones] == ["F", "AA", "K", "S"]


def test_an_alignment_does_not_depend_on_those_before(clip):
    fresh = align(clip("fox"), FOX)
    align(clip("pauses"), PAUSES)
    align(clip("pauses") * 0.01, ["blorptastic", *PAUSES])
    assert align(clip("fox"), FOX) == fresh


@pytest.mark.parametrize("gain", [0.001, 0.1, 2.0])
def test_an_alignment_does_not_depend_on_loudness(clip, gain):
    plain, other = align(clip("fox"), FOX), align(clip("fox") * np.float32(gain), FOX)
    assert edges(other.words) == pytest.approx(edges(plain.words), abs=0.011)


@settings(max_examples=10, deadline=None)
@given(seconds=st.integers(1, 30).map(lambda tenths: tenths / 10))
def test_silence_in_front_shifts_the_alignment(seconds):
    waveform = CLIPS["pauses"]
    silence = np.zeros(round(seconds * 16_000), np.float32)
    aligned = align(np.concatenate([silence, waveform]), PAUSES)
    shifted = np.array(edges(align(waveform, PAUSES).words)) + seconds
    assert_lawful(aligned, PAUSES)
    # Noise estimate and cepstral mean see more silence, so single edges move a little.
    assert np.median(np.abs(edges(aligned.words) - shifted)) <= 0.021


@settings(max_examples=10, deadline=None)
@given(words=st.lists(st.sampled_from([*FOX, "blorp", "don't", "xyzzy"]), min_size=1, max_size=8))
def test_laws_hold_for_any_words(words):
    try:
        aligned = align(CLIPS["fox"], words)
    except TextMismatch:
        return
    assert_lawful(aligned, words)


def test_a_recording_too_short_for_its_words_is_a_mismatch(clip):
    with pytest.raises(TextMismatch, match="longer than anybody can say"):
        align(clip("fox")[:4_000], FOX)


def test_a_recording_that_the_beams_lose_is_searched_without(clip, monkeypatch):
    monkeypatch.setattr(decoding, "_BEAMS", {"beam": 1e-5, "pbeam": 1e-5, "wbeam": 1e-5})
    decoding.decoder.cache_clear()
    try:
        assert_lawful(align(clip("fox"), PAUSES), PAUSES)
    finally:
        decoding.decoder.cache_clear()


def test_a_minute_is_aligned_in_pieces(clip):
    times = 12
    waveform = np.tile(np.concatenate([clip("pauses"), np.zeros(16_000, np.float32)]), times)
    aligned = align(waveform, PAUSES * times)
    assert_lawful(aligned, PAUSES * times)
    period = len(waveform) / 16_000 / times
    starts = [word.start % period for word in aligned.words[:: len(PAUSES)]]
    assert starts == pytest.approx([starts[0]] * times, abs=0.05)


def test_unlisted_words_do_not_pile_up_in_the_decoder(clip, monkeypatch):
    monkeypatch.setattr(decoding, "_MAX_ADDED_WORDS", 1)
    before = align(clip("fox"), ["blorp", *FOX])
    for invented in ("zake", "florp", "gribble"):
        align(clip("fox"), [invented, *FOX])
        assert decoding.decoder(wide=False).added <= 2
    assert align(clip("fox"), ["blorp", *FOX]) == before
