"""Retry condition of tasks that use the bucket."""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from schema.errors.storage import StorageUnavailable


def bucket_is_away(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Return whether to retry: if the bucket is unavailable, not if it refuses access."""
    return isinstance(state.result(raise_on_failure=False), StorageUnavailable)
