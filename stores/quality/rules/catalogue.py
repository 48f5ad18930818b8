"""All rules of data quality."""

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
# Checked for every message in scope; rules about the bucket only for a sample.
ROW_RULES: tuple[ColumnRule | InvariantRule, ...] = (*COLUMN_RULES, *INVARIANTS)

RULES: dict[str, Rule] = {rule.name: rule for rule in (*ROW_RULES, *bucket_sample.RULES)}

# Open cases of these rules exclude a message from statistics and offer it for reanalysis.
DISTRUSTED = frozenset(rule.name for rule in RULES.values() if rule.reanalyze)
