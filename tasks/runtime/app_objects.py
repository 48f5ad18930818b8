"""Check and restore our indexes and trigger on the app's tables; each flow does this first.

What the trigger found while the queue of orphans was locked is queued now.
"""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from schema.errors.adoption import AppObjectsLost, RowsHidden
from stores import app_objects
from stores.deletion import orphan_queue
from tasks.resources import database
from tasks.resources.database import in_transaction

logger = logging.getLogger(__name__)


@task(cache_policy=NO_CACHE)
def mend_app_objects() -> None:
    """Recreate our objects that the app's tools have dropped, if this role may; queue the overflow.

    Raises:
        RowsHidden: If row-level security hides rows of the app's tables from this role: their
            recordings would look like orphans.
        AppObjectsLost: If the role may not recreate them: queries would scan whole tables, or the
            audio of deleted messages would not be queued.
    """
    if hiding := in_transaction(app_objects.hiding):
        raise RowsHidden(hiding)
    if names := in_transaction(app_objects.lost):
        _recreate(names)
    in_transaction(orphan_queue.take_overflow)


def _recreate(names: tuple[str, ...]) -> None:
    if not in_transaction(app_objects.may_make):
        raise AppObjectsLost(names)
    logger.warning("Recreated, because dropped from the app's tables: %s", ", ".join(names))
    autocommit = database.engine().execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        app_objects.make(connection, names)
