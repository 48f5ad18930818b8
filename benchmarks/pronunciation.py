"""Measure the scores' agreement with experts, and the speed of the engine.

    python benchmarks/pronunciation.py --corpus DIR [--sample N] [--folds DIR] [--processes N]
                                       [--engine ENGINE] [--smoke] [--json]

Decodes and analyses every recording of the corpus (see `training/corpus.py`), and prints Pearson
correlations with the experts' mean and, if available, median (words and phones have none), and how
well mispronounced phones are found (`benchmarks/diagnosis.py`). Refused recordings have no scores:
they are counted and left out. Intervals are the middle 95 % of correlations when speakers are
resampled (bootstrap). `interval_coverage` is the share of the experts' means inside the 90 %
intervals that the engine gives with its scores. Speed is CPU time of one thread; measure it with
one process, since several slow each other down.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import frame
from benchmarks.analysed_corpus import ENGINE, Job, Outcome, outcomes, with_folds
from benchmarks.diagnosis import diagnosis
from benchmarks.expert_agreement import LEVELS, Comparison, agreement, agreement_by_level
from training.corpus import UTTERANCE_SCORES, read_corpus


def figures(finished: Sequence[Outcome]) -> dict[str, Any]:
    """Return all figures by name; None for undefined correlations."""
    compared = [outcome.comparison for outcome in finished if outcome.comparison]
    means = agreement_by_level(compared)
    medians = {
        name: agreement(
            [(one.speaker, one.medians[name]) for one in compared if name in one.medians]
        )
        for name in UTTERANCE_SCORES
    }
    return {
        **{level: found.overall for level, found in means.items()},
        "interval": {level: found.interval for level, found in means.items()},
        "median": {name: found.overall for name, found in medians.items()},
        "interval_coverage": {level: coverage(compared, level) for level in LEVELS},
        "by_speaker": {level: found.between_speakers for level, found in means.items()},
        "within_speaker": {level: found.within_speakers for level, found in means.items()},
        **diagnosis(compared),
        "utterances": len(finished),
        "scored": len(compared),
        "rejected": sum(outcome.is_rejected for outcome in finished),
        "failed": sum(outcome.is_failure for outcome in finished),
        "causes": dict(Counter(outcome.cause for outcome in finished if outcome.cause)),
        **_speed(finished),
    }


def coverage(compared: Sequence[Comparison], level: str) -> float | None:
    """Return the share of the experts' means that are inside our intervals."""
    inside = [one.covered(level) for one in compared]
    return round(float(np.mean(np.concatenate(inside))), 4) if inside else None


def _speed(finished: Sequence[Outcome]) -> dict[str, float | None]:
    """Return the speed on scored recordings only, since a refusal takes less time."""
    scored = [outcome for outcome in finished if outcome.comparison]
    audio_seconds = sum(outcome.seconds for outcome in scored)
    analyzing = sum(outcome.analyze_cpu_seconds for outcome in scored)
    decoding = sum(outcome.decode_cpu_seconds for outcome in scored)
    return {
        "audio_seconds": round(audio_seconds, 1),
        "times_real_time": round(audio_seconds / analyzing, 1) if scored else None,
        "times_real_time_with_decoding": (
            round(audio_seconds / (analyzing + decoding), 1) if scored else None
        ),
    }


def table(found: frame.Figures) -> str:
    """Format the figures for people."""
    lines = [f"{'':10}  mean   95 % interval  median  by speaker  within one  in our interval"]
    for level in LEVELS:
        low, high = found["interval"][level]
        lines.append(
            f"{level:10} {cell(found[level])}  {cell(low)} to {cell(high)}  "
            f"{cell(found['median'].get(level))}       {cell(found['by_speaker'][level])}"
            f"       {cell(found['within_speaker'][level])}"
            f"       {cell(found['interval_coverage'][level])}"
        )
    lines += [
        f"phones: squared error {cell(found['phone_mse'])}; mispronounced ones: F1 "
        f"{cell(found['diagnosis_f1'])}, precision {cell(found['diagnosis_precision'])}, recall "
        f"{cell(found['diagnosis_recall'])}",
        f"{found['scored']} of {found['utterances']} recordings scored, {found['rejected']} "
        f"refused, {found['failed']} failed {found['causes'] or ''}".rstrip(),
        f"{found['times_real_time']} x real time, "
        f"{found['times_real_time_with_decoding']} with decoding",
    ]
    return "\n".join(lines)


def cell(value: float | None) -> str:
    """Format a figure in five characters, None as a dash."""
    return "    -" if value is None else f"{value:5.3f}"


def measure(
    corpus: Path, sample: int | None, folds: Path | None, engine: str, processes: int
) -> dict[str, Any]:
    """Analyse the recordings and compare the scores with the experts'."""
    jobs = [Job(utterance, utterance.text) for utterance in read_corpus(corpus, sample)]
    if folds:
        jobs = with_folds(jobs, folds)
    return figures(list(outcomes(jobs, engine, processes)))


OPTIONS: dict[str, frame.Size | frame.Folder | frame.Choice] = {
    "corpus": frame.Folder("folder of rated recordings", required=True),
    "folds": frame.Folder("models that were each trained without some speakers"),
    "engine": ENGINE,
    "processes": frame.Size(1, smoke=1, help="processes; more than one spoils the speed"),
}

if __name__ == "__main__":
    frame.run(
        measure,
        {
            "sample": frame.Size(None, smoke=4, help="recordings, spread evenly over speakers"),
            **OPTIONS,
        },
        show=table,
    )
