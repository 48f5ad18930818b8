import io
from dataclasses import fields, replace

import numpy as np
import pytest

from speech.errors import DamagedModel
from speech.scores.layers import FARTHEST, HEADS
from speech.scores.network import (
    DILATIONS,
    LAYERS,
    MARKS,
    PHONES,
    STATES,
    STEP,
    Network,
    NetworkInput,
    Standardisation,
    Standardisations,
    network_arrays,
)

FRAME, EMBEDDING, GOODNESS, UTTERANCE = 142, 24, 30, 40
WIDE, TOKEN, HIDDEN = 160, 96, 48


def member(chance):
    """Random weights in the shapes of trained ones."""
    arrays = {}

    def dense(name, inputs, outputs):
        arrays[f"{name}.weight"] = chance.normal(0, inputs**-0.5, (inputs, outputs))
        arrays[f"{name}.bias"] = chance.normal(0, 0.1, outputs)

    def normal(name):
        arrays[f"{name}.weight"] = chance.normal(1, 0.1, TOKEN)
        arrays[f"{name}.bias"] = chance.normal(0, 0.1, TOKEN)

    dense("encoder.input", STEP * FRAME + EMBEDDING, WIDE)
    for index in range(len(DILATIONS)):
        dense(f"encoder.convolutions.{index}", 3 * WIDE, WIDE)
    dense("encoder.states", WIDE, STATES)
    dense("tokens", WIDE + PHONES + 3 + GOODNESS, TOKEN)
    arrays["phone_table"] = chance.normal(0, 0.1, (PHONES, TOKEN))
    arrays["position_table"] = chance.normal(0, 0.1, (4, TOKEN))
    for name in (f"layers.{index}" for index in range(LAYERS)):
        normal(f"{name}.before")
        dense(f"{name}.attend", TOKEN, 3 * TOKEN)
        arrays[f"{name}.distance_table"] = chance.normal(0, 1, (HEADS, 2 * FARTHEST + 1))
        dense(f"{name}.mix", TOKEN, TOKEN)
        normal(f"{name}.between")
        dense(f"{name}.widen", TOKEN, 2 * TOKEN)
        dense(f"{name}.narrow", 2 * TOKEN, TOKEN)
    normal("after")
    dense("phone.hidden", TOKEN, HIDDEN)
    dense("phone.out", HIDDEN, MARKS)
    dense("word.attention", TOKEN, 1)
    dense("word.hidden", 2 * TOKEN, HIDDEN)
    dense("word.out", HIDDEN, 1)
    dense("utterance.attention", TOKEN, 1)
    dense("utterance.features", UTTERANCE + EMBEDDING, HIDDEN)
    dense("utterance.hidden", 2 * TOKEN + HIDDEN, HIDDEN)
    dense("utterance.out", HIDDEN, 4)
    dense("utterance.direct", UTTERANCE, 4)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def standardisations(chance):
    def moments(width):
        both = [chance.normal(0, 1, width), chance.uniform(0.5, 2, width)]
        return Standardisation(np.stack(both).astype(np.float32))

    return Standardisations(
        moments(FRAME), moments(EMBEDDING), moments(GOODNESS), moments(UTTERANCE)
    )


