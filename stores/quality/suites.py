"""Great Expectations' expectations of each checked table, built from its rules."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from schema.facts.quality import RuleFacts
from schema.states import CheckedTable, Severity
from stores.quality.rules.catalogue import ROW_RULES
from stores.quality.rules.kinds import (
    Between,
    ColumnRule,
    Expected,
    InvariantRule,
    Matches,
    NotEmpty,
    OneOf,
    Unique,
)

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

_SEVERITIES = {Severity.WARN: "warning", Severity.FAIL: "critical"}


def expectations(table: CheckedTable, facts: RuleFacts) -> "list[Expectation]":
    """Return the expectations of a table, in the order of its rules.

    For a rule across columns and tables: that the column with its name is NULL.
    """
    return [
        expectation
        for rule in ROW_RULES
        if rule.table is table
        for expectation in _expectations(rule, facts)
    ]


def _expectations(rule: ColumnRule | InvariantRule, facts: RuleFacts) -> "Iterable[Expectation]":
    shown: dict[str, Any] = {
        "meta": {"rule": rule.name},
        "severity": _SEVERITIES[rule.severity],
        "description": f"{rule.name}: {rule.says}",
    }
    if isinstance(rule, ColumnRule):
        return [_expectation(expected, facts, shown) for expected in rule.expected]
    from great_expectations.expectations import ExpectColumnValuesToBeNull

    return [ExpectColumnValuesToBeNull(column=rule.name, **shown)]


def _expectation(expected: Expected, facts: RuleFacts, shown: dict[str, Any]) -> "Expectation":
    from great_expectations import expectations as gxe
    from great_expectations.expectations.row_conditions import Column

    shown = shown | {"column": expected.column}
    if isinstance(expected, Matches | NotEmpty) and expected.where is not None:
        # The SQL that finds unexpected rows lacks the condition; see `validation`.
        shown["meta"] = shown["meta"] | {"where": expected.where.sql}
        shown["row_condition"] = expected.where.condition(Column)
    match expected:
        case Between():
            return gxe.ExpectColumnValuesToBeBetween(
                min_value=expected.low, max_value=expected.high, **shown
            )
        case OneOf():
            return gxe.ExpectColumnValuesToBeInSet(value_set=list(expected.values), **shown)
        case Matches():
            return gxe.ExpectColumnValuesToMatchRegex(regex=expected.pattern(facts), **shown)
        case Unique():
            return gxe.ExpectColumnValuesToBeUnique(**shown)
        case NotEmpty():
            return gxe.ExpectColumnValuesToNotBeNull(**shown)
