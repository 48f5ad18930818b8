"""Great Expectations checks the temporary tables, in the transaction that made them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from schema.errors.reporting import RulesUnanswered
from schema.facts.quality import RuleFacts
from schema.states import CheckedTable
from stores.quality.checked_rows import ANALYSIS_TABLE, MESSAGE_TABLE
from stores.quality.datasource import open_datasource
from stores.quality.suites import expectations

if TYPE_CHECKING:
    from great_expectations.core import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations import Expectation
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

OBSERVED_CHARACTERS = 200

# One query counts for all expectations, and no offender is fetched: each failed expectation comes
# with the SQL that finds them. `COMPLETE` would read the table once for each expectation.
_RESULT_FORMAT = {
    "result_format": "BASIC",
    "partial_unexpected_count": 0,
    "unexpected_index_column_names": ["message_id"],
    "return_unexpected_index_query": True,
}
_CHECKED_TABLES = {CheckedTable.MESSAGES: MESSAGE_TABLE, CheckedTable.ANALYSES: ANALYSIS_TABLE}
_OFFENDERS = "unexpected_index_query"
_INVARIANT = "expect_column_values_to_be_null"


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows a rule looked at, and how many of these break it."""

    checked: int
    broken: int


@dataclass(frozen=True, slots=True)
class Validation:
    """What Great Expectations found."""

    counts: Mapping[str, Counts]  # by rule
    results: Mapping[str, Mapping[str, Any]]  # by table: as JSON, without SQL; for Data Docs


def validate(connection: Connection, facts: RuleFacts) -> Validation:
    """Check all rules of rows; note in `broken` which messages break a rule of one column.

    Rules across columns and tables are only counted: what breaks them is in columns of their names.

    Args:
        connection: Where `checked_rows.create` has made its tables, in the same transaction; it
            is neither committed nor rolled back.
        facts: What rows are compared with.

    Raises:
        RulesUnanswered: If a rule could not be checked. What the database said about it is left
            out, since it may quote a row.
    """
    counts: dict[str, Counts] = {}
    results = {}
    for table, checked_table in _CHECKED_TABLES.items():
        validated = _validate(connection, table.value, checked_table, expectations(table, facts))
        for answer in validated.results:
            _count(counts, answer)
            if _broken(answer) and answer.expectation_config.type != _INVARIANT:
                _note_offenders(connection, answer)
        results[table.value] = _without_sql(validated)
    return Validation(counts, results)


def _validate(
    connection: Connection, table: str, checked_table: str, expected: "Sequence[Expectation]"
) -> "ExpectationSuiteValidationResult":
    """Return the answers, of which none is missing."""
    from great_expectations import ExpectationSuite, ValidationDefinition

    suite = ExpectationSuite(table, expectations=list(expected))
    try:
        context, datasource = open_datasource(connection)
        asset = datasource.add_table_asset(table, table_name=checked_table)
        rows = asset.add_batch_definition_whole_table("rows")
        definition = ValidationDefinition(name=table, data=rows, suite=context.suites.add(suite))
        validated = context.validation_definitions.add(definition).run(result_format=_RESULT_FORMAT)
    except ConnectionError:  # it has tried to connect, or to reach the table
        unanswered = Counter(map(_rule, expected))
    else:
        unanswered = Counter(map(_rule, expected)) - Counter(
            _rule(answer.expectation_config) for answer in validated.results if _answered(answer)
        )
    if unanswered:
        driver = connection.connection.driver_connection
        if driver is not None and driver.broken:
            connection.exec_driver_sql("SELECT")  # raises what callers try again after
        raise RulesUnanswered(tuple(sorted(unanswered)))
    return validated


def _rule(expectation: "Expectation | ExpectationConfiguration") -> str:
    return str(expectation.meta["rule"])


def _answered(answer: "ExpectationValidationResult") -> bool:
    rows, broken = (answer.result.get(name) for name in ("element_count", "unexpected_count"))
    return rows == 0 or None not in (rows, broken)  # nothing can be summed up in an empty table


def _broken(answer: "ExpectationValidationResult") -> int:
    return answer.result["unexpected_count"] or 0


def _count(counts: dict[str, Counts], answer: "ExpectationValidationResult") -> None:
    """Add one answer; expectations of the same rule find different rows."""
    before = counts.get(_rule(answer.expectation_config), Counts(0, 0))
    checked = answer.result["element_count"] - answer.result.get("missing_count", 0)
    counts[_rule(answer.expectation_config)] = Counts(
        max(before.checked, checked), before.broken + _broken(answer)
    )


def _note_offenders(connection: Connection, answer: "ExpectationValidationResult") -> None:
    """Insert who breaks a rule of one column into `broken`, without fetching them."""
    config = answer.expectation_config
    offenders = answer.result[_OFFENDERS].rstrip().removesuffix(";")
    if where := config.meta.get("where"):
        offenders += f" AND ({where})"  # it leaves out the expectation's own condition
    noted = connection.exec_driver_sql(
        "INSERT INTO broken (message_id, rule, observed)"  # noqa: S608 - its SQL and our names
        " SELECT message_id, %(rule)s, left(%(column)s || COALESCE(' ' || observed, ' is empty'), "
        f"{OBSERVED_CHARACTERS}) FROM ({offenders}) AS offender (message_id, observed)",
        {"rule": _rule(answer.expectation_config), "column": config.kwargs["column"]},
    ).rowcount
    if noted != _broken(answer):
        raise RulesUnanswered((_rule(answer.expectation_config),))


def _without_sql(validated: "ExpectationSuiteValidationResult") -> dict[str, Any]:
    result: dict[str, Any] = validated.to_json_dict()
    for answer in result["results"]:
        del answer["result"][_OFFENDERS]
    return result
