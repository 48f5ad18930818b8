"""Our SQL of the app's tables equals a dump of the app's database."""

import os
from pathlib import Path

import psycopg
import pytest

from tests.support.app_database import ALL_MIGRATIONS, TABLES, catalogue, make

DUMPS = os.environ.get("APP_SCHEMA")  # a folder with dumps of the app's schema
BEFORE = [
    *("users", "subscriptions", "conversations", "languages", "messages", "scenarios"),
    *("analysis_findings", "linguistic_features", "scenario_outcomes"),
]
AFTER = [
    *("users", "subscriptions", "conversations", "languages", "messages"),
    *("message_audio_analysis", "analysis_findings", "linguistic_features"),
]
TYPES = ["subscription_tier", "linguistic_macro_skill", "analysis_suggestion_severity"]


@pytest.mark.parametrize(
    ("dump", "ours", "tables"),
    [
        ("schema-before-0023.sql", (TABLES,), BEFORE),
        ("schema-all-migrations.sql", ALL_MIGRATIONS, AFTER),
    ],
)
def test_our_tables_are_the_apps(postgres, administrator, empty_database_url, dump, ours, tables):
    if DUMPS is None:
        pytest.skip("needs dumps of the app's schema, in the folder APP_SCHEMA")
    make(empty_database_url, *ours)
    administrator.execute("CREATE DATABASE dumped")
    try:
        load(postgres.url("dumped"), Path(DUMPS) / dump)
        theirs = facts(postgres.url("dumped"), tables)
        assert theirs
        assert facts(empty_database_url, tables) == theirs
    finally:
        administrator.execute("DROP DATABASE dumped WITH (FORCE)")


def load(url, dump):
    lines = dump.read_text(encoding="utf-8").splitlines()
    sql = "\n".join(line for line in lines if not line.startswith("\\"))  # psql's own commands
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql)


def facts(url, tables):
    """Return these tables, and the enums that they use, from the catalogue."""
    return {
        row[0]: row[1:]
        for row in catalogue(url)
        if row[0] in TYPES
        or any(
            row[0].startswith((f"{table}.", f"{table} ")) or f" ON public.{table} " in row[1]
            for table in tables
        )
    }
