"""Build words as the engine might have heard them."""

from speech.feedback.evidence import HeardPhone, HeardWord
from speech.feedback.texts import texts_in
from speech.fluency import SpokenWord, fluency

ENGLISH = texts_in("en")

SMALL = ["the", "of", "to", "AND", "a"]
# Measures of an utterance, as good as those of the best recordings.
BEST = {
    "pause_share": 0.0, "log_phones_per_spoken_second": 2.31, "duration_spread": 0.77,
    "hesitations": 0.0,
}  # fmt: skip
OTHER = ["big", "green", "house", "stands", "here"]


def word(
    text="red", confidence=0.9, *, phones="R EH D", usual=None, judged=True, said=True,
    follows_insertion=False, start_ms=0, end_ms=300, **odd,
):  # fmt: skip
    """Build a word; `odd` gives some phones a score, or a phone heard instead at score 20."""
    heard = []
    for phone in phones.split():
        found = odd.get(phone, 90.0)
        heard.append(
            HeardPhone(phone, 20.0, found) if isinstance(found, str) else HeardPhone(phone, found)
        )
    usual = tuple((usual or phones).split())
    return HeardWord(
        text, start_ms, end_ms, confidence, tuple(heard), usual, judged, said, follows_insertion
    )


def think(confidence=0.1, **odd):
    return word("think", confidence, phones="TH IH NG K", **odd)


def three(confidence=0.1, **odd):
    return word("three", confidence, phones="TH R IY", **odd)


def steady(words=8, gap=0.0, hesitations=0, seconds=0.3):
    """Return the fluency of words of equal length."""
    return fluency(
        [
            SpokenWord(
                i * (seconds + gap), i * (seconds + gap) + seconds, is_hesitation=i < hesitations
            )
            for i in range(words)
        ]
    )


def alternating(small_ms, other_ms, gap_ms=0, count=5):
    """Build alternating small and other words, with equally many phones."""
    words, now = [], 0
    for text in [text for pair in zip(SMALL, OTHER, strict=True) for text in pair][: 2 * count]:
        lasts = small_ms if text in SMALL else other_ms
        words.append(word(text, start_ms=now, end_ms=now + lasts))
        now += lasts + gap_ms
    return words
