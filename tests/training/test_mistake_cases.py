from dataclasses import replace

import numpy as np
import pytest

from speech.scores.mistakes import NOTHING
from speech.scores.model import scoring_model
from speech.scores.network import Network, NetworkInput, NetworkOutput, network_arrays
from speech.text.phones import PHONES
from tests.training.samples import held_out
from training.examples import save_arrays, unrated
from training.miscues import KINDS, Miscue
from training.mistake_cases import DELETIONS, _miscued, _rated, cases_of_folds

SOUND, SOUND_LESS, WORD_LESS, WORD_MORE = range(len(KINDS))
FRAMES, GAP = 20, 10  # of each phone; between words


def index(phone):
    return PHONES.index(phone) if phone else NOTHING


@pytest.fixture
def spoken():
    """An example of some words, and what the network makes of it: `heard`, and noise in gaps."""

    def _spoken(*words, heard=None, noisy_gaps=(), kind=0):
        phones = [phone for word in words for phone in word.split()]
        of_word = np.repeat(np.arange(len(words)), [len(word.split()) for word in words])
        begins = FRAMES * np.arange(len(phones)) + GAP * of_word
        by_frame = np.eye(40, dtype=np.float32)[np.full(begins[-1] + FRAMES, NOTHING)]
        for gap in noisy_gaps:  # after so many words
            end = begins[np.flatnonzero(of_word == gap)[0]]
            by_frame[end - GAP : end] = np.eye(40)[0]
        nothing = np.empty((0, 0), np.float32)
        given = NetworkInput(
            nothing, nothing, np.column_stack([begins, begins + FRAMES]),
            np.array([index(phone) for phone in phones]), of_word, of_word, nothing, nothing,
        )  # fmt: skip
        posteriors = np.eye(40, dtype=np.float32)[[index(phone) for phone in heard or phones]]
        wrong = np.linspace(0.1, 0.9, len(phones), dtype=np.float32)
        output = NetworkOutput(
            phones=2 - 2 * wrong,
            words=np.arange(len(words), dtype=np.float32),
            utterance=np.full(4, 9, np.float32),
            posteriors=posteriors,
            frame_posteriors=by_frame,
            marks=np.column_stack([1 - wrong, 0 * wrong, wrong]),
        )
        return unrated("u1", "0001", kind, given), output

    return _spoken


@pytest.mark.parametrize(("realised", "is_right"), [("S", True), ("F", False)])
def test_naming_a_replaced_sound_is_right_if_it_was_said(spoken, realised, is_right):
    example, output = spoken("TH IH N", heard=["S", "IH", "N"], kind=SOUND)
    ((kind, case),) = _miscued(Miscue(example, 0, index(realised)), output, fold=3).items()
    assert kind == "named"
    assert case.evidence.tolist() == [[1.0]]
    assert (case.right.tolist(), case.weight.tolist(), case.fold.tolist()) == ([is_right], [1], [3])


@pytest.mark.parametrize(("kind", "realised"), [(SOUND_LESS, NOTHING), (SOUND, index("S"))])
def test_naming_nothing_is_right_if_a_sound_less_was_said(spoken, kind, realised):
    example, output = spoken("TH IH N", heard=["", "IH", "N"], kind=kind)
    case = _miscued(Miscue(example, 0, realised), output, fold=0)["named_deleted"]
    assert case.right.tolist() == [kind == SOUND_LESS]
    assert case.weight.tolist() == [DELETIONS if kind == SOUND_LESS else 1]


def test_nothing_is_named_where_the_expected_sound_is_heard(spoken):
    example, output = spoken("TH IH N", kind=SOUND)
    assert _miscued(Miscue(example, 0, index("S")), output, fold=0) == {}


def test_a_word_less_is_a_case_of_that_word(spoken):
    example, output = spoken("TH IH", "S IY", "N OW", kind=WORD_LESS)
    case = _miscued(Miscue(example, 1), output, fold=0)["omitted"]
    assert case.right.tolist() == [True]
    assert case.evidence[0, 3] == pytest.approx(1 / 5)  # the second word's score, of 2


