from dataclasses import replace

import numpy as np
import pytest

from training.mistake_cases import AllCases, Cases
from training.mistakes import (
    LEAST_PRECISION,
    MISTAKEN,
    fit_limits,
    measured,
    precision,
    proven_limits,
    validate_mistakes,
)


def cases(evidence, right):
    count = len(evidence)
    columns = np.asarray(evidence, float).reshape(count, -1)
    return Cases(columns, np.asarray(right, bool), np.ones(count), np.arange(count) % 5)


@pytest.fixture
def all_cases():
    """Draw cases in which large values mean mistakes, or chance."""

    def _all_cases(*, telling=True):
        chance = np.random.default_rng(0)

        def drawn(count, names, rate, towards):
            right = chance.random(count) < rate
            shift = 4 * (right if telling else np.zeros(count))[:, None] * np.array(towards)
            return cases(chance.normal(0, 1, (count, names)) + shift, right)

        def of_phones(count):
            drawn_cases = drawn(count, 2, 0.3, (1, 1))
            return cases(np.clip(0.4 + drawn_cases.evidence / 8, 0, 1), drawn_cases.right)

        named = [of_phones(800) for _ in range(2)]
        return AllCases(
            phones=cases(*(lambda p: (2 - 2 * p.evidence[:, 0], p.right))(of_phones(2_000))),
            substituted=of_phones(2_000),
            deleted=of_phones(2_000),
            named=cases(named[0].evidence[:, 1], named[0].right),
            named_deleted=cases(named[1].evidence[:, 1], named[1].right),
            omitted=drawn(3_000, 5, 0.2, (-1, -1, -1, 0, 0)),
            inserted=drawn(3_000, 1, 0.2, (1,)),
        )

    return _all_cases


def test_limits_reach_the_least_precision(all_cases):
    drawn = all_cases()
    limits = fit_limits(drawn)
    flagged = (drawn.substituted.evidence >= limits.substituted).all(axis=1)
    naming = precision(drawn.named, drawn.named.evidence[:, 0] >= limits.substituted[1])
    assert flagged.any()
    assert precision(drawn.substituted, flagged) * naming > LEAST_PRECISION
    said = drawn.inserted.evidence[:, 0] >= limits.inserted
    assert precision(drawn.inserted, said, MISTAKEN) > LEAST_PRECISION
    left_out = drawn.omitted.evidence @ limits.omitted[:-1] + limits.omitted[-1] > 0
    assert precision(drawn.omitted, left_out, MISTAKEN) > LEAST_PRECISION
    assert 0 < limits.faulty < 2


def test_a_kind_that_nothing_tells_is_never_named(all_cases):
    limits = fit_limits(all_cases(telling=False))
    assert limits.substituted[0] == limits.deleted[0] == limits.inserted == np.inf
    assert limits.omitted[-1] == -np.inf


def test_the_limit_of_mispronounced_phones_has_the_highest_f1(all_cases):
    phones = all_cases().phones
    scores, right = phones.evidence[:, 0], phones.right

    def f1(below):
        return 2 * (right & (scores < below)).sum() / ((scores < below).sum() + right.sum())

    best = f1(fit_limits(all_cases()).faulty)
    assert best == pytest.approx(max(f1(below) for below in np.arange(0, 2, 0.01)), abs=0.01)


def test_a_kind_that_falls_short_on_other_speakers_is_never_named(all_cases):
    drawn = all_cases()
    is_odd = drawn.inserted.fold == 0  # speakers whose pauses are not silent
    odd = replace(drawn.inserted, evidence=drawn.inserted.evidence + 8 * is_odd[:, None])
    kinds = {one.kind: one.precision for one in measured(replace(drawn, inserted=odd))}
    assert kinds["inserted"] < LEAST_PRECISION <= kinds["omitted"]
    limits = proven_limits(replace(drawn, inserted=odd))
    assert limits.inserted == np.inf
    assert (limits.omitted == fit_limits(drawn).omitted).all()


def test_precision_takes_mistakes_to_be_as_rare_as_said():
    half = cases([1, 1, 0, 0], [True, False, True, False])
    flagged = half.evidence[:, 0] > 0
    assert precision(half, flagged) == 0.5
    assert precision(half, flagged, 0.1) == pytest.approx(0.1)
    assert precision(half, np.zeros(4, bool)) == 0


def test_validation_names_every_kind(all_cases, capsys):
    validate_mistakes(all_cases())
    printed = capsys.readouterr().out
    for kind in ("mispronounced", "substituted", "deleted", "omitted", "inserted"):
        assert kind in printed
