"""The progress that runs report, in their log and as a bar in the Prefect UI."""

import logging

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.progress import Progress, time_left
from tasks.runtime import progress_bar

percents = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)
seconds = st.floats(0, 1e7)


@pytest.mark.parametrize(
    ("before", "now", "took_seconds", "words"),
    [
        (0, 25, 60, "; 3 minutes left"),
        (0, 50, 10, "; less than a minute left"),
        (0, 50, 60, "; 1 minute left"),
        (50, 75, 600, "; 10 minutes left"),  # the pace counts this run's work only
        (0, 0, 60, ""),
        (50, 50, 60, ""),
        (50, 40, 60, ""),
        (0, 100, 60, ""),
    ],
)
def test_the_time_left_follows_the_pace_of_the_run(before, now, took_seconds, words):
    assert time_left(before, now, took_seconds) == words


@given(percents, percents, seconds)
def test_a_time_is_left_only_while_a_run_gets_on_and_is_not_done(before, now, took_seconds):
    assert bool(time_left(before, now, took_seconds)) == (before < now < 100)


def newest_bar(key):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created)


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_a_run_shows_its_progress_under_the_name_of_its_flow():
    @flow(name="count-sheep")
    def count_sheep():
        progress = Progress(percent=20.0, description="20 sheep")
        begun = newest_bar("count-sheep-progress")
        assert (begun.data, begun.description) == (20.0, "20 sheep")
        assert progress.is_older_than(3600)
        progress.report(60.0, "60 sheep")
        assert not progress.is_older_than(3600)
        progress.report_with_time_left(70.0, "70 sheep")

    count_sheep()
    shown = newest_bar("count-sheep-progress")
    assert (shown.data, shown.description) == (70.0, "70 sheep; less than a minute left")


@pytest.mark.flow
@pytest.mark.usefixtures("prefect_server")
def test_a_run_continues_if_the_server_rejects_its_progress(monkeypatch, caplog):
    away = httpx.ConnectError("away")

    def refuse(*_):
        raise away

    @flow(name="count-goats")
    def count_goats():
        progress = Progress()
        monkeypatch.setattr(progress_bar, "update_progress_artifact", refuse)
        progress.report(50.0, "50 goats")
        return "counted"

    with caplog.at_level(logging.WARNING, progress_bar.logger.name):
        assert count_goats() == "counted"
    assert "The progress bar was not updated: ConnectError" in caplog.text
    assert newest_bar("count-goats-progress").data == 0.0
