"""Publication of a cost report: artifacts in the Prefect UI, and files."""

from collections.abc import Mapping
from pathlib import Path

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE

from reports.canvas import page_of_images
from reports.cost_charts import charts
from reports.cost_exports import exports
from reports.cost_metrics import metrics
from reports.costs import group_table, summary
from reports.wording import amount, dollars
from schema.errors.reporting import ReportsUnwritable
from schema.facts.costs import CostReport
from stores.report_files import write_file
from tasks.resources import report_folder


@task(cache_policy=NO_CACHE)
def publish_costs(report: CostReport, *, what_if: bool = False) -> None:
    """Publish the artifacts `measure-costs*`, then write the files in the folder for reports.

    Args:
        report: The measurement.
        what_if: It is of a past time or with stated values: write no files, which dashboards read.

    Raises:
        ReportsUnwritable: If a file cannot be written; the artifacts are published by then.
    """
    label = "What-if: " if what_if else ""
    found = f"{dollars(report.cost.total_usd)} a month, {amount(report.bytes)} stored"
    create_markdown_artifact(
        summary(report, what_if=what_if),
        key="measure-costs",
        description=label + found,
    )
    for column, frame in (("tier", report.by_tier), ("language", report.by_language)):
        create_table_artifact(
            group_table(column, frame),
            key=f"measure-costs-by-{column}",
            description=f"{label}Stored audio and its cost by {column}",
        )
    drawn = charts(report)
    create_markdown_artifact(
        page_of_images(drawn),
        key="measure-costs-charts",
        description=f"{label}Stored audio, growth and monthly cost",
    )
    if what_if:
        return
    pictures = {f"{name}.png": png for name, png in drawn.items()}
    _write(report_folder.reports_dir(), pictures | exports(report), metrics(report))


def _write(folder: Path, files: Mapping[str, bytes], prometheus: bytes) -> None:
    try:
        for name, content in files.items():
            write_file(folder / "costs" / name, content)
        write_file(folder / "prometheus" / "kaiwa_audio_costs.prom", prometheus)
    except OSError as error:
        raise ReportsUnwritable(str(folder), error.strerror or type(error).__name__) from error
