"""Plan, first sample and final report of a backfill, as Markdown."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from policy.backfill import BackfillEstimate
from policy.score_changes import Change, Comparison
from reports.markdown import table
from reports.wording import amount, dollars, duration, plain, wait_for_approval
from schema.facts.analysis import EngineRelease
from schema.facts.backfill import BackfillPlan, BackfillProgress, RescoredMessage
from schema.facts.quality import Rule
from schema.states import BackfillOutcome
from schema.wording import counted

_OUTCOMES = {
    BackfillOutcome.ANALYZED: "Analysed",
    BackfillOutcome.FAILED: "Failed; an earlier analysis is kept",
    BackfillOutcome.QUARANTINED: "Quarantined: killed their worker process",
    BackfillOutcome.GONE: "Audio deleted in the meantime",
    BackfillOutcome.LIVE: "Uploaded again: left to the live pipeline",
    BackfillOutcome.NEWER: "Analysed by a newer version in the meantime",
    BackfillOutcome.UNDONE: "Undone",
}


def plan_summary(plan: BackfillPlan, estimate: BackfillEstimate, release: EngineRelease) -> str:
    """Return the plan of a backfill as Markdown."""
    rows = [
        ("**Would be analysed**", counted(estimate.messages, "message")),
        ("Audio", duration(60 * estimate.audio_hours)),
        ("CPU", f"{_hours(estimate.cpu_hours)}, about {dollars(estimate.cpu_usd)}"),
        ("Wall time", _hours(estimate.wall_hours)),
        ("Reading the bucket", f"{amount(plan.bytes)} in total, {dollars(estimate.reading_usd)}"),
        ("Audio already deleted", f"{plan.gone:,}"),
        ("Analysed by a newer version, left alone", f"{plan.newer:,}"),
        ("In another backfill of this version, or done by it", f"{plan.done:,}"),
    ]
    lines = [f"By **{release}**. Nothing has been changed yet.", "", *table(("", ""), rows)]
    pace = "measured over 30 days"
    if not estimate.is_measured:
        pace = "an assumption; nothing has been measured yet"
    lines += ["", f"At {estimate.times_real_time:.0f} times real time on one core, {pace}."]
    if estimate.messages < plan.messages:
        lines += [f"The selection holds {counted(plan.messages, 'message')}, more than the limit."]
    if plan.unknown_languages:
        unknown = ", ".join(
            f"{plain(language)} ({count:,})"
            for language, count in plan.unknown_languages.most_common()
        )
        lines += ["", f"Left out, because the engine does not support the language: {unknown}."]
    if plan.groups:
        groups = [
            (plain(g.language), plain(g.stored), g.messages, duration(g.audio_seconds / 60))
            for g in plan.groups
        ]
        header = ("Language", "Stored analysis", "Messages", "Audio")
        lines += ["", *table(header, groups, align="llrr")]
    return "\n".join(lines) + "\n"


def canary_summary(
    sample: BackfillProgress,
    most_changed: Sequence[RescoredMessage],
    comparison: Comparison | None,
    objection: str | None,
) -> str:
    """Return the comparison of the first sample with the stored analyses as Markdown."""
    if comparison is None:
        verdict = "No stored analysis has scores to compare with."
    else:
        verdict = "The changes are small."
    lines = [f"**Approval needed: {objection}.**" if objection else verdict, ""]
    lines += _outcomes(sample)
    if comparison is None:
        return "\n".join(lines) + "\n"
    lines += ["", *_comparisons({"the sample": comparison})]
    lines += ["", "Messages whose accuracy changed most:", ""]
    lines += table(
        ("Message", "Accuracy before", "after", "Fluency before", "after"),
        [
            (
                plain(one.message_id),
                one.accuracy_before,
                one.accuracy_after,
                one.fluency_before,
                one.fluency_after,
            )
            for one in most_changed
        ],
    )
    return "\n".join(lines) + "\n"


def report_summary(
    backfill_id: int,
    progress: BackfillProgress,
    languages: Mapping[str, Comparison],
    *,
    rules: Mapping[str, Rule],
    broken: Mapping[str, int],
    took: timedelta,
    waited: timedelta,
) -> str:
    """Return the report of a backfill as Markdown.

    Args:
        backfill_id: Number of the backfill.
        progress: Messages by outcome.
        languages: Scores before and after, by language.
        rules: All rules of data quality, by name.
        broken: Number of analyses that break each rule.
        took: Duration of this run.
        waited: The part of it spent waiting for approval.
    """
    lines = [f"Backfill {backfill_id}.", "", *_outcomes(progress)]
    if progress.open:
        lines += [
            "",
            f"**{counted(progress.open, 'is', 'are')} left**: run it again with `resume` "
            f"{backfill_id}.",
        ]
    if progress.causes:
        causes = progress.causes.most_common()
        named = [(plain(cause.replace("_", " ")), count) for cause, count in causes]
        lines += ["", *table(("Why not analysed", ""), named)]
    if broken:
        named = [(rules[rule].says, count) for rule, count in broken.items()]
        lines += ["", *table(("Broken rule; see `audio_ops.quarantine`", ""), named)]
    if languages:
        lines += ["", *_comparisons(languages)]
    lines += ["", _throughput(progress, took, waited)]
    lines += [
        f"To undo it, run `undo-backfill` with `backfill_id` {backfill_id}, a `reason` and "
        "`dry_run` off. To discard what it overwrote: "
        f"`kaiwa-audio backfill release {backfill_id}`."
    ]
    return "\n".join(lines) + "\n"


def undo_summary(backfill_id: int, *, standing: int, changed: int, undone: int | None) -> str:
    """Return the result of undoing a backfill, or of a dry run, as Markdown.

    Args:
        backfill_id: Number of the backfill.
        standing: Analyses that are still as the backfill wrote them.
        changed: Analyses overwritten since by something else.
        undone: Messages restored; None: a dry run.
    """
    label, count, lines = "Restored", undone or 0, [f"Backfill {backfill_id}."]
    if undone is None:
        label, count = "Would be restored", standing
        lines = [
            "**Dry run: nothing was undone.** To restore these messages, run `undo-backfill` again "
            f"with `backfill_id` {backfill_id}, a `reason` and `dry_run` off."
        ]
    rows = [
        (f"**{label} to their earlier state**", count),
        ("Analysed again since, left unchanged", changed),
    ]
    return "\n".join([*lines, "", *table(("Messages", ""), rows)]) + "\n"


def _outcomes(progress: BackfillProgress) -> list[str]:
    rows = [
        (label, progress.outcomes[outcome])
        for outcome, label in _OUTCOMES.items()
        if progress.outcomes[outcome] or outcome is BackfillOutcome.ANALYZED
    ]
    return table(("Messages", ""), [*rows, ("**Selected**", progress.selected)])


def _comparisons(compared: Mapping[str, Comparison]) -> list[str]:
    header = (
        "Scores of",
        "",
        "Messages",
        "Mean before",
        "after",
        "Shift",
        "Median shift",
        "80 % of shifts",
        "Rank correlation",
    )
    rows = [
        (plain(name), score, *_cells(change))
        for name, comparison in compared.items()
        for score, change in (
            ("accuracy", comparison.accuracy),
            ("fluency", comparison.fluency),
        )
    ]
    return table(header, rows, align="llrrrrrrr")


def _cells(change: Change) -> tuple[str | int, ...]:
    correlation = change.rank_correlation
    return (
        change.messages,
        f"{change.mean_before:.1f}",
        f"{change.mean_after:.1f}",
        f"{change.mean_shift:+.1f}",
        f"{change.median_shift:+.1f}",
        f"{change.lowest_decile:+.0f} to {change.highest_decile:+.0f}",
        "-" if correlation is None else f"{correlation:.2f}",
    )


def _throughput(progress: BackfillProgress, took: timedelta, waited: timedelta) -> str:
    work_seconds = (took - waited).total_seconds()
    if not progress.cpu_seconds:
        return f"Took {work_seconds:.0f} s{wait_for_approval(waited)}; no audio was analysed."
    return (
        f"{duration(progress.audio_seconds / 60)} of audio, "
        f"{progress.audio_seconds / progress.cpu_seconds:.0f} times real time per core; "
        f"this run took {_hours(work_seconds / 3600)}{wait_for_approval(waited)}."
    )


def _hours(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} h"
    return f"{60 * hours:.1f} min" if hours >= 1 / 60 else f"{3600 * hours:.0f} s"
