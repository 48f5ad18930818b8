"""Summary of a run of `analyze-messages`, as Markdown for its artifact."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from reports.markdown import table
from reports.wording import plain
from schema.facts.analysis import AnalysisReport
from schema.facts.quality import Rule
from schema.wording import agreeing, counted


def summary(
    report: AnalysisReport, *, rules: Mapping[str, Rule], broken_chunks: int, took: timedelta
) -> str:
    """Return a run's summary as Markdown."""
    rows = [
        ("Analysed", report.analyzed),
        ("Failed permanently; each message shows its cause", report.failed),
        ("Returned to the queue for a retry", report.retried),
        ("Quarantined: killed their worker process", report.quarantined),
        ("Deleted or taken over in the meantime", report.lost),
        ("**Claimed in total**", report.claimed),
    ]
    lines = table(("Messages", ""), rows)
    if report.causes:
        causes = report.causes.most_common()
        named = [(cause.value.replace("_", " "), count) for cause, count in causes]
        lines += ["", *table(("Why not analysed", ""), named)]
    if report.broken:
        lines += [
            "",
            f"**{report.broken:,} of these analyses "
            f"{agreeing(report.broken, 'breaks', 'break')} data quality rules** and "
            f"{agreeing(report.broken, 'is', 'are')} quarantined; `audio_ops.quarantine` shows "
            "what was observed.",
            "",
            *table(
                ("Broken rule", ""),
                [(rules[rule].says, count) for rule, count in report.broken_rules.most_common()],
            ),
        ]
    if report.without_engine:
        waiting = report.without_engine.most_common()
        named = [(plain(language), count) for language, count in waiting]
        lines += ["", *table(("Waiting for an engine", ""), named)]
    if report.scores_put_back:
        lines += [
            "",
            f"{counted(report.scores_put_back, 'score')} restored that the app had cleared.",
        ]
    if broken_chunks:
        lines += [
            "",
            f"**{counted(broken_chunks, 'chunk')} failed**; see the task runs for the cause. "
            "The messages were returned to the queue, or will be when their leases expire.",
        ]
    lines += ["", _throughput(report, took.total_seconds())]
    return "\n".join(lines) + "\n"


def languages_line(counts: Counter[str]) -> str:
    """Return counts by language as one line, largest first: `ja 1,234; ko 12`."""
    return "; ".join(f"{plain(language)} {count:,}" for language, count in counts.most_common())


def _throughput(report: AnalysisReport, seconds: float) -> str:
    if not report.audio_seconds or not seconds:
        return f"Took {seconds:.0f} s; no audio was analysed."
    return (
        f"{report.audio_seconds / 60:.1f} minutes of audio in {seconds:.0f} s: "
        f"{report.audio_seconds / seconds:.0f} times real time, "
        f"{report.audio_seconds / report.cpu_seconds:.0f} times per core."
    )
