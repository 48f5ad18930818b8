"""Publication of a measurement under Prefect: artifacts, files, failure without a folder."""

import base64
import json
import re

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from schema.errors.reporting import ReportsUnwritable
from tasks.costs.publication import publish_costs
from tests.support.costs import measured, nothing_measured

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server")]


@flow(name="publish")
def publish(report):
    """Run the task as flows do."""
    publish_costs(report)


@pytest.fixture
def reports(tmp_path, monkeypatch):
    """The folder for reports, which does not exist yet."""
    folder = tmp_path / "reports"
    monkeypatch.setenv("KAIWA_REPORTS_DIR", str(folder))
    return folder


def newest_artifact(key):
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        )
    return max(artifacts, key=lambda artifact: artifact.created)


def test_a_measurement_is_shown_in_the_ui_and_left_as_files(reports):
    publish(measured())
    page = newest_artifact("measure-costs")
    assert page.description == "$1.32 a month, 31.9 GB stored"
    assert "**A month costs $1.32**" in page.data
    rows = json.loads(newest_artifact("measure-costs-by-tier").data)
    assert [row["tier"] for row in rows] == ["premium", "free", "plus", "guest"]
    assert json.loads(newest_artifact("measure-costs-by-language").data)[0]["language"] == "en"
    assert (
        "kaiwa_audio_stored_bytes"
        in (reports / "prometheus" / "kaiwa_audio_costs.prom").read_text()
    )
    assert {path.suffix for path in (reports / "costs").iterdir()} == {".png", ".csv", ".parquet"}


def test_the_charts_are_inside_the_artifact_and_load_no_image(reports):
    publish(measured())
    page = newest_artifact("measure-costs-charts").data
    sources = re.findall(r"!\[[a-z ]+\]\(([^)]*)\)", page)
    assert len(sources) == 3
    assert "http" not in page
    inside = {base64.b64decode(source.removeprefix("data:image/png;base64,")) for source in sources}
    assert inside == {path.read_bytes() for path in (reports / "costs").glob("*.png")}


def test_a_later_run_replaces_the_files(reports):
    publish(measured())
    before = {path.name for path in (reports / "costs").iterdir()}
    publish(nothing_measured())
    assert {path.name for path in (reports / "costs").iterdir()} == before
    assert "premium" not in (reports / "costs" / "by_tier.csv").read_text()


def test_a_folder_that_cannot_be_written_fails_the_run_after_the_artifacts(reports):
    reports.write_text("a file, no folder")
    with pytest.raises(ReportsUnwritable, match="Reports cannot be written"):
        publish(measured(objects=987_654))
    assert "987,654 recordings" in newest_artifact("measure-costs").data
    assert "data:image/png" in newest_artifact("measure-costs-charts").data
