"""Kinds of rules: of one column (Great Expectations), or across columns and tables (SQL)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.facts.quality import Rule, RuleFacts

if TYPE_CHECKING:
    from great_expectations.expectations.row_conditions import Column, Condition


@dataclass(frozen=True, slots=True)
class Between:
    """Values of the column lie in `[low, high]`."""

    column: str
    low: int
    high: int | None = None


@dataclass(frozen=True, slots=True)
class OneOf:
    """Values of the column are among these; NULL passes."""

    column: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows have the same value in the column."""

    column: str


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on rows, in SQL and as a Great Expectations condition."""

    sql: str
    condition: "Callable[[type[Column]], Condition]"


@dataclass(frozen=True, slots=True)
class Matches:
    """Values of the column match a regular expression, in all rows or where a condition holds."""

    column: str
    pattern: Callable[[RuleFacts], str]
    where: Where | None = None


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """The column is not NULL, in all rows or in those that meet a condition."""

    column: str
    where: Where | None = None


Expected = Between | OneOf | Matches | Unique | NotEmpty


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule(Rule):
    """A rule of one column; each row breaks at most one of its expectations."""

    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlRule(Rule):
    """A rule across columns and tables.

    Its SQL is NULL where the rule holds or does not apply, otherwise the observed value: figures
    and names, never a learner's text or a part of a URL. Aliases and parameters are those of
    `stores.quality.rule_queries`.
    """

    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRule(Rule):
    """A rule about each word of an analysis and the next one.

    Values are compared as JSON, so that comparing other types raises no error.
    """

    broken: str  # SQL: whether a word breaks the rule
    figures: tuple[str, ...]  # reported for the first such word


InvariantRule = SqlRule | WordRule
