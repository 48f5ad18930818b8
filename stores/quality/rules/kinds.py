"""Kinds of rules: of one column, for Great Expectations, or across columns and tables, as SQL."""

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
    """Values of the column are among these; an empty one passes."""

    column: str
    values: tuple[str, ...] | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """Values of the column match a regular expression."""

    column: str
    pattern: Callable[[RuleFacts], str]


@dataclass(frozen=True, slots=True)
class Unique:
    """No two rows have the same value in the column."""

    column: str


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on rows, in SQL and in Great Expectations' own words."""

    sql: str
    condition: "Callable[[type[Column]], Condition]"


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """The column has a value, in all rows or in those of a condition."""

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

    Its SQL is NULL where the rule holds or does not apply, else what was observed: figures and
    names, never what a learner said, a URL or a part of one. Aliases and arguments are those of
    `stores.quality.rule_queries`.
    """

    observed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WordRule(Rule):
    """A rule of each word of an analysis, beside the next one.

    Numbers are compared as JSON: what is none compares in some way, but never fails.
    """

    broken: str  # SQL: whether a word breaks it
    figures: tuple[str, ...]  # of the first such word, to be reported


InvariantRule = SqlRule | WordRule
