"""Summary of a run of `refresh-signed-urls`, as Markdown for its artifact."""

from datetime import timedelta

from reports.markdown import table
from schema.facts.urls import UrlReport
from schema.wording import agreeing, counted


def summary(report: UrlReport, *, broken_spans: int, dry_run: bool, took: timedelta) -> str:
    """Return a run's summary as Markdown."""
    rows = [
        ("To be signed; a dry run writes nothing" if dry_run else "Signed", report.signed),
        ("Already fresh", report.fresh),
        ("Skipped: the learner was not active recently", report.inactive),
        ("No URL: the audio is due for deletion or being deleted", report.due),
        ("Refused and quarantined: the key is not one of ours", report.refused),
        ("Changed in the meantime; left to the next run", report.changed),
    ]
    lines = table(("Messages", ""), rows)
    if report.refused:
        lines += [
            "",
            f"**{counted(report.refused, 'key is', 'keys are')} refused**: "
            "`audio_ops.quarantine` lists "
            f"{agreeing(report.refused, 'its message', 'their messages')} under the rule "
            "`storage_key`; no URL is signed until `audio_storage_key` is corrected.",
        ]
    if report.unreadable:
        lines += [
            "",
            f"**{counted(report.unreadable, 'message has', 'messages have')} a retention expiry "
            "that is no date**, such as infinity, and no URL until `audio_retention_expires_at` is "
            "corrected: see the rule `readable_times` in `audio_ops.quarantine`.",
        ]
    if broken_spans:
        lines += [
            "",
            f"**{counted(broken_spans, 'span')} failed**; see the task runs for the cause. "
            "The next run processes the rest.",
        ]
    seconds = took.total_seconds()
    pace = f", {report.signed / seconds:,.0f} URLs/s" if report.signed and seconds else ""
    lines += ["", f"Took {seconds:.0f} s{pace}."]
    return "\n".join(lines) + "\n"
