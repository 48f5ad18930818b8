"""Long-lived runs of the deployment `work-on-backfill`, started by a backfill's run."""

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
from schema.wording import counted
from tasks.backfill.queue import count_open, is_stopped

DEPLOYMENT = "work-on-backfill/work-on-backfill"
_MAX_GENERATIONS = 10_000  # per place; each runs for hours


@task(cache_policy=NO_CACHE, task_run_name="child-{place}-of-backfill-{backfill_id}")
def start_child(
    backfill_id: int, place: int, chunk_size: int, after: BackfillChild | None = None
) -> BackfillChild:
    """Start a child run, or return the one already running in this place.

    Idempotency keys let a restarted parent find its children again. A child that has ended is
    replaced by one of the next generation.

    Args:
        backfill_id: Number of the backfill.
        place: Index of the concurrent child, from 0.
        chunk_size: Messages claimed together.
        after: The child to replace; None: there was none.
    """
    first = 0 if after is None else after.generation + 1
    for generation in range(first, _MAX_GENERATIONS):
        run: FlowRun = run_deployment(  # type: ignore[assignment]  # a coroutine only in async flows
            DEPLOYMENT,
            parameters={"backfill_id": backfill_id, "chunk_size": chunk_size},
            idempotency_key=f"backfill-{backfill_id}-{place}-{generation}",
            timeout=0,
            as_subflow=False,  # it survives its parent
        )
        if run.state is None or not run.state.is_final():
            return BackfillChild(run.id, generation)
    msg = f"Backfill {backfill_id}: started {counted(_MAX_GENERATIONS, 'run')} in place {place}."
    raise RuntimeError(msg)


def has_ended(child: BackfillChild) -> bool:
    """Return whether a child's run is in a final state; False if the server is unreachable."""
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(child.run_id).state
    except (HTTPError, PrefectHTTPStatusError):
        return False
    return state is not None and state.is_final()


class BackfillChildren:
    """The child runs of a backfill; those that end early are replaced."""

    def __init__(self, backfill_id: int, places: int, chunk_size: int) -> None:
        self._backfill_id, self._chunk_size = backfill_id, chunk_size
        self._in_place: dict[int, BackfillChild | None] = dict.fromkeys(range(places))
        self._fewest_open = math.inf
        self._idle_since, self._started_in_vain = time.monotonic(), 0

    def keep_going(self) -> bool:
        """Start missing children; return False when the backfill is finished.

        Raises:
            BackfillStalled: If children keep ending without finishing any message.
        """
        state = self._read_state()
        step = next_step(state)
        if isinstance(step, GiveUp):
            raise BackfillStalled(self._backfill_id, state.open, state.started_in_vain)
        if isinstance(step, StartChildren):
            self._start(step.places)
        return not isinstance(step, Finish)

    def _read_state(self) -> BackfillState:
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
