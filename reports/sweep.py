"""Plan and summary of a run of `sweep-retention`, as Markdown for its artifact."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from policy.costs import DAYS_PER_MONTH, storage_cost_usd
from reports.markdown import escaped, table
from reports.wording import amount, wait_for_approval
from schema.facts.deletion import SweepPlan, SweepReport
from schema.states import UserTier
from schema.wording import agreeing, counted


def plan_summary(plan: SweepPlan) -> str:
    """Return the plan of a sweep as Markdown."""
    rows = _by_tier(plan.due, plan.due_bytes, plan.orphans, plan.orphan_bytes)
    lines = [
        f"{due_of_live(plan)}. Plan `{plan_number(plan)}`.",
        "",
        *table(("Due", "objects", "size"), rows),
        "",
        _savings(plan.size_bytes),
    ]
    if plan.oldest_due_at is not None:
        lines.append(f"The oldest has been due since {plan.oldest_due_at:%Y-%m-%d %H:%M} UTC.")
    if plan.overdue:
        lines.append(f"**{counted(plan.overdue, 'is', 'are')} more than 3 days overdue.**")
    if plan.without_expiry:
        lines.append(
            f"{counted(plan.without_expiry, 'recording has', 'recordings have')} no expiry date "
            "yet; "
            "a real sweep sets it."
        )
    return "\n".join([*lines, *_counts("Due, but kept", plan.kept)]) + "\n"


def due_of_live(plan: SweepPlan) -> str:
    """Return how many of how many objects are due."""
    of_all = f"{plan.objects:,} of {counted(plan.live, 'object')}"
    return f"{of_all} {agreeing(plan.objects, 'is', 'are')} due"


def plan_number(plan: SweepPlan) -> str:
    """Return the short number under which this plan is approved."""
    return plan.digest[:12]


def sweep_summary(
    report: SweepReport, *, left: SweepPlan, withdrawn: int, took: timedelta, waited: timedelta
) -> str:
    """Return the summary of a sweep as Markdown.

    Args:
        report: What was deleted, and what was not.
        left: What is still due, before missing expiry dates were set.
        withdrawn: Number of intents of interrupted runs that were withdrawn.
        took: Duration of the run.
        waited: The part of it spent waiting for approval.
    """
    work_seconds = (took - waited).total_seconds()
    rows = _by_tier(report.deleted, report.deleted_bytes, report.orphans, report.orphan_bytes)
    rest = {
        "expired, but another message still uses the object": report.shared,
        "extended to match the owner's current tier": report.extended,
        "given a missing expiry date": report.expiries_set,
        "held or changed just before deletion": report.withdrawn,
        "withdrawn from an interrupted run": withdrawn,
    }
    lines = [
        *table(("Deleted", "objects", "size"), rows),
        "",
        f"{_savings(report.size_bytes)} Took {work_seconds:.0f} s{wait_for_approval(waited)}.",
        *_counts("Messages", Counter(rest)),
        *_counts("Due, but not deleted", report.kept),
        *_counts("Deletion failed", report.failed),
    ]
    if report.broken:
        lines += ["", f"**The sweep stopped early.** {escaped(report.broken)}"]
    if left.objects:
        still_due = counted(left.objects, "object is still due", "objects are still due")
        oldest = f", the oldest since {left.oldest_due_at:%Y-%m-%d}" if left.oldest_due_at else ""
        lines += ["", f"{still_due}{oldest}; the next sweep continues."]
    without_expiry = left.without_expiry - report.expiries_set
    if without_expiry > 0:
        lines += [
            "",
            f"{counted(without_expiry, 'recording has', 'recordings have')} no expiry date, "
            "because the tier or time is unknown.",
        ]
    if left.overdue:
        lines += [
            "",
            f"**{counted(left.overdue, 'recording is', 'recordings are')} more than 3 days "
            "overdue.**",
        ]
    return "\n".join(lines) + "\n"


def _savings(size_bytes: int) -> str:
    usd = storage_cost_usd(size_bytes, DAYS_PER_MONTH)
    return f"Saves ${usd:,.2f} per month." if usd >= 0.01 else "Saves less than a cent per month."


def _by_tier(
    counts: Counter[UserTier], sizes: Counter[UserTier], orphans: int, orphan_bytes: int
) -> Iterable[tuple[str, int, str]]:
    for tier in UserTier:
        if counts[tier]:
            yield tier.value, counts[tier], amount(sizes[tier])
    if orphans:
        yield "orphans", orphans, amount(orphan_bytes)
    yield "**all**", counts.total() + orphans, amount(sizes.total() + orphan_bytes)


def _counts(title: str, counts: Counter[str]) -> list[str]:
    found = [(name, count) for name, count in counts.most_common() if count]
    if not found:
        return []
    return ["", *table((title, ""), found)]
