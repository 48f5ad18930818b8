"""Validate the temporary tables with Great Expectations, in the transaction that created them."""

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

# One query counts for all expectations and fetches no unexpected rows: each failed expectation
# provides the SQL that finds them. `COMPLETE` would read the table once per expectation.
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
    """How many rows a rule checked, and how many of them break it."""

    checked: int
    broken: int


@dataclass(frozen=True, slots=True)
class Validation:
    """Results of Great Expectations."""

    counts: Mapping[str, Counts]  # by rule
    results: Mapping[str, Mapping[str, Any]]  # by table; as JSON without SQL, for Data Docs


def validate(connection: Connection, facts: RuleFacts) -> Validation:
    """Check all row rules; insert messages that break a rule of one column into `broken`.

    Rules across columns and tables are only counted: their columns name the broken messages.

    Args:
        connection: In the transaction in which `checked_rows.create` created its tables; it is
            neither committed nor rolled back.
        facts: What rows are compared with.

    Raises:
        RulesUnanswered: If a rule could not be checked. The database's message is omitted, since
            it may quote a row.
    """
    counts: dict[str, Counts] = {}
    results = {}
    for table, checked_table in _CHECKED_TABLES.items():
        validated = _validate(connection, table.value, checked_table, expectations(table, facts))
        for answer in validated.results:
            _count(counts, answer)
            if _broken(answer) and answer.expectation_config.type != _INVARIANT:
                _insert_broken(connection, answer)
        results[table.value] = _without_sql(validated)
    return Validation(counts, results)


def _validate(
    connection: Connection, table: str, checked_table: str, expected: "Sequence[Expectation]"
) -> "ExpectationSuiteValidationResult":
    """Return the results, with an answer for every expectation."""
    from great_expectations import ExpectationSuite, ValidationDefinition

    suite = ExpectationSuite(table, expectations=list(expected))
    try:
        context, datasource = open_datasource(connection)
        asset = datasource.add_table_asset(table, table_name=checked_table)
        rows = asset.add_batch_definition_whole_table("rows")
        definition = ValidationDefinition(name=table, data=rows, suite=context.suites.add(suite))
        validated = context.validation_definitions.add(definition).run(result_format=_RESULT_FORMAT)
    except ConnectionError:  # it could not connect, or not find the table
        unanswered = Counter(map(_rule, expected))
    else:
        unanswered = Counter(map(_rule, expected)) - Counter(
            _rule(answer.expectation_config) for answer in validated.results if _answered(answer)
        )
    if unanswered:
        driver = connection.connection.driver_connection
        if driver is not None and driver.broken:
            connection.exec_driver_sql("SELECT")  # raises the error on which callers retry
        raise RulesUnanswered(tuple(sorted(unanswered)))
    return validated


def _rule(expectation: "Expectation | ExpectationConfiguration") -> str:
    return str(expectation.meta["rule"])


def _answered(answer: "ExpectationValidationResult") -> bool:
    rows, broken = (answer.result.get(name) for name in ("element_count", "unexpected_count"))
    return rows == 0 or None not in (rows, broken)  # an empty table has no sums


def _broken(answer: "ExpectationValidationResult") -> int:
    return answer.result["unexpected_count"] or 0


def _count(counts: dict[str, Counts], answer: "ExpectationValidationResult") -> None:
    """Add one answer; a row breaks at most one expectation of a rule."""
    before = counts.get(_rule(answer.expectation_config), Counts(0, 0))
    checked = answer.result["element_count"] - answer.result.get("missing_count", 0)
    counts[_rule(answer.expectation_config)] = Counts(
        max(before.checked, checked), before.broken + _broken(answer)
    )


def _insert_broken(connection: Connection, answer: "ExpectationValidationResult") -> None:
    """Insert the messages that break a rule of one column into `broken`, without fetching them."""
    config = answer.expectation_config
    offenders = answer.result[_OFFENDERS].rstrip().removesuffix(";")
    if where := config.meta.get("where"):
        offenders += f" AND ({where})"  # Great Expectations omits the expectation's condition
    inserted = connection.exec_driver_sql(
        "INSERT INTO broken (message_id, rule, observed)"  # noqa: S608 - its SQL and our names
        " SELECT message_id, %(rule)s, left(%(column)s || COALESCE(' ' || observed, ' is empty'), "
        f"{OBSERVED_CHARACTERS}) FROM ({offenders}) AS offender (message_id, observed)",
        {"rule": _rule(answer.expectation_config), "column": config.kwargs["column"]},
    ).rowcount
    if inserted != _broken(answer):
        raise RulesUnanswered((_rule(answer.expectation_config),))


def _without_sql(validated: "ExpectationSuiteValidationResult") -> dict[str, Any]:
    result: dict[str, Any] = validated.to_json_dict()
    for answer in result["results"]:
        del answer["result"][_OFFENDERS]
    return result
