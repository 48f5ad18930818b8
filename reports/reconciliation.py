"""Findings of a run of `reconcile-bucket`, as Markdown for its artifact."""

import json
from collections.abc import Iterable
from datetime import timedelta

from reports.markdown import table
from reports.wording import amount
from schema.facts.bucket import FindingReport, ReconciliationReport
from schema.states import FindingKind
from schema.wording import counted

_ORPHAN_ADVICE = (
    "Nothing refers to these objects, but they cost storage. Run with `repair` on: a message "
    "without a recording adopts the object whose key names it; the next sweep deletes the rest."
)
_NAMES_AND_ADVICE = {
    FindingKind.ROW_WITHOUT_OBJECT: (
        "Rows without an object",
        "The recording is lost, but the app still offers it. Restore it from a backup or an older "
        "version, or have the app mark the message's audio as deleted.",
    ),
    FindingKind.OBJECT_WITHOUT_ROW: ("Objects without a row", _ORPHAN_ADVICE),
    FindingKind.OBJECT_OF_DELETED_ROW: ("Objects of deleted rows", _ORPHAN_ADVICE),
    FindingKind.SIZE_DIFFERENCE: (
        "Size differences",
        "An upload was cut off, or replaced the recording. Listen to it, then correct "
        "`audio_size_bytes` or upload again: costs are counted from that column.",
    ),
}


def summary(report: ReconciliationReport, *, repair: bool, took: timedelta) -> str:
    """Return a run's findings as Markdown."""
    lines = [
        f"{counted(report.objects, 'object')} ({amount(report.size_bytes)}) and "
        f"{counted(report.rows, 'row that refers', 'rows that refer')} to one, in "
        f"{took.total_seconds():.0f} s.",
        "",
    ]
    if report.elsewhere:
        elsewhere = counted(report.elsewhere, "row has a key", "rows have keys")
        lines += [f"Not compared: {elsewhere} outside the prefix.", ""]
    if report.adopted:
        lines += [_adopted(report.adopted, repair=repair), ""]
    if not report.findings:
        return "\n".join([*lines, "**Bucket and messages agree.**"]) + "\n"
    header = ("Found", "", "size", "oldest", "queued")
    lines += table(header, [_row(found) for found in report.findings], align="lrrlr")
    if not repair:
        lines += ["", "Nothing was queued by this run: `repair` is off."]
    for found in report.findings:
        lines += ["", *_details(found)]
    lines += ["", "All findings are in the table `audio_ops.reconciliation_finding`."]
    return "\n".join(lines) + "\n"


def _adopted(count: int, *, repair: bool) -> str:
    early = f"Uploaded before the message was saved: {counted(count, 'object')}"
    if repair:
        return f"{early}, now attached and waiting for analysis."
    return f"{early}; run with `repair` on to attach to a message."


def _row(found: FindingReport) -> tuple[str | int, ...]:
    name, _ = _NAMES_AND_ADVICE[found.kind]
    oldest = f"{found.oldest_at:%Y-%m-%d}"
    return name, found.count, amount(found.size_bytes), oldest, found.queued


def _details(found: FindingReport) -> Iterable[str]:
    name, advice = _NAMES_AND_ADVICE[found.kind]
    yield f"### {name}"
    yield ""
    yield advice
    yield ""
    yield "```"
    yield from (json.dumps(key) for key in found.examples)  # no key can end the block or a line
    yield "```"