@pytest.mark.parametrize(("place", "frames"), [(1, 0), (2, GAP)])
def test_a_word_more_is_a_case_of_the_place_before_the_expected_word(spoken, place, frames):
    example, output = spoken("TH IH", "S IY", "N OW", noisy_gaps=[2], kind=WORD_MORE)
    case = _miscued(Miscue(example, place), output, fold=0)["inserted"]
    assert case.evidence.tolist() == [[frames]]
    assert case.right.tolist() == [True]


def test_experts_tell_which_phones_of_a_recording_are_rightly_named(spoken):
    example, output = spoken("TH IH N", "S IY", heard=["S", "", "M", "S", "IY"], noisy_gaps=[1])
    example = replace(
        example,
        phone_accuracy=np.array([0.4, 1.2, np.nan, 2.0, 1.6], np.float32),
        word_accuracy=np.array([3.0, 9.0], np.float32),
        utterance=np.full(4, 9, np.float32),
    )
    found = _rated(example, output, fold=2)
    wrong = output.marks[:, -1]
    assert found["phones"].evidence[:, 0].tolist() == output.phones[[0, 1, 3, 4]].tolist()
    assert found["phones"].right.tolist() == [True, False, False, False]
    assert found["substituted"].evidence.tolist() == [[wrong[0], 1]]  # the third is not rated
    assert found["deleted"].evidence.tolist() == [[wrong[1], 1]]
    assert found["substituted"].right.tolist() == found["deleted"].right.tolist() == [True]
    assert found["omitted"].evidence[:, 3] == pytest.approx([1 / 5])  # the first was hardly said
    assert found["inserted"].evidence.tolist() == [[GAP]]
    assert not found["omitted"].right.any()
    assert not found["inserted"].right.any()
    hesitant = _rated(replace(example, utterance=np.full(4, 7, np.float32)), output, fold=2)
    assert len(hesitant["inserted"].right) == 0


def test_every_speaker_is_judged_by_the_fold_that_held_it_out(tmp_path):
    shipped = scoring_model("kaiwa").network
    member = shipped.members[0]
    for fold, (speaker, phone) in enumerate([("0001", "S"), ("0002", "")]):
        bias = np.zeros_like(member["encoder.states.bias"])
        bias[index(phone) if phone else -1] = 20  # hears nothing else
        states = {
            "encoder.states.weight": 0 * member["encoder.states.weight"],
            "encoder.states.bias": bias,
        }
        arrays = network_arrays(Network(shipped.standard, [{**member, **states}]))
        arrays["held_out"] = np.array([speaker])
        save_arrays(tmp_path / f"en-fold-{fold}.npz", arrays)
    given = replace(shipped.smallest_input(), phones=np.array([index("TH")]))

    def rated(speaker, variant):
        return replace(
            unrated("u1", speaker, variant, given),
            phone_accuracy=np.ones(1, np.float32),
            word_accuracy=np.full(1, 9, np.float32),
            utterance=np.full(4, 9, np.float32),
        )

    found = cases_of_folds(
        [rated("0002", 0), rated("0001", 0), rated("0001", 1)],
        [
            Miscue(unrated("u1", "0001", SOUND, given), 0, index("S")),
            Miscue(unrated("u1", "0002", SOUND_LESS, given), 0),
        ],
        tmp_path / "en.npz",
        held_out(100),
    )
    assert found.phones.fold.tolist() == [1, 0]  # without the corrupted copy
    assert found.substituted.fold.tolist() == found.named.fold.tolist() == [0]
    assert found.deleted.fold.tolist() == found.named_deleted.fold.tolist() == [1]
    assert found.named.right.tolist() == found.named_deleted.right.tolist() == [True]
    assert found.without(0).phones.fold.tolist() == [1]
