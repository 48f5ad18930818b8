from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.front_end import cepstra, features
from speech.alignment.forced import align, aligned_pieces
from speech.errors import TextMismatch
from speech.text.lexicon import pronounce
from tests.speech.conftest import read_clip

FOX = "the quick brown fox jumps over the lazy dog".split()  # noqa: SIM905 - a sentence
PAUSES = "i would like a glass of water please".split()  # noqa: SIM905 - a sentence

CLIPS = {name: read_clip(name) for name in ("fox", "pauses")}  # Hypothesis takes no fixtures


def edges(words):
    return [edge for word in words for edge in (word.start, word.end)]


def kinds(aligned):
    return [extra.kind for extra in aligned.extras if extra.kind in {"filler", "repeat"}]


def assert_lawful(aligned, words, waveform):
    assert [word.word for word in aligned.words] == list(words)
    spans = sorted(
        [phone for word in aligned.words for phone in word.phones] + list(aligned.extras),
        key=lambda span: span.start_frame,
    )
    # Every frame belongs to one phone of the text or to one extra.
    assert spans[0].start_frame == 0
    assert all(a.end_frame == b.start_frame for a, b in pairwise(spans))
    assert spans[-1].end_frame == aligned.frames
    assert spans[-1].end <= len(waveform) / 16_000
    for word in aligned.words:
        assert tuple(phone.phone for phone in word.phones) in pronounce(word.word).variants
        for phone in word.phones:
            assert phone.start_frame < phone.states[0] < phone.states[1] < phone.end_frame


def test_words_are_found_where_they_are(clip):
    aligned = align(clip("pauses"), PAUSES)
    assert_lawful(aligned, PAUSES, clip("pauses"))
    gaps = {a.word: b.start - a.end for a, b in pairwise(aligned.words)}
    # Silences of 0.6 and 0.4 s were inserted; a stop's closure may lengthen them, and so may the
    # fading end of "water".
    assert gaps["like"] == pytest.approx(0.6, abs=0.1)
    assert gaps["water"] == pytest.approx(0.4, abs=0.15)
    assert max(gap for word, gap in gaps.items() if word not in {"like", "water"}) < 0.15


def test_phones_are_those_of_a_listed_pronunciation(clip):
    fox = align(clip("fox"), FOX).words[3]
    assert [phone.phone for phone in fox.phones] == ["F", "AA", "K", "S"]


def test_an_alignment_does_not_depend_on_those_before(clip):
    fresh = align(clip("fox"), FOX)
    align(clip("pauses") * 0.01, ["blorptastic", *PAUSES])
    assert align(clip("fox"), FOX) == fresh


@pytest.mark.parametrize("gain", [0.001, 0.1, 2.0])
def test_an_alignment_does_not_depend_on_loudness(clip, gain):
    plain, other = align(clip("fox"), FOX), align(clip("fox") * np.float32(gain), FOX)
    assert edges(other.words) == pytest.approx(edges(plain.words), abs=0.011)


@settings(max_examples=10, deadline=None)
@given(seconds=st.integers(1, 30).map(lambda tenths: tenths / 10))
def test_silence_in_front_shifts_the_alignment(seconds):
    silence = np.zeros(round(seconds * 16_000), np.float32)
    waveform = np.concatenate([silence, CLIPS["pauses"]])
    aligned = align(waveform, PAUSES)
    shifted = np.array(edges(align(CLIPS["pauses"], PAUSES).words)) + seconds
    assert_lawful(aligned, PAUSES, waveform)
    # Noise estimate and cepstral mean include more silence, so single edges shift slightly.
    assert np.median(np.abs(edges(aligned.words) - shifted)) <= 0.021


@settings(max_examples=15, deadline=None)
@given(
    words=st.lists(st.sampled_from([*FOX, "blorp", "don't", "xyzzy"]), min_size=1, max_size=8),
    start=st.integers(0, 30_000),
)
def test_laws_hold_for_any_words(words, start):
    waveform = CLIPS["fox"][start:]
    try:
        aligned = align(waveform, words)
    except TextMismatch:
        return
    assert_lawful(aligned, words, waveform)


def test_a_recording_too_short_for_its_words_is_a_mismatch(clip):
    with pytest.raises(TextMismatch, match="longer than can be said"):
        align(clip("fox")[:4_000], FOX)


def test_fluent_reading_has_no_hesitations(clip):
    assert kinds(align(clip("fox"), FOX)) == []
    assert kinds(align(clip("pauses"), PAUSES)) == []


@pytest.mark.parametrize(
    ("first", "last"), [(1, 1), (1, 2), (4, 4)], ids=["quick", "quick-brown", "jumps"]
)
def test_words_said_twice_are_a_repeat_and_the_second_try_counts(clip, first, last):
    waveform = clip("fox")
    plain = align(waveform, FOX).words
    start, end = (round(16_000 * at) for at in (plain[first].start, plain[last].end))
    pause = np.zeros(1_600, np.float32)
    again = np.concatenate([waveform[:end], pause, waveform[start:]])
    aligned = align(again, FOX)
    assert_lawful(aligned, FOX, again)
    assert kinds(aligned) == ["repeat"] * (last - first + 1)
    moved = plain[first].start + (end - start + len(pause)) / 16_000
    assert aligned.words[first].start == pytest.approx(moved, abs=0.05)


def test_a_filler_is_heard_between_words_and_changes_none(clip):
    waveform = clip("fox")
    plain = align(waveform, FOX)
    schwa = plain.words[4].phones[1]  # of "jumps"; drawn out it is an "uh"
    place = round(16_000 * plain.words[3].end)
    pause = np.zeros(3_200, np.float32)
    uh = np.tile(waveform[round(16_000 * schwa.start) : round(16_000 * schwa.end)], 4)
    aligned = align(np.concatenate([waveform[:place], pause, uh, pause, waveform[place:]]), FOX)
    assert kinds(aligned) == ["filler"]
    assert [word.end - word.start for word in aligned.words] == pytest.approx(
        [word.end - word.start for word in plain.words], abs=0.1
    )


def test_a_minute_is_aligned_in_pieces(clip):
    times = 12
    waveform = np.tile(np.concatenate([clip("pauses"), np.zeros(16_000, np.float32)]), times)
    words = PAUSES * times
    said = [pronounce(word) for word in words]
    pieces = list(aligned_pieces(features(cepstra(waveform)), words, said))
    assert len(pieces) >= 3
    assert max(piece.alignment.frames for piece in pieces) < 2_250
    aligned = align(waveform, words)
    assert_lawful(aligned, words, waveform)
    period = len(waveform) / 16_000 / times
    starts = [word.start % period for word in aligned.words[:: len(PAUSES)]]
    assert starts == pytest.approx([starts[0]] * times, abs=0.05)
