"""What a run of `analyze-messages` did, as Markdown for its artifact."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from schema.facts.analysis import AnalysisReport
from schema.facts.quality import Rule
from reports.wording import plain


def summary(
    report: AnalysisReport, *, rules: Mapping[str, Rule], broken_chunks: int, took: timedelta
) -> str:
    """Return a run's summary as Markdown."""
    rows = [
        ("Analysed", report.analyzed),
        ("Failed for good; each message says why", report.failed),
        ("Given back, to be tried again", report.retried),
        ("Quarantined: killed their worker process", report.quarantined),
        ("Deleted or taken over meanwhile", report.lost),
        ("**Claimed in all**", report.claimed),
    ]
    lines = ["| Messages | |", "|---|--:|", *(f"| {what} | {count:,} |" for what, count in rows)]
    if report.causes:
        lines += ["", "| Why not analysed | |", "|---|--:|"]
        lines += [
            f"| {cause.value.replace('_', ' ')} | {count:,} |"
            for cause, count in report.causes.most_common()
        ]
    if report.broken:
        lines += [
            "",
            f"**{report.broken:,} of the analysed break rules of data quality** and are set aside; "
            "`audio_ops.quarantine` says what was observed.",
            "",
            "| Broken rule | |",
            "|---|--:|",
            *(
                f"| {rules[rule].says} | {count:,} |"
                for rule, count in report.broken_rules.most_common()
            ),
        ]
    if report.without_engine:
        lines += ["", "| Waiting for an engine | |", "|---|--:|"]
        lines += [
            f"| {plain(language)} | {count:,} |"
            for language, count in report.without_engine.most_common()
        ]
    if report.scores_put_back:
        lines += ["", f"{report.scores_put_back:,} scores put back after the app saved again."]
    if broken_chunks:
        lines += [
            "",
            f"**{broken_chunks} chunks broke off**; their task runs say why. "
            "Their messages were given back, or are recovered when the lease runs out.",
        ]
    lines += ["", _throughput(report, took.total_seconds())]
    return "\n".join(lines) + "\n"


def told_languages(counts: Counter[str]) -> str:
    """Tell counts by language in one line, the most first: `ja 1,234; ko 12`."""
    return "; ".join(f"{plain(language)} {count:,}" for language, count in counts.most_common())


def _throughput(report: AnalysisReport, seconds: float) -> str:
    if not report.audio_seconds or not seconds:
        return f"Took {seconds:.0f} s; no audio was analysed."
    return (
        f"{report.audio_seconds / 60:.1f} minutes of audio in {seconds:.0f} s: "
        f"{report.audio_seconds / seconds:.0f} times real time, "
        f"{report.audio_seconds / report.cpu_seconds:.0f} times per core."
    )
