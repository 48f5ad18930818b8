"""Pauses of flow runs that wait for a person's approval."""

from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Running


def end_pause() -> None:
    """Resume this run after a pause that timed out, so that it fails with its own error.

    If it stayed paused, the server would fail it with a generic message.
    """
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(flow_run.id))
        if run.state is not None and run.state.is_paused():  # not if it was cancelled
            client.set_flow_run_state(run.id, Running(), force=True)
