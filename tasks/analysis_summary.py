"""What a run of `analyze-messages` did, as Markdown for its artifact."""

from datetime import timedelta

from policy.quality import RULES
from schema.reports import AnalysisReport


def summary(report: AnalysisReport, *, broken_chunks: int, took: timedelta) -> str:
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
                f"| {RULES[rule].says} | {count:,} |"
                for rule, count in report.broken_rules.most_common()
            ),
        ]
    if broken_chunks:
        lines += [
            "",
            f"**{broken_chunks} chunks broke off**; their task runs say why. "
            "Their messages were given back, or are recovered when the lease runs out.",
        ]
    lines += ["", _throughput(report, took.total_seconds())]
    return "\n".join(lines) + "\n"


def _throughput(report: AnalysisReport, seconds: float) -> str:
    if not report.audio_seconds or not seconds:
        return f"Took {seconds:.0f} s; no audio was analysed."
    return (
        f"{report.audio_seconds / 60:.1f} minutes of audio in {seconds:.0f} s: "
        f"{report.audio_seconds / seconds:.0f} times real time, "
        f"{report.audio_seconds / report.cpu_seconds:.0f} times per core."
    )
