import numpy as np
import pytest

from speech.text.lexicon import pronounce
from training.soundalikes import LEAST_CHANGED, MOST_CHANGED, soundalike

SENTENCES = ("recognize speech", "how pleasant her manner is", "the picture of the night")


def phones_of(sentence):
    return [phone for word in sentence.split() for phone in pronounce(word).variants[0]]


def edits(one, other):
    row = list(range(len(other) + 1))
    for place, phone in enumerate(one, start=1):
        above, row[0] = row[0], place
        for at, heard in enumerate(other, start=1):
            above, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, above + (phone != heard))
    return row[-1]


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("seed", range(3))
def test_other_words_sound_like_the_text(sentence, seed):
    phones = phones_of(sentence)
    found = soundalike(phones, sentence.split(), np.random.default_rng(seed))
    assert not set(found.words) & set(sentence.split())
    said = [phone for word in found.phones for phone in word]
    assert edits(phones, said) <= round(found.changed * len(phones))
    assert LEAST_CHANGED <= found.changed <= MOST_CHANGED
    assert all(
        variant in pronounce(word).variants
        for word, variant in zip(found.words, found.phones, strict=True)
    )


def test_the_same_chance_finds_the_same_words():
    phones = phones_of(SENTENCES[0])
    one, other = (soundalike(phones, (), np.random.default_rng(762)) for _ in range(2))
    assert one == other


def test_a_single_phone_sounds_like_nothing_else():
    assert soundalike(["AH"], ["a"], np.random.default_rng(0)) is None
