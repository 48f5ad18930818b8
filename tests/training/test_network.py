from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="only training needs it")

import torch

from speech.scores.network import PHONES, REACH, STEP, TO_TEN, Network, Standardisation
from training.batches import SILENCE, collate, disturbed, prepare
from training.examples import standardisations
from training.network import TrainedNetwork
from training.train_scorer import correlations, folds_of, predict, train


@pytest.fixture
def standard(examples):
    return standardisations(examples)


@pytest.fixture(params=[True, False], ids=["with embeddings", "without"])
def model(examples, request):
    torch.manual_seed(1)
    given = examples[0].given
    model = TrainedNetwork(
        given.frames.shape[1],
        given.embeddings.shape[1],
        given.goodness.shape[1],
        len(given.utterance),
        hears=request.param,
    )
    with torch.no_grad():  # tables start at zero, which would hide mistakes
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return model.eval()


def scored(model, examples, standard):
    with torch.no_grad():
        return model(collate([prepare(example, standard) for example in examples]))


def test_the_exported_network_scores_as_the_trained_one(model, examples, standard):
    if not model.hears:
        nothing = Standardisation(standard.embeddings.moments[:, :0])
        network = Network(replace(standard, embeddings=nothing), [model.arrays()])
    else:
        network = Network(standard, [model.arrays()])
    trained = scored(model, examples[:8], standard)
    outputs = [network.forward(example.given) for example in examples[:8]]
    # Training keeps standardised frames in half precision.
    for name, ours in {
        "phones": np.concatenate([output.phones for output in outputs]),
        "words": np.concatenate([output.words for output in outputs]) / TO_TEN,
        "scores": np.stack([output.utterance for output in outputs]) / TO_TEN,
    }.items():
        assert ours == pytest.approx(getattr(trained, name).numpy(), abs=1e-4), name


def test_an_utterance_is_scored_alike_alone_and_among_others(model, examples, standard):
    together = scored(model, examples[:5], standard)
    alone = scored(model, examples[2:3], standard)
    first = sum(len(example.given.phones) for example in examples[:2])
    phones = together.phones[first : first + len(alone.phones)]
    assert phones.numpy() == pytest.approx(alone.phones.numpy(), abs=1e-5)
    assert together.scores[2].numpy() == pytest.approx(alone.scores[0].numpy(), abs=1e-5)


def test_the_encoder_should_hear_thirds_of_phones_and_silence_between(examples, standard):
    example = examples[0]
    example.phone_accuracy[:] = 1
    prepared = prepare(example, standard)
    start, end = (example.given.segments[1] + STEP - 1) // STEP
    phone = example.given.phones[1]
    thirds = (prepared.states[start:end] // PHONES).tolist()
    assert (prepared.states[start:end] % PHONES == phone).all()
    assert thirds == sorted(thirds)
    assert set(thirds) == {0, 1, 2}
    assert (prepared.state_weights[start:end] == 0.5).all()
    assert prepared.states[-1] == SILENCE


def test_nothing_is_learnt_between_utterances(examples, standard):
    batch = collate([prepare(example, standard) for example in examples[:3]])
    between = batch.inside[:, 0] == 0
    lengths = [len(example.given.frames) for example in examples[:3]]
    assert {length % STEP for length in lengths} == {0, 1}
    assert int(between.sum()) == 3 * REACH
    assert not batch.frames[between].any()
    assert not batch.embeddings[between].any()
    assert not batch.state_weights[between].any()
    assert len(batch.step_of_frame) == len(batch.phone_of_frame) == sum(lengths)
    assert not between[batch.step_of_frame].any()


def test_disturbing_leaves_the_prepared_example_alone(examples, standard):
    prepared = prepare(examples[0], standard)
    before = prepared.frames.clone(), prepared.goodness.clone()
    heard = prepared.embeddings.clone()
    changed = disturbed(prepared, np.random.default_rng(0), hears=True)
    assert not torch.equal(changed.frames, prepared.frames.float())
    assert torch.equal(prepared.frames, before[0])
    assert torch.equal(prepared.goodness, before[1])
    assert torch.equal(prepared.embeddings, heard)


def test_embeddings_that_are_to_be_told_are_not_disturbed(examples, standard):
    chance = np.random.default_rng(0)
    for example in examples[:30]:
        prepared = prepare(example, standard)
        changed = disturbed(prepared, chance, hears=False)
        assert torch.equal(changed.embeddings, prepared.embeddings.float())
        assert changed.frames.any()


def test_folds_share_no_speaker_and_leave_none_out(examples):
    folds = folds_of(examples, seed=0)
    assert sorted(speaker for fold in folds for speaker in fold) == sorted(
        {example.speaker for example in examples}
    )
    assert folds != folds_of(examples, seed=1)


@pytest.mark.parametrize("hears", [True, False])
def test_training_generalises_to_unknown_speakers(examples, standard, hears):
    held_out = ("0002", "0005", "0009")
    prepared = [prepare(example, standard) for example in examples]
    network = train(
        prepared, held_out, standard, hears=hears, seed=4, epochs=25, listening_epochs=5
    )
    assert network.embedding_width == (len(examples[0].given.embeddings[0]) if hears else 0)
    predictions = predict(network, examples, held_out)
    unknown = [example for example in examples if example.speaker in held_out]
    assert predictions.keys() == {(e.name, e.variant) for e in unknown}
    assert min(correlations(unknown, predictions).values()) > 0.5


def test_training_repeats_itself(examples, standard):
    prepared = [prepare(example, standard) for example in examples]
    one, other = (
        train(prepared, (), standard, hears=True, seed=4, epochs=1, listening_epochs=1).members[0]
        for _ in range(2)
    )
    assert all((one[name] == other[name]).all() for name in one)
