import json

from benchmarks import pronunciation
from benchmarks.analysed_corpus import Job, Outcome, analyse
from benchmarks.expert_agreement import LEVELS


def test_refusals_and_failures_are_counted_and_left_out(fake_engine, utterances):
    jobs = [
        Job(one, one.text, lambda waveform, _rng, by=10 - n: waveform / by)
        for n, one in enumerate(utterances)
    ]
    jobs += [Job(utterances[0], "REFUSE"), Job(utterances[1], "BREAK")]
    found = pronunciation.figures([analyse(job) for job in jobs])
    assert (found["utterances"], found["scored"]) == (6, 4)
    assert (found["rejected"], found["failed"]) == (1, 1)
    assert found["causes"] == {"text_mismatch": 1, "ZeroDivisionError": 1}
    assert all(found[level] > 0.95 for level in LEVELS)
    assert found["median"]["total"] > 0.95
    assert found["median"]["fluency"] is None  # these labels have none
    assert found["audio_seconds"] == 8.0
    json.loads(json.dumps(found, allow_nan=False))
    assert "4 of 6 recordings scored, 1 refused, 1 failed" in pronunciation.table(found)


def test_speed_counts_only_what_was_scored(fake_engine, utterances):
    comparison = analyse(Job(utterances[0], "WE CALL")).comparison
    found = pronunciation.figures(
        [Outcome(10.0, 0.1, 0.4, comparison, None), Outcome(90.0, 0.1, 0.01, None, "no_speech")]
    )
    assert found["times_real_time"] == 25
    assert found["times_real_time_with_decoding"] == 20


def test_a_corpus_that_is_all_refused_still_gives_a_report(fake_engine, utterances):
    found = pronunciation.figures([analyse(Job(one, "SILENCE")) for one in utterances])
    assert found["rejected"] == 4
    assert found["accuracy"] is None
    json.loads(json.dumps(found, allow_nan=False))
    assert "0 of 4" in pronunciation.table(found)
