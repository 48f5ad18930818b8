"""An export of findings under Prefect: its artifact, its errors, what it never shows."""

import pytest
import sqlalchemy as sa
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

from flows.export_findings import export_findings
from schema.errors.base import ChunksBroken
from schema.errors.reporting import FindingsDenied
from schema.facts.findings import ExportReport
from tasks import export_findings as tasks

pytestmark = [pytest.mark.flow, pytest.mark.usefixtures("prefect_server", "stage")]

WEAK = {"word": "Mochi", "issue": "It was unclear.", "severity": "low", "startMs": 0, "endMs": 9}
SAID = "My cat is called Mochi"


@pytest.fixture
def say(add_analysed):
    """Add a message with one word to export."""

    def _say():
        return add_analysed(
            {"problematic_words": (WEAK,), "practice_words": ("Mochi",)}, content=SAID
        )

    return _say


@pytest.fixture
def run_flow():
    """Run the flow; return its state and its artifact."""

    def _run_flow(**parameters):
        state = export_findings(return_state=True, **parameters)
        this_run = ArtifactFilterFlowRunId(any_=[state.state_details.flow_run_id])
        with get_client(sync_client=True) as client:
            found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=this_run))
        return state, next((one.data for one in found if one.key == "export-findings"), None)

    return _run_flow


def test_by_default_it_only_counts(say, run_flow, count):
    say()
    state, shown = run_flow()
    assert state.result() == ExportReport(messages=1, added=1)
    assert count("analysis_findings") == count("linguistic_features") == 0
    assert "**Dry run: nothing was written.**" in shown
    assert "| Findings added | 1 |" in shown


def test_all_chunks_are_exported_and_no_texts_are_shown(
    say, run_flow, count, monkeypatch, caplog, capfd
):
    monkeypatch.setattr(tasks, "PAGES_PER_CHUNK", 1)
    for _ in range(5):
        say()
    state, shown = run_flow(dry_run=False, page_size=2)
    assert state.result() == ExportReport(messages=5, added=5)
    assert count("analysis_findings") == 5
    output = "\n".join([shown, caplog.text, *capfd.readouterr(), repr(state)])
    assert "| Messages examined | 5 |" in output
    assert "Mochi" not in output


def test_failures_are_reported_after_the_rest_is_written(say, run_flow, count, engine, monkeypatch):
    monkeypatch.setattr(tasks, "PAGES_PER_CHUNK", 1)
    for _ in range(3):
        say()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "ALTER TABLE analysis_findings ADD CONSTRAINT none"
                " CHECK (message_id <> 'message-2')"
            )
        )
    state, shown = run_flow(dry_run=False, page_size=1)
    with pytest.raises(ChunksBroken):
        state.result()
    assert count("analysis_findings") == 2
    assert "**The run stopped early**" in shown


def test_a_missing_app_table_fails_the_export_at_once(say, run_flow, engine):
    say()
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE analysis_findings"))
    state, shown = run_flow(dry_run=False)
    with pytest.raises(FindingsDenied, match=r"database grant --export-findings"):
        state.result()
    assert shown is None
