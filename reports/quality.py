"""Results of a data quality check, as Markdown for its artifact."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from reports.markdown import escaped, table
from schema.facts.quality import QualityReport, Rule, RuleResult
from schema.states import CheckScope, Severity
from schema.wording import agreeing, counted

_SCOPES = {
    CheckScope.CHANGED: "changed since the last check",
    CheckScope.EVERYTHING: "all messages",
    CheckScope.WINDOW: "from the chosen window",
}
_NO_RULE_BROKEN = "**Every rule holds.**"
_ADVICE = (
    "Nothing was repaired. Each case is in `audio_ops.quarantine` with the observed value, and is "
    "closed by the first check in which the rule holds again."
)


def summary(
    report: QualityReport,
    *,
    rules: Mapping[str, Rule],
    earlier: Mapping[str, Sequence[int]],
    allowed_percent: float,
    took: timedelta,
) -> str:
    """Return a check's results as Markdown.

    Args:
        report: The results.
        rules: All rules, by name.
        earlier: How many rows broke each rule in earlier checks, oldest first.
        allowed_percent: Share of failing messages above which the check fails.
        took: Duration of the check.
    """
    broken = [result for result in report.results if result.broken]
    held = [result for result in report.results if not result.broken]
    lines = [
        f"{counted(report.checked, 'message')} checked ({_SCOPES[report.scope]}) in "
        f"{took.total_seconds():.0f} s. **{counted(report.failing, 'breaks', 'break')} a rule "
        "that fails the check: "
        f"{report.failing_percent:.3g} %**; the limit is {allowed_percent:g} %. The bucket lacks "
        f"**{report.missing:,} of {report.sampled:,}** randomly sampled "
        f"{agreeing(report.sampled, 'recording', 'recordings')}. Quarantined "
        "messages that have not changed count in the table only.",
        "",
    ]
    if broken:
        lines += [*_broken_table(broken, rules, earlier), "", *_examples(broken), _ADVICE, ""]
    else:
        lines += [_NO_RULE_BROKEN, ""]
    lines += [
        f"Quarantine: {counted(report.quarantined, 'case')} opened, {report.released:,} closed.",
        "",
        *table(
            ("Rules that hold", "", "rows", "broken before"),
            [(*_rule(result, rules), result.checked, _before(result, earlier)) for result in held],
            align="llrl",
        ),
    ]
    if report.bucket_problem:
        lines += ["", f"**The bucket could not be sampled:** {escaped(report.bucket_problem)}"]
    return "\n".join(lines) + "\n"


def _broken_table(
    broken: Iterable[RuleResult],
    rules: Mapping[str, Rule],
    earlier: Mapping[str, Sequence[int]],
) -> list[str]:
    # Failing rules first, then by the number of rows that break them.
    ordered = sorted(broken, key=lambda r: (r.severity is not Severity.FAIL, -r.broken))
    rows = [
        (
            *_rule(result, rules),
            "**fails**" if result.severity is Severity.FAIL else "warns",
            result.broken,
            result.checked,
            _before(result, earlier),
        )
        for result in ordered
    ]
    header = ("Broken rule", "what should hold", "", "broken", "rows", "broken before")
    return table(header, rows, align="lllrrl")


def _rule(result: RuleResult, rules: Mapping[str, Rule]) -> tuple[str, str]:
    return f"`{result.rule}`", rules[result.rule].says


def _before(result: RuleResult, earlier: Mapping[str, Sequence[int]]) -> str:
    return ", ".join(f"{count:,}" for count in earlier.get(result.rule, ())) or "-"


def _examples(broken: Iterable[RuleResult]) -> Iterable[str]:
    yield "Messages, for example:"
    yield ""
    yield "```"
    for result in broken:  # as JSON, so that no id can end the block or a line
        yield f"{result.rule}: {', '.join(json.dumps(example) for example in result.examples)}"
    yield "```"
    yield ""
