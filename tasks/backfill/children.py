"""Long-lived runs of the deployment `work-on-backfill`, started by the run of a backfill."""

import math
import time
from datetime import timedelta

from httpx import HTTPError
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import PrefectHTTPStatusError

from policy.backfill import BackfillState, Finish, GiveUp, StartChildren, next_step
from schema.errors.backfill import BackfillStalled
from schema.facts.backfill import BackfillChild
from tasks.backfill.queue import count_open, is_stopped

DEPLOYMENT = "work-on-backfill/work-on-backfill"
_MOST_GENERATIONS = 10_000  # of one place; each is hours of work


@task(cache_policy=NO_CACHE, task_run_name="child-{place}-of-backfill-{backfill_id}")
def start_child(
    backfill_id: int, place: int, chunk_size: int, after: BackfillChild | None = None
) -> BackfillChild:
    """Start a child, or find the one that works in this place.

    A parent that was killed finds its children again by their keys; a child that has ended is
    followed by one of the next generation.

    Args:
        backfill_id: Number of the backfill.
        place: From 0, one for each child that works at once.
        chunk_size: Messages claimed together.
        after: The child of this place to replace; None: there was none.
    """
    first = 0 if after is None else after.generation + 1
    for generation in range(first, _MOST_GENERATIONS):
        run: FlowRun = run_deployment(  # type: ignore[assignment]  # a coroutine only in async flows
            DEPLOYMENT,
            parameters={"backfill_id": backfill_id, "chunk_size": chunk_size},
            idempotency_key=f"backfill-{backfill_id}-{place}-{generation}",
            timeout=0,
            as_subflow=False,  # it goes on when its parent is killed
        )
        if run.state is None or not run.state.is_final():
            return BackfillChild(run.id, generation)
    msg = f"Place {place} of backfill {backfill_id} has had {_MOST_GENERATIONS} runs."
    raise RuntimeError(msg)


def has_ended(child: BackfillChild) -> bool:
    """Return whether a child's run has ended, in any way; False while the server is away."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(child.run_id).state
    except (HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and state.is_final()


class BackfillChildren:
    """The children of a backfill, replaced when they end before everything is done."""

    def __init__(self, backfill_id: int, places: int, chunk_size: int) -> None:
        self._backfill_id, self._chunk_size = backfill_id, chunk_size
        self._in_place: dict[int, BackfillChild | None] = dict.fromkeys(range(places))
        self._fewest_open = math.inf
        self._idle_since, self._started_in_vain = time.monotonic(), 0

    def keep_going(self) -> bool:
        """Start the children that are missing; return False when nothing more is to be done.

        Raises:
            BackfillStalled: If children end again and again, and no message gets done.
        """
        state = self._look()
        step = next_step(state)
        if isinstance(step, GiveUp):
            raise BackfillStalled(self._backfill_id, state.open, state.started_in_vain)
        if isinstance(step, StartChildren):
            self._start(step.places)
        return not isinstance(step, Finish)

    def _look(self) -> BackfillState:
        free = tuple(
            place for place, child in self._in_place.items() if child is None or has_ended(child)
        )
        still_open = count_open(self._backfill_id)  # after `free`, see `next_step`
        if still_open < self._fewest_open:
            self._fewest_open = still_open
            self._idle_since, self._started_in_vain = time.monotonic(), 0
        return BackfillState(
            open=still_open,
            places=len(self._in_place),
            free=free,
            idle=timedelta(seconds=time.monotonic() - self._idle_since),
            started_in_vain=self._started_in_vain,
            stopped=is_stopped(self._backfill_id),
        )

    def _start(self, places: tuple[int, ...]) -> None:
        for place in places:
            self._in_place[place] = start_child(
                self._backfill_id, place, self._chunk_size, after=self._in_place[place]
            )
        self._idle_since = time.monotonic()
        self._started_in_vain += len(places)
