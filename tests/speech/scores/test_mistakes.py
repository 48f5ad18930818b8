import numpy as np
import pytest

from speech.scores.mistakes import MistakeLimits, realisations, speech_between
from speech.scores.network import NetworkInput, NetworkOutput
from speech.text.phones import PHONES

NEVER = MistakeLimits(
    faulty=np.float32(0),
    substituted=np.float32([np.inf, np.inf]),
    deleted=np.float32([np.inf, np.inf]),
    omitted=np.float32([0, 0, 0, 0, 0, -np.inf]),
    inserted=np.float32(np.inf),
)
SURE = MistakeLimits(
    faulty=np.float32(1),
    substituted=np.float32([0.7, 0.5]),
    deleted=np.float32([0.7, 0.5]),
    omitted=np.float32([-1, 0, 0, 0, 0, -3]),  # words of which hardly 5 % are heard
    inserted=np.float32(30),
)


@pytest.fixture
def said():
    """Say words of phones, twenty frames each, as `heard` has them, with gaps between words."""

    def _said(*words, heard=(), gap=10, silent=True, wrong=0.8):
        phones = [phone for word in words for phone in word.split()]
        heard = heard or phones
        of_word = np.repeat(np.arange(len(words)), [len(word.split()) for word in words])
        begins = 20 * np.arange(len(phones)) + gap * of_word
        posteriors = np.zeros((len(phones), 40), np.float32)
        columns = [PHONES.index(phone) if phone else len(PHONES) for phone in heard]
        posteriors[np.arange(len(phones)), columns] = 1
        by_frame = np.zeros((begins[-1] + 20, 40), np.float32)
        by_frame[:, -1 if silent else 0] = 1
        nothing = np.empty((0, 0), np.float32)
        given = NetworkInput(
            nothing, nothing, np.column_stack([begins, begins + 20]),
            np.array([PHONES.index(phone) for phone in phones]), of_word, of_word, nothing, nothing,
        )  # fmt: skip
        marks = np.tile(np.float32([1 - wrong, 0, wrong]), (len(phones), 1))
        scores = 2 * marks[:, 0]
        return given, NetworkOutput(
            scores, np.full(len(words), 5.0), scores, posteriors, by_frame, marks
        )

    return _said


def test_the_phone_said_instead_is_of_the_same_kind_or_none(said):
    assert SURE.realised(*said("TH IH N", heard=["S", "IY", ""])) == ["S", "IY", ""]
    assert SURE.realised(*said("TH IH N", heard=["AA", "K", "IY"])) == [None, None, None]


def test_a_phone_that_sounds_like_its_neighbour_was_left_out(said):
    assert SURE.realised(*said("S T R", heard=["S", "S", "L"])) == [None, "", "L"]


def test_nothing_is_named_for_a_phone_that_is_hardly_wrong(said):
    assert SURE.realised(*said("TH IH", heard=["S", "IY"], wrong=0.2)) == [None, None]


def test_shares_are_of_what_learners_may_say(said):
    given, output = said("TH IH")
    output.posteriors[0] = 0
    output.posteriors[0, [PHONES.index(phone) for phone in ("S", "IH", "AA")]] = 0.3, 0.4, 0.2
    found = realisations(given, output)
    assert PHONES[found.other[0]] == "S"
    assert found.other_share[0] == pytest.approx(0.3)
    assert found.nothing_share[0] == pytest.approx(0.4)
    assert found.own[0] == 0


def test_a_word_none_of_whose_sounds_is_heard_was_left_out(said):
    given, output = said("TH IH", "S IY", heard=["TH", "IH", "AA", "K"])
    assert SURE.is_omitted(given, output) == [False, True]


def test_speech_between_two_words_was_inserted(said):
    words = ("TH IH", "S IY", "N OW")
    assert SURE.follows_insertion(*said(*words, gap=40, silent=False)) == [False, True, True]
    assert SURE.follows_insertion(*said(*words, gap=40)) == [False, False, False]
    assert SURE.follows_insertion(*said(*words, gap=20, silent=False)) == [False, False, False]
    assert speech_between(*said("TH IH")).shape == (0,)


def test_a_kind_without_a_limit_is_never_named(said):
    spoken = said("TH IH", "S IY", heard=["S", "", "AA", "K"], gap=100, silent=False)
    assert NEVER.realised(*spoken) == [None] * 4
    assert NEVER.is_omitted(*spoken) == NEVER.follows_insertion(*spoken) == [False, False]


def test_limits_of_other_shapes_are_refused():
    with pytest.raises(ValueError, match="shapes"):
        MistakeLimits(*[np.zeros(2, np.float32)] * 5)
