"""A dry run reports what an upgrade would do, and writes nothing."""

import psycopg

from migrations import run
from tests.support.app_database import ALL_MIGRATIONS, add_texts, catalogue, contents, make


def test_a_dry_run_reports_everything_and_writes_nothing(url):
    make(url, *ALL_MIGRATIONS)
    add_texts(url)
    rows, schema = contents(url), catalogue(url)
    seen = run.preview(url)
    assert seen.steps[0].what.startswith("Change messages: audio_duration_ms")
    assert sum(one.count for one in seen.survey.texts if one.column == "audio_duration_ms") == 10
    assert (contents(url), catalogue(url)) == (rows, schema)
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT to_regnamespace('audio_ops')").fetchone() == (None,)


def test_a_dry_run_on_an_empty_database_says_that_it_has_no_app(url):
    assert [step.what.partition(",")[0] for step in run.preview(url).steps] == [
        "Create the app's tables"
    ]
