"""Which pages of the Prefect UI are photographed, and which artifacts must exist."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.client.schemas.responses import DeploymentResponse

# Keys of all artifacts that flows publish; a test compares them with the code.
ARTIFACT_KEYS = frozenset(
    {
        "analyze-messages",
        "analyze-messages-progress",
        "backfill-analysis",
        "backfill-analysis-canary",
        "backfill-analysis-charts",
        "backfill-analysis-progress",
        "check-quality",
        "erase-learner",
        "export-findings",
        "legal-holds",
        "measure-costs",
        "measure-costs-by-language",
        "measure-costs-by-tier",
        "measure-costs-charts",
        "reconcile-bucket",
        "reconcile-bucket-progress",
        "refresh-signed-urls",
        "refresh-signed-urls-progress",
        "sweep-retention",
        "sweep-retention-progress",
        "undo-backfill",
    }
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        name: File name, without `.png`.
        path: Path of the page.
        shows: Text that must be on the page before the picture is taken.
        asks: Open the form that approves a waiting run.
        dark: Use the dark theme.
    """

    name: str
    path: str
    shows: str
    asks: bool = False
    dark: bool = False


def shots(
    deployments: Sequence[DeploymentResponse],
    runs: Sequence[FlowRun],
    artifacts: Sequence[Artifact],
) -> Iterator[Shot]:
    """Yield every picture.

    Args:
        deployments: As the server has them.
        runs: Runs that have started, oldest first.
        artifacts: Artifacts with a key, oldest first.
    """
    yield Shot("dashboard", "/v2/dashboard", "Flow Runs")
    yield Shot("deployments", "/v2/deployments?limit=50", "check-quality")
    yield Shot("runs", "/v2/runs", "Flow Runs")
    yield Shot("artifacts", "/v2/artifacts", "check-quality")
    for deployment in deployments:
        page = f"/v2/deployments/deployment/{deployment.id}"
        yield Shot(f"deployment-{deployment.name}", f"{page}?tab=Description", "Entrypoint")
        yield Shot(f"form-{deployment.name}", f"{page}/run", "Parameters")
    for number, run in enumerate(runs, 1):
        page = f"/v2/runs/flow-run/{run.id}?tab=Logs"
        name = f"run-{number:02}-{run.name}"
        yield Shot(name, page, "Beginning flow run")
        if run.state is not None and run.state.is_paused():
            yield Shot(f"{name}-approval", page, "Approved By", asks=True)
    for number, artifact in enumerate(artifacts, 1):
        path, description = f"/v2/artifacts/artifact/{artifact.id}", artifact.description or ""
        name = f"artifact-{artifact.key}-{number:02}"
        yield Shot(name, path, description)
        if str(artifact.key).endswith("-charts"):
            yield Shot(f"{name}-dark", path, description, dark=True)
