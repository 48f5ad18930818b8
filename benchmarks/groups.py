"""Compare the scores of children and adults, women and men, and the experts' own differences.

    python benchmarks/groups.py --corpus DIR [--sample N] [--folds DIR] [--engine ENGINE]
                                [--processes N] [--smoke] [--json]

CORPUS is a folder of rated learners (see `training/corpus.py`) with `annotations.jsonl`: for each
utterance the speaker's age and gender, and every expert's scores. Prints for each group how well
scores agree with the experts' means: correlation, also within one speaker; bias, the mean of our
score minus theirs; mean absolute error; share of their means inside our intervals. Beside it, one
expert against the mean of the others. All on the scale 0-100; ranges are the middle 95 % when
speakers are resampled (bootstrap).

Then the bias of one group minus that of another. The experts' are those of each expert against the
mean of the other four: a difference of ours within their range is one that experts have too. With
`--folds`, every learner is scored by a model that was trained without that learner; see
`benchmarks/pronunciation.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks import frame
from benchmarks.analysed_corpus import Job, outcomes, with_folds
from benchmarks.expert_agreement import (
    FULL_SCORE,
    LEVELS,
    MOST_POINTS,
    Comparison,
    agreement,
)
from benchmarks.expert_ratings import Rating, read_ratings
from benchmarks.pronunciation import OPTIONS, cell, coverage
from training.corpus import read_corpus

ADULT_FROM: Final = 16  # years
EXPERTS: Final = 5
PAIRS: Final = (("children", "adults"), ("women", "men"))
_DRAWS: Final = 1_000
_MIDDLE_PERCENT: Final = (2.5, 97.5)

Array = NDArray[np.float64]


GROUPS: Final[dict[str, Callable[[Rating], bool]]] = {
    "all": lambda _: True,
    "children": lambda one: one.age < ADULT_FROM,
    "adults": lambda one: one.age >= ADULT_FROM,
    "women": lambda one: one.gender == "f",  # girls included
    "men": lambda one: one.gender == "m",
}


def figures(compared: Sequence[Comparison], ratings: Sequence[Rating]) -> dict[str, Any]:
    """Return all figures by group and level, and the differences of biases between groups.

    Args:
        compared: Our scores of recordings.
        ratings: The experts' of the same recordings.
    """
    theirs = {name: [one for one in ratings if belongs(one)] for name, belongs in GROUPS.items()}
    speakers = {name: {one.speaker for one in group} for name, group in theirs.items()}
    ours = {
        name: [one for one in compared if one.speaker in members]
        for name, members in speakers.items()
    }
    return {
        "groups": {
            name: {
                "speakers": len(speakers[name]),
                "recordings": len(ours[name]),
                **{level: _agreement(ours[name], theirs[name], level) for level in LEVELS},
            }
            for name in GROUPS
        },
        "differences": {
            f"{one} - {other}": {
                level: _difference(
                    (_errors(ours[one], level), _errors(ours[other], level)),
                    (_bias_of_each(theirs[one], level), _bias_of_each(theirs[other], level)),
                )
                for level in LEVELS
            }
            for one, other in PAIRS
        },
    }


def _agreement(
    compared: Sequence[Comparison], ratings: Sequence[Rating], level: str
) -> dict[str, Any]:
    found = agreement([(one.speaker, one.means[level]) for one in compared])
    errors = _errors(compared, level)
    of_one = [
        (one.speaker, one.against_others(level).reshape(-1, 2))
        for one in ratings
        if level in one.scores
    ]
    apart = np.concatenate([pair[:, 0] - pair[:, 1] for _, pair in of_one] or [np.empty(0)])
    return {
        "correlation": found.overall,
        "interval": found.interval,
        "within_speaker": found.within_speakers,
        "bias": _rounded(_means(errors)[0]),
        "bias_interval": _middle(_means(errors)[1:]),
        "mean_absolute_error": _rounded(_means({s: np.abs(e) for s, e in errors.items()})[0]),
        "interval_coverage": coverage(compared, level),
        "one_expert": {
            "correlation": agreement(of_one).overall,
            "mean_absolute_error": _rounded(np.abs(apart).mean()) if len(apart) else None,
        },
    }


def _errors(compared: Sequence[Comparison], level: str) -> dict[str, Array]:
    """Return our scores minus the experts' means by speaker, in points of 100."""
    by_speaker: dict[str, list[Array]] = {}
    for one in compared:
        score, mean = one.means[level].T
        error = score - FULL_SCORE / MOST_POINTS[level] * mean
        by_speaker.setdefault(one.speaker, []).append(error)
    return {speaker: np.concatenate(errors) for speaker, errors in by_speaker.items()}


