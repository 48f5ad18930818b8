from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.errors import DamagedModel
from speech.text.letter_to_sound import (
    probabilities,
    read,
    shipped,
    sound_out,
    sound_out_with,
    spell,
)
from speech.text.phones import IPA

SHIPPED = resources.files("speech") / "models" / "en-spelling.npz"
words = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=45)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("zake", "Z EY K"),
        ("blorp", "B L AO R P"),
        ("shunter", "SH AH N T ER"),
        ("phleem", "F L IY M"),
        ("knizzle", "N IH Z AH L"),
        ("quax", "K W AE K S"),
    ],
)
def test_made_up_words_are_read_as_english(word, expected):
    assert " ".join(sound_out(word)[0]) == expected


@settings(deadline=None)  # the first word reads the network
@given(words)
def test_every_word_has_one_to_three_different_readings_in_known_phones(word):
    variants = sound_out(word)
    assert 1 <= len(variants) <= 3
    assert len(set(variants)) == len(variants)
    assert all(variant and set(variant) <= set(IPA) for variant in variants)


@settings(deadline=None)  # the first word reads the network
@given(words)
def test_each_letter_has_two_places_with_probabilities(word):
    likely = probabilities(shipped(), word)
    assert likely.shape == (2 * len(word), 40)
    assert likely.dtype == np.float32
    np.testing.assert_allclose(likely.sum(axis=1), 1, rtol=1e-5)


def test_the_same_word_is_always_read_the_same():
    assert sound_out_with(shipped(), "kerfuffle") == sound_out_with(shipped(), "kerfuffle")
    first, second = (probabilities(shipped(), "kerfuffle") for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_letters_are_named():
    assert spell("bbc") == ("B", "IY", "B", "IY", "S", "IY")


@pytest.mark.parametrize("damage", ["missing", "cut off", "another file"])
def test_a_damaged_network_is_named(tmp_path, damage):
    path = tmp_path / "en-spelling.npz"
    if damage == "cut off":
        path.write_bytes(SHIPPED.read_bytes()[:10_000])
    elif damage == "another file":
        np.savez(path, letters=np.zeros(3))
    with pytest.raises(DamagedModel, match=r"en-spelling\.npz.*Install the package again"):
        read(path)
