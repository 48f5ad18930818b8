"""What a suite has to know of a rule, and how Great Expectations is told it."""

from typing import TYPE_CHECKING, Any, Protocol

from schema.states import Severity

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation

_SEVERITIES = {Severity.WARN: "warning", Severity.FAIL: "critical"}


class AskedRule(Protocol):
    """A rule as policy states it."""

    @property
    def name(self) -> str:
        """What its results, and its column of a checked table if it has one, are called."""

    @property
    def severity(self) -> Severity:
        """What it does to the check when it is broken."""

    @property
    def says(self) -> str:
        """What holds, in words for a person."""


def told(rule: AskedRule, **more: str) -> dict[str, Any]:
    """Return what every expectation of a rule is given; `more` goes to its meta data."""
    return {
        "meta": {"rule": rule.name, **more},
        "severity": _SEVERITIES[rule.severity],
        "description": f"{rule.name}: {rule.says}",
    }


def invariant(rule: AskedRule) -> "Expectation":
    """Return the expectation that nothing was observed in the column of the rule's name."""
    from great_expectations.expectations import ExpectColumnValuesToBeNull

    return ExpectColumnValuesToBeNull(column=rule.name, **told(rule))
