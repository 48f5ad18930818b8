"""Measures what the demo's recordings cost, and prints it with the paths of the charts."""

from collections.abc import Collection

import polars as pl
from rich.markdown import Markdown
from sqlalchemy import bindparam, text

from local.demo.deployment_run import failure, read_summary, run_deployment
from local.demo.steps import DemoFailed, Scene, step
from schema.clock import utc_now
from schema.wording import counted

MEASURE = "measure-costs"
CHARTS = ("storage.png", "added_and_deleted.png", "monthly_cost.png")
_LIVE = text(
    "SELECT count(*) AS objects, coalesce(sum(audio_size_bytes), 0) AS bytes FROM messages "
    "WHERE id IN :ids AND audio_storage_key IS NOT NULL AND audio_deleted_at IS NULL"
).bindparams(bindparam("ids", expanding=True))


def show_costs(scene: Scene, message_ids: Collection[str]) -> None:
    """Measure costs; print the overview and the paths of the charts.

    Raises:
        DemoFailed: If the run fails, a chart is missing, or less was measured than is stored.
    """
    began_at = utc_now()
    overview, _, _ = _measure(scene).partition("\n### ")
    scene.console.print(Markdown(overview))
    folder = scene.reports / "costs"
    missing = [
        name
        for name in CHARTS
        if not (folder / name).exists() or (folder / name).stat().st_mtime < began_at.timestamp()
    ]
    if missing:
        reason = f"{' and '.join(missing)} were not written to {folder}"
        raise DemoFailed(reason, scene.log)
    _check(scene, message_ids)
    scene.console.print("Charts and tables:")
    for name in (*CHARTS, "by_tier.csv"):
        scene.console.print(f"  {folder / name}", soft_wrap=True, markup=False)


def _measure(scene: Scene) -> str:
    with step(scene.console, f"Ran {MEASURE}"):
        run = run_deployment(scene.prefect, MEASURE, {}, log=scene.log)
    summary = read_summary(scene.prefect, run, MEASURE)
    reason = failure(run) or ("it left no artifact" if summary is None else None)
    if reason is not None or summary is None:
        raise DemoFailed(str(reason), scene.log)
    return summary


def _check(scene: Scene, message_ids: Collection[str]) -> None:
    """Check that at least the demo's recordings were measured; the stack may hold others."""
    with scene.engine.connect() as connection:
        stored = connection.execute(_LIVE, {"ids": list(message_ids)}).one()
    measured = pl.read_parquet(scene.reports / "costs" / "summary.parquet").row(0, named=True)
    if measured["objects"] < stored.objects or measured["bytes"] < stored.bytes:
        reason = (
            f"{counted(measured['objects'], 'recording was', 'recordings were')} measured, "
            f"{counted(measured['bytes'], 'byte')} in all, but "
            f"{stored.objects} of {stored.bytes} are stored"
        )
        raise DemoFailed(reason, scene.log)
