import numpy as np
import pytest

from benchmarks import analysed_corpus
from benchmarks.analysed_corpus import Job, analyse, with_folds


def test_causes_are_distinguished(fake_engine, utterances):
    causes = {
        text: analyse(Job(utterances[0], text))
        for text in ("WE CALL", "REFUSE", "SILENCE", "EMPTY", "BREAK")
    }
    assert [text for text, one in causes.items() if one.is_rejected] == ["REFUSE", "SILENCE"]
    assert [text for text, one in causes.items() if one.is_failure] == ["EMPTY", "BREAK"]
    assert causes["BREAK"].cause == "ZeroDivisionError"
    assert causes["WE CALL"].comparison is not None


def test_noise_is_the_recordings_own(fake_engine, utterances):
    draws = {}

    def draw(waveform, rng):
        draws.setdefault(len(draws), rng.random())
        return waveform

    for utterance in (utterances[0], utterances[1], utterances[0]):
        analyse(Job(utterance, utterance.text, draw))
    assert draws[0] == draws[2] != draws[1]


def test_other_processes_give_outcomes_in_order(utterances):
    # The real engine in separate processes: it refuses all of these texts.
    jobs = [Job(utterances[0], text) for text in ("", "WE CALL HIM EVERY DAY AT NOON", "")]
    finished = list(analysed_corpus.outcomes(jobs, "kaiwa", 2))
    assert [one.cause for one in finished][::2] == ["empty_text", "empty_text"]
    assert finished[1].cause != "empty_text"


def test_every_speaker_is_scored_by_the_model_trained_without_them(utterances, tmp_path):
    speakers = sorted({one.speaker for one in utterances})
    for speaker in speakers:
        np.savez(tmp_path / f"without-{speaker}.npz", held_out=np.array([speaker]))
    jobs = with_folds([Job(one, one.text) for one in utterances], tmp_path)
    assert [job.model.stem for job in jobs] == [f"without-{one.speaker}" for one in utterances]

    (tmp_path / f"without-{speakers[0]}.npz").unlink()
    with pytest.raises(ValueError, match=f"without the speakers {speakers[0]}"):
        with_folds(jobs, tmp_path)
