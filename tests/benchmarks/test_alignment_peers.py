import pytest

from benchmarks import alignment_peers
from benchmarks.aligners import Found

OURS = Found([(0.1, 0.5)], [[("W", 0.1, 0.3), ("IY", 0.3, 0.5)]])


@pytest.mark.parametrize(
    ("theirs", "phones"),
    [
        (Found([(0.12, 0.6)], [[("W", 0.12, 0.33), ("IY", 0.33, 0.6)]]), 2),
        (Found([(0.12, 0.6)], [[("W", 0.12, 0.33), ("IH", 0.33, 0.6)]]), 0),
        (Found([(0.12, 0.6)], []), 0),
    ],
    ids=["same phones", "another pronunciation", "words only"],
)
def test_boundaries_of_the_same_words_and_phones_are_compared(theirs, phones):
    tally = alignment_peers.Tally(audio_seconds=10, cpu_seconds=0.5)
    tally.compare(OURS, theirs)
    assert tally.distances["word"] == pytest.approx([0.02, 0.1])
    assert tally.distances["plain_phone"] == pytest.approx([0.02, 0.03][:phones])
    figures = tally.figures()
    assert figures["times_real_time"] == 20
    assert figures["word_mean_ms"] == figures["word_median_ms"] == 60
    assert figures["word_within_20_ms"] == 0.5
    assert ("phone_mean_ms" in figures) == bool(phones)


def test_recordings_with_hesitations_do_not_count_as_plain_reading():
    tally = alignment_peers.Tally()
    tally.compare(Found(OURS.words, OURS.phones, is_plain=False), OURS)
    assert tally.distances == {"word": [0, 0], "plain_word": [], "phone": [0, 0], "plain_phone": []}


def test_ours_and_pocketsphinx_agree_on_clear_speech():
    found = alignment_peers.measure(alignment_peers.recordings(None, 0))
    assert found["ours"]["failed"] == found["pocketsphinx"]["failed"] == 0
    assert found["pocketsphinx"]["plain_word_median_ms"] <= 10
    assert found["pocketsphinx"]["plain_phone_within_20_ms"] > 0.9