def _means(values: Mapping[str, Array]) -> Array:
    """Return the mean of all values, then the means when speakers are resampled."""
    if not values:
        return np.full(1 + _DRAWS, np.nan)
    sums = np.array([[each.sum(), len(each)] for each in values.values()])
    even = np.full(len(sums), 1 / len(sums))
    draws = np.random.default_rng(0).multinomial(len(sums), even, _DRAWS)
    total, count = (np.vstack([np.ones(len(sums)), draws]) @ sums).T
    return np.asarray(total / count)


def _bias_of_each(ratings: Sequence[Rating], level: str) -> Array:
    """Return the mean of each expert's scores minus the others' mean, where all five rated."""
    rated = [one.against_others(level) for one in ratings if level in one.scores]
    all_five = [each[..., 0] - each[..., 1] for each in rated if each.shape[1] == EXPERTS]
    return np.concatenate(all_five).mean(axis=0) if all_five else np.empty(0)


def _difference(
    errors: tuple[Mapping[str, Array], Mapping[str, Array]], biases: tuple[Array, Array]
) -> dict[str, Any]:
    """Return our bias in one group minus that in the other, and likewise of every expert."""
    ours = _means(errors[0]) - _means(errors[1])
    of_each = biases[0] - biases[1] if all(map(len, biases)) else np.empty(0)
    return {
        "ours": _rounded(ours[0]),
        "interval": _middle(ours[1:]),
        "experts": [_rounded(each) for each in of_each],
    }


def _middle(draws: Array) -> tuple[float | None, float | None]:
    low, high = np.percentile(draws, _MIDDLE_PERCENT)
    return _rounded(low), _rounded(high)


def _rounded(value: float) -> float | None:
    return round(float(value), 2) if np.isfinite(value) else None


def table(found: frame.Figures) -> str:
    """Format the figures as Markdown tables."""
    lines: list[str] = []
    for level in LEVELS:
        lines += [
            f"| {level} | speakers | correlation | within one | bias | mean error | inside |"
            " one expert: correlation | mean error |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
            *(_row(name, group["speakers"], group[level]) for name, group in _groups(found)),
            "",
        ]
    lines += ["| bias | ours | experts, each against the others |", "|---|--:|--:|"]
    for pair, levels in found["differences"].items():
        lines += [_difference_row(f"{pair}, {level}", one) for level, one in levels.items()]
    return "\n".join(lines)


def _groups(found: frame.Figures) -> Iterable[tuple[str, Mapping[str, Any]]]:
    groups: Mapping[str, Mapping[str, Any]] = found["groups"]
    return groups.items()


def _row(name: str, speakers: int, one: Mapping[str, Any]) -> str:
    cells = [
        name,
        str(speakers),
        f"{cell(one['correlation'])} ({_range(one['interval'], cell)})",
        cell(one["within_speaker"]),
        f"{_points(one['bias'])} ({_range(one['bias_interval'], _points)})",
        _points(one["mean_absolute_error"]),
        cell(one["interval_coverage"]),
        cell(one["one_expert"]["correlation"]),
        _points(one["one_expert"]["mean_absolute_error"]),
    ]
    return f"| {' | '.join(each.strip() for each in cells)} |"


def _difference_row(name: str, one: Mapping[str, Any]) -> str:
    experts = one["experts"] or [None]
    among = _range((min(experts), max(experts)), _points) if one["experts"] else "-"
    return f"| {name} | {_points(one['ours'])} ({_range(one['interval'], _points)}) | {among} |"


def _range(ends: Sequence[float | None], shown: Callable[[float | None], str]) -> str:
    return " to ".join(shown(end).strip() for end in ends)


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def measure(
    corpus: Path, sample: int | None, folds: Path | None, engine: str, processes: int
) -> dict[str, Any]:
    """Analyse the recordings and compare the scores with the experts', by group."""
    utterances = read_corpus(corpus, sample)
    jobs = [Job(utterance, utterance.text) for utterance in utterances]
    if folds:
        jobs = with_folds(jobs, folds)
    finished = zip(utterances, outcomes(jobs, engine, processes), strict=True)
    scored = {one.name: each.comparison for one, each in finished if each.comparison}
    return figures(list(scored.values()), read_ratings(corpus, scored))


if __name__ == "__main__":
    frame.run(
        measure,
        {
            "sample": frame.Size(None, smoke=4, help="recordings, spread evenly over speakers"),
            **OPTIONS,
        },
        show=table,
    )
