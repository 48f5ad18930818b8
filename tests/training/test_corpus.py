from collections import Counter

import pytest

from training.corpus import other_texts, read_corpus


@pytest.fixture
def four_speakers(label, corpus_of):
    """Nine recordings of the first speaker, three of each other."""
    counts = {"a": 9, "b": 3, "c": 3, "d": 3}
    return corpus_of(
        [
            label(f"{speaker}{place}", speaker=speaker, text=f"TEXT {speaker} {place}")
            for speaker, count in counts.items()
            for place in range(count)
        ]
    )


def test_everything_is_read_in_the_files_order(four_speakers):
    utterances = read_corpus(four_speakers)
    assert [one.audio.stem for one in utterances[:3]] == ["a0", "a1", "a2"]
    assert len(utterances) == 18
    assert all(one.audio.exists() for one in utterances)
    assert utterances[0].words[0].phones == ("IY", "IY")
    assert utterances[0].means == {"accuracy": 8, "fluency": 8, "prosodic": 8, "total": 8}
    # A score without a median in the labels has none.
    assert utterances[0].medians == {"accuracy": 8.5, "total": 8.5}


def test_a_sample_takes_as_many_of_each_speaker_and_is_always_the_same(four_speakers):
    sample = read_corpus(four_speakers, 8)
    assert Counter(one.speaker for one in sample) == {"a": 2, "b": 2, "c": 2, "d": 2}
    assert sample == read_corpus(four_speakers, 8)
    assert len({one.audio for one in read_corpus(four_speakers, 1_000)}) == 18


@pytest.mark.parametrize("similar", [False, True])
def test_no_recording_is_shown_with_its_own_text(similar, label, corpus_of):
    labels = [label(f"u{n}", text="SAME SAME" if n < 5 else f"OTHER {n}") for n in range(8)]
    utterances = read_corpus(corpus_of(labels))
    texts = other_texts(utterances, similar_length=similar)
    assert all(text != one.text for text, one in zip(texts, utterances, strict=True))
    assert set(texts) <= {one.text for one in utterances}


def test_a_similar_text_has_nearly_as_many_phones(label, corpus_of):
    lengths = (2, 3, 9, 10)
    labels = [label(f"u{n}", text=f"T{n}", phones=length) for n, length in enumerate(lengths)]
    texts = other_texts(read_corpus(corpus_of(labels)), similar_length=True)
    assert texts == ["T1", "T0", "T3", "T2"]


def test_equal_texts_are_refused(utterances):
    with pytest.raises(ValueError, match="Use more utterances"):
        other_texts(utterances[:1], similar_length=False)
