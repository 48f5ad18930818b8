import json

import numpy as np
import pytest

from benchmarks import groups
from benchmarks.analysed_corpus import analyse
from benchmarks.expert_agreement import LEVELS, Comparison
from benchmarks.expert_ratings import read_ratings
from training.corpus import UTTERANCE_SCORES

STRICT = np.array([0.0, 0.0, 0.0, 0.0, -1.0])  # the last expert, towards children only


@pytest.fixture
def rated(tmp_path):
    """Eight speakers with three utterances each, rated by five experts; our scores are too high.

    We give everybody 3 points too much, and children 2 more.
    """
    chance = np.random.default_rng(0)
    lines, compared = [], []
    for number in range(24):
        speaker, is_child = number // 3, number // 3 < 4
        experts = chance.uniform(3, 8) + is_child * STRICT
        line = {"utterance": f"u{number}", "speaker": str(speaker), "age": 9 if is_child else 30}
        line |= {"gender": "fm"[speaker % 2], "words": [{"accuracy": experts.tolist()}] * 2}
        lines.append(json.dumps(line | {name: experts.tolist() for name in UTTERANCE_SCORES}))
        mean = experts.mean()
        ours = 10 * mean + 3 + 2 * is_child
        pairs = {name: np.array([[ours, mean]]) for name in LEVELS}
        pairs["phone"] = np.array([[ours, mean / 5]])
        ends = {name: np.array([[ours - 4, 100.0]]) for name in LEVELS}
        compared.append(
            Comparison(
                speaker=str(speaker), means=pairs, medians={}, intervals=ends, faulty_below=0.0
            )
        )
    (tmp_path / "annotations.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return compared, read_ratings(tmp_path, [f"u{number}" for number in range(24)])


def test_each_group_has_its_bias_error_and_coverage(rated):
    found = groups.figures(*rated)["groups"]
    assert {name: group["speakers"] for name, group in found.items()} == {
        "all": 8, "children": 4, "adults": 4, "women": 4, "men": 4,
    }  # fmt: skip
    for level in LEVELS:
        assert (found["children"][level]["bias"], found["adults"][level]["bias"]) == (5, 3)
        assert found["all"][level]["mean_absolute_error"] == 4
        assert found["children"][level]["interval_coverage"] == 0
        assert found["adults"][level]["interval_coverage"] == 1
        assert found["men"][level]["within_speaker"] > 0.95
    assert found["adults"]["total"]["bias_interval"] == (3, 3)


def test_one_expert_is_compared_with_the_others(rated):
    found = groups.figures(*rated)["groups"]
    assert found["adults"]["accuracy"]["one_expert"]["mean_absolute_error"] == 0
    # The strict one differs by 10 points, the others by 2.5 because of the strict one.
    assert found["children"]["accuracy"]["one_expert"]["mean_absolute_error"] == 4
    assert found["children"]["phone"]["one_expert"]["correlation"] is None  # none is on its own


def test_our_difference_between_groups_stands_beside_that_of_every_expert(rated):
    found = groups.figures(*rated)["differences"]["children - adults"]
    for level in ("word", *UTTERANCE_SCORES):
        assert (found[level]["ours"], found[level]["interval"]) == (2, (2, 2))
        assert found[level]["experts"] == [2.5, 2.5, 2.5, 2.5, -10]
    assert found["phone"]["experts"] == []


def test_experts_are_compared_on_the_recordings_that_have_our_scores(
    fake_engine, label, corpus_of, monkeypatch
):
    texts = ("WE CALL", "CALL WE", "REFUSE", "REFUSE")
    corpus = corpus_of(
        [label(f"u{n}", speaker=str(n % 3), score=n, text=text) for n, text in enumerate(texts)]
    )
    monkeypatch.setattr(groups, "outcomes", lambda jobs, *_: map(analyse, jobs))
    found = groups.measure(corpus, None, None, "kaiwa", 1)["groups"]["all"]
    assert (found["speakers"], found["recordings"]) == (2, 2)


def test_the_tables_are_markdown_and_the_figures_json(rated):
    found = groups.figures(*rated)
    json.loads(json.dumps(found, allow_nan=False))
    shown = groups.table(found)
    assert "| children - adults, total | 2.0 (2.0 to 2.0) | -10.0 to 2.5 |" in shown
    assert "| children | 4 | " in shown
    cells = {line.count("|") for line in shown.splitlines() if line}
    assert cells == {10, 4}


def test_a_group_without_recordings_has_no_figures(rated):
    _, ratings = rated
    found = groups.figures([], ratings)
    assert found["groups"]["adults"]["total"]["bias"] is None
    json.loads(json.dumps(found, allow_nan=False))
    groups.table(found)