def measured(chance, phones, words):
    """Random input with pauses before, after and sometimes between phones."""
    lengths, pauses = chance.integers(3, 15, phones), chance.integers(0, 3, phones + 1) * 5
    ends = np.cumsum(lengths + pauses[:-1])
    frames = int(ends[-1] + pauses[-1])
    normal = lambda *shape: chance.standard_normal(shape, np.float32)  # noqa: E731
    return NetworkInput(
        normal(frames, FRAME),
        normal(-(-frames // STEP), EMBEDDING),
        np.column_stack([ends - lengths, ends]),
        chance.integers(0, PHONES, phones),
        chance.integers(0, 4, phones),
        np.arange(phones) * words // phones,
        normal(phones, GOODNESS),
        normal(UTTERANCE),
    )


@pytest.fixture
def chance():
    return np.random.default_rng(7)


@pytest.fixture(scope="module")
def network():
    chance = np.random.default_rng(5)
    return Network(standardisations(chance), [member(chance)])


def arrays_of(output):
    return [getattr(output, field.name) for field in fields(output)]


@pytest.mark.parametrize(("phones", "words"), [(1, 1), (2, 2), (40, 12), (250, 80)])
def test_every_score_is_within_its_range(network, chance, phones, words):
    given = measured(chance, phones, words)
    output = network.forward(given)
    assert [array.shape for array in arrays_of(output)] == [
        (phones,), (words,), (4,), (phones, 40), (len(given.frames), 40), (phones, 3),
    ]  # fmt: skip
    assert all(array.dtype == np.float32 for array in arrays_of(output))
    assert all(np.isfinite(array).all() for array in arrays_of(output))
    assert ((output.phones >= 0) & (output.phones <= 2)).all()
    assert ((output.words >= 0) & (output.words <= 10)).all()
    assert ((output.utterance >= 0) & (output.utterance <= 10)).all()
    assert output.posteriors.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert output.marks.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert output.frame_posteriors.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_best_phone_has_two_points_and_the_best_word_ten(network, chance):
    sure = network.members[0] | {
        "phone.out.bias": np.array([100, 0, 0], np.float32),
        "word.out.bias": np.full(1, 100, np.float32),
        "utterance.out.bias": np.full(4, 100, np.float32),
    }
    output = Network(network.standard, [sure]).forward(measured(chance, 9, 3))
    assert output.phones == pytest.approx(2)
    assert output.words == pytest.approx(10)
    assert output.utterance == pytest.approx(10)


def test_the_same_input_gives_the_same_output_bit_for_bit(network, chance):
    given, other = measured(chance, 30, 9), measured(chance, 50, 20)
    before = network.forward(given)
    network.forward(other)
    for one, again in zip(arrays_of(before), arrays_of(network.forward(given)), strict=True):
        assert (one == again).all()


def test_forward_leaves_its_input_alone(network, chance):
    given = measured(chance, 20, 5)
    copies = [array.copy() for array in arrays_of(given)]
    network.forward(given)
    assert all((a == b).all() for a, b in zip(copies, arrays_of(given), strict=True))


def test_posteriors_of_a_phone_are_the_mean_over_its_frames(network, chance):
    given = measured(chance, 25, 8)
    output = network.forward(given)
    for (start, end), posterior in zip(given.segments, output.posteriors, strict=True):
        assert posterior == pytest.approx(output.frame_posteriors[start:end].mean(axis=0), abs=1e-6)


def test_frames_hear_as_far_as_the_convolutions_reach_and_no_farther(network, chance):
    given = measured(chance, 40, 12)
    changed = given.frames.copy()
    changed[100] += 3
    before = network.forward(given).frame_posteriors
    after = network.forward(replace(given, frames=changed)).frame_posteriors
    (moved,) = np.nonzero(np.abs(after - before).max(axis=1) > 1e-7)
    reach = STEP * sum(DILATIONS)
    assert (moved[0], moved[-1]) == (100 - reach, 100 + STEP - 1 + reach)


def test_order_of_phones_matters_only_through_distances(network, chance):
    # All phones sound the same and are far from both ends, so that only their identity differs.
    starts = 40 + 10 * np.arange(12)
    given = replace(
        measured(chance, 12, 1),
        frames=np.zeros((200, FRAME), np.float32),
        embeddings=np.zeros((200 // STEP, EMBEDDING), np.float32),
        segments=np.column_stack([starts, starts + 10]),
    )
    backwards = replace(
        given, phones=given.phones[::-1], positions=given.positions[::-1],
        goodness=given.goodness[::-1],
    )  # fmt: skip

    def difference(network):
        return np.abs(network.forward(given).phones - network.forward(backwards).phones[::-1]).max()

    near = {name: array for name, array in network.members[0].items() if "distance" in name}
    blind = network.members[0] | {name: np.zeros_like(array) for name, array in near.items()}
    assert difference(network) > 1e-3
    assert difference(Network(network.standard, [blind])) < 1e-5


def test_an_outlier_counts_no_more_than_five_spreads(network, chance):
    given = measured(chance, 10, 3)
    loud, louder = given.goodness.copy(), given.goodness.copy()
    loud[0, 0], louder[0, 0] = 1e3, 1e6
    one = network.forward(replace(given, goodness=loud))
    other = network.forward(replace(given, goodness=louder))
    assert (one.phones == other.phones).all()


def test_members_are_averaged(chance):
    standard, members = standardisations(chance), [member(chance) for _ in range(3)]
    given = measured(chance, 30, 9)
    alone = [Network(standard, [each]).forward(given) for each in members]
    together = Network(standard, members).forward(given)
    for index, array in enumerate(arrays_of(together)):
        mean = np.mean([arrays_of(output)[index] for output in alone], axis=0)
        assert array == pytest.approx(mean, abs=1e-6)


def test_eight_bits_change_scores_by_less_than_experts_can_say(chance):
    network = Network(standardisations(chance), [member(chance), member(chance)])
    read = Network.from_arrays(network_arrays(network))
    given = measured(chance, 60, 20)
    exact, rounded = network.forward(given), read.forward(given)
    assert np.abs(exact.phones - rounded.phones).max() < 0.05
    assert np.abs(exact.words - rounded.words).max() < 0.25
    assert np.abs(exact.utterance - rounded.utterance).max() < 0.25


def test_writing_again_what_was_read_changes_nothing(network):
    once = network_arrays(network)
    again = network_arrays(Network.from_arrays(once))
    assert once.keys() == again.keys()
    assert all((once[name] == again[name]).all() for name in once)


def test_a_member_takes_some_600_kilobytes(chance, tmp_path):
    network = Network(standardisations(chance), [member(chance) for _ in range(5)])
    np.savez(tmp_path / "network.npz", **network_arrays(network))
    assert (tmp_path / "network.npz").stat().st_size < 5 * 610_000


def test_a_file_gives_the_network_back(network, chance, tmp_path):
    np.savez(tmp_path / "network.npz", **network_arrays(network), another=np.arange(3))
    read = Network.from_file(tmp_path / "network.npz")
    given = measured(chance, 20, 6)
    expected = Network.from_arrays(network_arrays(network)).forward(given)
    assert (read.forward(given).words == expected.words).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_cut_short_is_refused(network, tmp_path, share):
    whole = io.BytesIO()
    np.savez(whole, **network_arrays(network))
    path = tmp_path / "network.npz"
    path.write_bytes(whole.getvalue()[: int(whole.tell() * share)])
    with pytest.raises(DamagedModel, match=r"network\.npz"):
        Network.from_file(path)


def test_a_flipped_byte_is_refused(network, tmp_path):
    path = tmp_path / "network.npz"
    np.savez(path, **network_arrays(network))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedModel):
        Network.from_file(path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda arrays: arrays.pop("network.word.out.weight"),
        lambda arrays: arrays.pop("network.format"),
        lambda arrays: arrays.update({"network.format": np.array(1)}),
        lambda arrays: arrays.update({"network.tokens.bias": np.zeros((1, 95), np.float16)}),
        lambda arrays: arrays["network.utterance.out.bias"].fill(np.nan),
        lambda arrays: arrays.pop("network.standard.goodness"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(network, damage):
    arrays = network_arrays(network)
    damage(arrays)
    with pytest.raises(DamagedModel, match="nstall the package again"):
        Network.from_arrays(arrays)


def test_a_missing_file_is_reported_as_missing(tmp_path):
    with pytest.raises(DamagedModel, match=r"No such file.*network\.npz"):
        Network.from_file(tmp_path / "network.npz")


def test_what_all_embeddings_share_counts_for_the_utterance_only(network, chance):
    given = measured(chance, 30, 9)
    given = replace(given, embeddings=0.3 * given.embeddings)  # none is an outlier
    other = replace(given, embeddings=given.embeddings + np.float32(0.3))
    one, shifted = network.forward(given), network.forward(other)
    assert shifted.phones == pytest.approx(one.phones, abs=1e-3)
    assert shifted.words == pytest.approx(one.words, abs=1e-2)
    assert np.abs(shifted.utterance - one.utterance).max() > 0.05
