"""`kaiwa-audio database`: what an operator sees."""

import pytest
from typer.testing import CliRunner

from cli.main import app


@pytest.fixture
def run(monkeypatch):
    """Run the command against a database, or none."""

    def _run(url=None):
        monkeypatch.delenv("DATABASE_URL", raising=False)
        if url is not None:
            monkeypatch.setenv("DATABASE_URL", url)
        return CliRunner().invoke(app, ["database", "upgrade"])

    return _run


def test_a_new_database_is_migrated_and_again_is_no_error(run, empty_database_url):
    for _ in range(2):
        done = run(empty_database_url)
        assert done.exit_code == 0
        assert "newest revision" in done.output


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "database_url: Field required"),
        ("mysql://root:s3cret@localhost/app", "not a Postgres URL"),
        ("postgresql://root:s3cret@127.0.0.1:9/app", "The database does not answer"),
    ],
)
def test_what_is_wrong_is_told_in_a_few_lines_without_the_password(run, url, told):
    done = run(url)
    assert done.exit_code == 1
    assert told in done.output
    assert "s3cret" not in done.output
    assert len(done.output.splitlines()) <= 6
