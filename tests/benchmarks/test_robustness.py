import json

import numpy as np
import pytest

from benchmarks import robustness
from benchmarks.analysed_corpus import Job, Outcome, analyse
from benchmarks.expert_agreement import LEVELS, Comparison
from local.demo.synthesis import SynthesisFailed


def test_each_channel_and_each_impostor_has_its_figure(fake_engine, utterances, tmp_path):
    shown = robustness.shown_to_engine([Job(u, u.text) for u in utterances], tmp_path)
    finished = {
        name: [analyse(job) for job in jobs[:4]]
        for name, jobs in shown.items()
        if name != "other_language"
    }
    found = robustness.figures(finished)
    required = {"clean", "white20db", "white10db", "gain_minus20db", "ulaw8k", "mp3", "clip12db"}
    assert required <= set(found["accuracy"])
    refused = {"silence", "noise", "music", "byteswapped", "wrong_transcript", "false_rejections"}
    assert refused <= set(found["gate"])
    assert found["failed"] == 0
    json.loads(json.dumps(found, allow_nan=False))
    assert robustness.table(found).count("\n") > len(found["channels"])


def test_shares_of_refusals_are_of_all_that_were_shown(fake_engine, utterances):
    right = [analyse(Job(one, one.text)) for one in utterances]
    refused = [analyse(Job(one, "REFUSE")) for one in utterances[:1]]
    finished = dict.fromkeys(robustness.CHANNELS, right) | {"clean": right[:3] + refused}
    found = robustness.figures(finished | {"noise": refused})
    assert found["gate"] == {"false_rejections": 0.25, "noise": 1.0}
    assert found["channels"]["clean"]["rejected"] == 0.25


def test_a_channels_change_is_over_what_has_scores_both_clean_and_through_it(
    fake_engine, utterances
):
    def judged(*ours):
        return [
            Outcome(
                1.0,
                0.0,
                0.0,
                Comparison(
                    speaker=str(n),
                    means=dict.fromkeys(LEVELS, np.array([[score, n]])),
                    medians={},
                    intervals={},
                    faulty_below=0.0,
                ),
                None,
            )
            for n, score in enumerate(ours)
        ]

    refused = analyse(Job(utterances[0], "REFUSE"))
    clean = [*judged(0, 1, 2, 3), *judged(9)]
    finished = dict.fromkeys(robustness.CHANNELS, clean)
    finished["babble15db"] = [*judged(0, 2, 1, 3), refused]
    finished["room"] = [refused] * 5
    change = robustness.figures(finished)["change"]
    assert change["mp3"] == 0
    assert change["babble15db"] == pytest.approx(-0.2)
    assert change["room"] is None


def test_every_foreign_sentence_is_said_in_each_voice(tmp_path):
    pytest.importorskip("espeakng_loader", reason="the extra `local` is not installed")
    jobs = robustness.foreign_jobs(tmp_path)
    assert len(jobs) == 3 * len(robustness.FOREIGN)
    assert all(job.utterance.seconds > 1 for job in jobs)
    assert all(job.text.isascii() for job in jobs)


def test_without_a_synthesiser_other_languages_are_left_out(
    utterances, tmp_path, monkeypatch, capsys
):
    def refuse(folder):
        reason = "there is none"
        raise SynthesisFailed(reason)

    monkeypatch.setattr(robustness, "foreign_jobs", refuse)
    assert "other_language" not in robustness.shown_to_engine(
        [Job(u, u.text) for u in utterances], tmp_path
    )
    assert "other_language is left out" in capsys.readouterr().err
