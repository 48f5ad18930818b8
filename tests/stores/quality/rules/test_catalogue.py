"""Every rule has a unique name and is part of a check."""

import pkgutil
from importlib import import_module

from schema.facts.quality import Rule
from schema.states import CheckedTable
from stores.quality import rules as package
from stores.quality.rules import bucket_sample
from stores.quality.rules.catalogue import DISTRUSTED, INVARIANTS, ROW_RULES, RULES

MODULES = [
    import_module(f"{package.__name__}.{module.name}")
    for module in pkgutil.iter_modules(package.__path__)
]


def test_every_rule_is_found_under_its_own_name():
    assert all(name == rule.name for name, rule in RULES.items())
    assert len(RULES) == 14 + 14 + 12 + 10 + 2  # no name is used twice


def test_no_rule_of_the_package_is_left_out():
    alone = {
        value for module in MODULES for value in vars(module).values() if isinstance(value, Rule)
    }
    listed = {
        rule
        for module in MODULES
        for rule in getattr(module, "RULES", ())
        if isinstance(rule, Rule)
    }
    assert alone | listed == set(RULES.values())


def test_rules_of_either_table_and_of_the_sample_are_all_there_are():
    by_table = {
        table: [rule for rule in ROW_RULES if rule.table is table] for table in CheckedTable
    }
    assert {table: len(rules) for table, rules in by_table.items()} == {
        CheckedTable.MESSAGES: 14 + 12,
        CheckedTable.ANALYSES: 14 + 10,
    }
    assert set(ROW_RULES) | set(bucket_sample.RULES) == set(RULES.values())
    assert len(INVARIANTS) == 12 + 10


def test_only_what_an_analysis_wrote_is_distrusted():
    assert "quick_scores" in DISTRUSTED
    assert not DISTRUSTED & {"url_expiry", "timings_in_audio", "retention_period"}
