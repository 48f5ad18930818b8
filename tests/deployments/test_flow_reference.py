"""docs/flows.md shows the parameters of the deployments."""

import yaml

from deployments import flow_reference
from deployments.flow_reference import PAGE, PREFECT_YAML, main, page


def test_the_page_is_up_to_date():
    assert main(["--check"]) == 0


def test_an_outdated_page_is_reported_and_regenerated(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(flow_reference, "PAGE", tmp_path / "flows.md")
    assert main(["--check"]) == 1
    assert "python -m deployments.flow_reference" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--check"]) == 0
    assert (tmp_path / "flows.md").read_text() == PAGE.read_text()


def test_every_deployment_has_a_section_with_its_schedule():
    text = page()
    for deployment in yaml.safe_load(PREFECT_YAML.read_text())["deployments"]:
        assert f"\n## {deployment['name']}\n" in text
    assert "| [refresh-signed-urls](#refresh-signed-urls) | `0 */6 * * *` |" in text
    assert "`0 6 * * 0` with `scope=everything`" in text


def test_a_row_shows_bounds_and_default_of_a_parameter():
    rows = page().splitlines()
    for start in (
        "| `limit` | 1 to 100,000 | `1000` |",
        "| `user_id` | UUID | required |",
        "| `start` | timestamp | empty |",
        "| `scope` | `message`, `conversation`, `user` | required |",
        "| `max_objects` | from 0 | empty |",
        "| `dry_run` | on, off | off (called from Python: on) |",  # the sweep's deployment
    ):
        assert any(row.startswith(start) for row in rows), start
