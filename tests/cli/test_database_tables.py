"""The tables of `kaiwa-audio database` in a terminal of 80 columns."""

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.support.app_database import ALL_MIGRATIONS, add_texts, make


@pytest.mark.parametrize("arguments", [["doctor"], ["upgrade", "--dry-run"]])
def test_no_name_is_cut_off(arguments, empty_database_url):
    make(empty_database_url, *ALL_MIGRATIONS)
    add_texts(empty_database_url)
    environment = {"DATABASE_URL": empty_database_url, "COLUMNS": "80"}

    output = CliRunner().invoke(app, ["database", *arguments], env=environment).output

    assert "…" not in output
    assert "messages.pronun" in output
