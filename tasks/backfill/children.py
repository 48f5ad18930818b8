"""Long-lived runs of the deployment `work-on-backfill`, which the parent of a backfill starts."""

from uuid import UUID

from httpx import HTTPError
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError

DEPLOYMENT = "work-on-backfill/work-on-backfill"
_MOST_GENERATIONS = 10_000  # of one place; each is hours of work


@task(cache_policy=NO_CACHE, task_run_name="child-{place}-of-backfill-{backfill_id}")
def start_child(backfill_id: int, place: int, chunk_size: int, after: int = -1) -> tuple[UUID, int]:
    """Start a child, or find the one that works in this place; return its run and generation.

    A parent that was killed finds its children again by their keys; one that has ended is followed
    by the next generation.

    Args:
        backfill_id: Which.
        place: 0 and on, one for each child that works at once.
        chunk_size: Messages claimed together.
        after: The last generation that has ended.
    """
    for generation in range(after + 1, _MOST_GENERATIONS):
        run: FlowRun = run_deployment(  # type: ignore[assignment]  # a coroutine only in async flows
            DEPLOYMENT,
            parameters={"backfill_id": backfill_id, "chunk_size": chunk_size},
            idempotency_key=f"backfill-{backfill_id}-{place}-{generation}",
            timeout=0,
            as_subflow=False,  # it goes on when its parent is killed
        )
        if run.state is None or not run.state.is_final():
            return run.id, generation
    msg = f"Place {place} of backfill {backfill_id} has had {_MOST_GENERATIONS} runs."
    raise RuntimeError(msg)


def has_ended(run_id: UUID) -> bool:
    """Return whether a child is over, however it ended; while the server is away: not yet."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(run_id).state
    except (HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and state.is_final()
