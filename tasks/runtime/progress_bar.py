"""A progress bar in the Prefect UI; the run continues if the server is unreachable."""

import logging
from typing import cast
from uuid import UUID

from httpx import HTTPError
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run

logger = logging.getLogger(__name__)


class ProgressBar:
    """The progress artifact of the current flow run; its key is the flow's name + `-progress`."""

    def __init__(self, percent: float, description: str | None) -> None:
        name = flow_run.flow_name
        self._artifact_id = cast(  # a coroutine only in async flows
            "UUID",
            create_progress_artifact(percent, key=f"{name}-progress", description=description),
        )

    def update(self, percent: float, description: str) -> None:
        """Update the bar; if the server is unreachable, log a warning."""
        try:
            update_progress_artifact(self._artifact_id, percent, description)
        except (HTTPError, PrefectHTTPStatusError) as error:
            logger.warning("The progress bar was not updated: %s", type(error).__name__)
