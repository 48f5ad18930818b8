"""When a task that asks the bucket is run again."""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from schema.errors.storage import StorageUnavailable


def bucket_is_away(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Decide whether a retry may help: it does not against a refusal."""
    return isinstance(state.result(raise_on_failure=False), StorageUnavailable)
