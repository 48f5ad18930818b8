import json

import numpy as np
import pytest

from speech.text.lexicon import pronounce
from speech.text.phones import PHONES
from training.corpus import RatedWord, Utterance
from training.examples import write_examples
from training.miscues import KINDS, Miscue, changes, read_miscues

FOX = "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG"


@pytest.fixture
def utterance(tmp_path):
    """Build an utterance with every sound rated the same."""

    def _utterance(text, rating=2.0):
        words = []
        for word in text.split():
            phones = pronounce(word.lower()).variants[0]
            words.append(RatedWord(word, 10.0, phones, (rating,) * len(phones)))
        return Utterance(tmp_path, "0001", 3.0, text, tuple(words), {}, {})

    return _utterance


def changed(own, other, seed=0):
    return {KINDS[one.kind]: one for one in changes(own, other, np.random.default_rng(seed))}


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_changes_the_text_in_one_place(utterance, seed):
    own = utterance(FOX)
    found = changed(own, utterance("WE CALL"), seed)
    assert set(found) == set(KINDS)
    for kind, more in (("a word less", 1), ("a word more", -1)):
        assert len(found[kind].words) == len(own.words) + more
    for kind in ("another sound", "a sound less"):
        one = found[kind]
        differing = [
            place
            for place, (new, old) in enumerate(zip(one.words, own.spoken(), strict=True))
            if new != old
        ]
        assert differing == [one.word]
        assert one.phones == pronounce(one.words[one.word]).variants[0]


@pytest.mark.parametrize("seed", range(5))
def test_what_was_said_instead_is_known(utterance, seed):
    own = utterance(FOX)
    found = changed(own, utterance("WE CALL"), seed)
    other, less = found["another sound"], found["a sound less"]
    as_said = list(other.phones)
    as_said[other.place] = PHONES[other.realised]
    assert tuple(as_said) == own.words[other.word].phones
    without = less.phones[: less.place] + less.phones[less.place + 1 :]
    assert without == own.words[less.word].phones


def test_words_that_were_badly_said_are_not_replaced(utterance):
    found = changed(utterance(FOX, rating=1.0), utterance("WE CALL"))
    assert set(found) == {"a word less", "a word more"}


def test_the_same_state_gives_the_same_changes(utterance):
    own, other = utterance(FOX), utterance("WE CALL")
    assert changed(own, other) == changed(own, other)


def test_miscues_are_read_as_they_were_written_file_by_file(examples, tmp_path):
    written = [
        Miscue(example, place, place % 40) for place, example in enumerate(examples[:5], start=37)
    ]
    for name, some in (("b", written[3:]), ("a", written[:3])):
        write_examples(tmp_path / f"{name}.npz", [one.example for one in some])
        wrong = [(one.place, one.realised) for one in some]
        (tmp_path / f"{name}.json").write_text(json.dumps(wrong), encoding="utf-8")
    found = list(read_miscues(tmp_path))
    assert [(one.place, one.realised) for one in found] == [
        (one.place, one.realised) for one in written
    ]
    for one, other in zip(found, written, strict=True):
        assert (one.example.name, one.example.variant) == (
            other.example.name,
            other.example.variant,
        )
        np.testing.assert_array_equal(one.example.given.phones, other.example.given.phones)
