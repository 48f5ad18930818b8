"""Every rule of data quality, and what follows from them all."""

from schema.facts.quality import Rule
from stores.quality.rules import (
    analysis_columns,
    analysis_rows,
    bucket_sample,
    message_columns,
    message_rows,
)
from stores.quality.rules.kinds import ColumnRule, InvariantRule

COLUMN_RULES: tuple[ColumnRule, ...] = (*message_columns.RULES, *analysis_columns.RULES)
INVARIANTS: tuple[InvariantRule, ...] = (*message_rows.RULES, *analysis_rows.RULES)
# Checked for every message in scope; the bucket's rules only for a sample.
ROW_RULES: tuple[ColumnRule | InvariantRule, ...] = (*COLUMN_RULES, *INVARIANTS)

RULES: dict[str, Rule] = {rule.name: rule for rule in (*ROW_RULES, *bucket_sample.RULES)}

# Whose open cases keep a message out of statistics, and offer it to another analysis.
DISTRUSTED = frozenset(rule.name for rule in RULES.values() if rule.reanalyze)
