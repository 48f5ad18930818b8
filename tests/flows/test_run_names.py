"""Names of runs."""

import pytest

from flows import backfill_analysis, run_names
from flows.erase_learner import erase_learner
from flows.export_findings import export_findings
from flows.reconcile_bucket import reconcile_bucket
from flows.refresh_signed_urls import refresh_signed_urls
from flows.sweep_retention import sweep_retention
from flows.undo_backfill import undo_backfill
from schema.states import BackfillSelection


@pytest.fixture
def named(monkeypatch):
    """Return the name of a flow's run with these parameters."""

    def _named(flow, **parameters):
        monkeypatch.setattr(run_names.flow_run, "parameters", parameters, raising=False)
        return flow.flow_run_name()

    return _named


@pytest.mark.parametrize(
    ("flow", "parameters", "name"),
    [
        (sweep_retention, {"dry_run": True}, "sweep-dry-run"),
        (sweep_retention, {"dry_run": False}, "sweep"),
        (refresh_signed_urls, {"dry_run": False}, "refresh-signed-urls"),
        (reconcile_bucket, {"repair": False}, "reconcile-bucket"),
        (reconcile_bucket, {"repair": True}, "reconcile-bucket-repair"),
        (export_findings, {"dry_run": True}, "export-findings-dry-run"),
        (export_findings, {"dry_run": False}, "export-findings"),
        (undo_backfill, {"backfill_id": 3, "dry_run": True}, "undo-backfill-3-dry-run"),
    ],
)
def test_a_run_says_in_its_name_whether_it_changes_anything(named, flow, parameters, name):
    assert named(flow, **parameters) == name


@pytest.mark.parametrize(
    ("resume", "dry_run", "name"),
    [
        (None, True, "backfill-outdated-dry-run"),
        (None, False, "backfill-outdated"),
        (7, False, "resume-backfill-7"),
        (7, True, "resume-backfill-7-dry-run"),
    ],
)
def test_a_resumed_backfill_is_named_by_its_number(named, resume, dry_run, name):
    parameters = {"selection": BackfillSelection.OUTDATED, "resume": resume, "dry_run": dry_run}
    assert named(backfill_analysis.backfill_analysis, **parameters) == name


def test_an_erasure_names_no_learner(named):
    parameters = {"user_id": "0b6ba03e", "reason": "request 17", "dry_run": False}
    assert named(erase_learner, **parameters) == "erase-learner"
