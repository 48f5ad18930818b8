"""Compare the sweep's objects per second with a plain deletion loop, for `benchmarks/sweep.py`."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pydantic import SecretStr

from benchmarks.sweep_run import GRACE, Calls, swept_pages
from benchmarks.sweep_tables import make_table
from local import swift
from local.addresses import PrefectAddress, StackAddresses
from local.ports import choose_ports
from local.postgres import PostgresServer
from local.swift import SwiftServer
from policy.sweep import SweepRules
from schema.clock import utc_now
from stores.deletion import retention
from tasks.resources import database, storage
from tasks.resources.database import in_transaction

ROWS_PER_PAGE = 6_000  # a fifth is due; whole thousands, as conversations come
PAGE, WARM_UP = 100, 2
AUDIO = bytes(1000)
UPLOADS = 8  # at once


def pace(folder: Path, *, pages: int) -> tuple[dict[str, float], set[Calls]]:
    """Return the figures of both, and the calls per page to database and bucket."""
    # With Postgres' default settings: it waits for the disk at each commit, as in production.
    postgres, s3 = PostgresServer(folder / "postgres"), SwiftServer(folder)
    postgres.start()
    try:
        url = make_table(postgres, ROWS_PER_PAGE * pages)
        address = s3.start(choose_ports(swift.SERVERS, folder / "ports.json"))
        variables = StackAddresses(
            SecretStr(url), address, PrefectAddress("", SecretStr(""))
        ).environment()
        os.environ.update({name: value for name, value in variables.items() if value})  # noqa: TID251 - what the tasks will read
        figures = _in_turn(pages)
        database.engine().dispose()
        return figures
    finally:
        s3.stop()
        postgres.stop()


def _in_turn(pages: int) -> tuple[dict[str, float], set[Calls]]:
    """Alternate between sweeping a page and deleting as many objects plainly, in changing order."""
    bucket = storage.bucket()
    bucket.create_with_marker()
    rules = SweepRules(utc_now(), GRACE, soft_delete=True)
    found = in_transaction(
        retention.find_expired,
        before=rules.newest_expiry,
        after=retention.BEGINNING,
        limit=PAGE * pages,
    )
    keys = [recording.storage_key for recording in found]
    plain_keys = [f"{key}.plain" for key in keys]
    with ThreadPoolExecutor(UPLOADS) as pool:
        for _ in pool.map(lambda key: bucket.put(key, AUDIO, "audio/wav"), keys + plain_keys):
            pass

    swept = swept_pages(rules, allowance=len(keys), page_size=PAGE)
    pages_calls: set[Calls] = set()
    seconds = {"sweep": 0.0, "plain": 0.0}
    objects = {"sweep": 0, "plain": 0}

    def sweep_page(_: int) -> int:
        report, calls = next(swept)
        pages_calls.add(calls)
        return report.objects

    def delete_page(number: int) -> int:
        page = plain_keys[number * PAGE : (number + 1) * PAGE]
        return len(bucket.delete_many(page).deleted)

    ways = {"sweep": sweep_page, "plain": delete_page}
    for number in range(pages):
        for name in sorted(ways, reverse=bool(number % 2)):
            started = time.perf_counter()
            deleted = ways[name](number)
            if number >= WARM_UP:  # both open their connections first
                seconds[name] += time.perf_counter() - started
                objects[name] += deleted
    sweep, plain = (objects[name] / seconds[name] for name in ("sweep", "plain"))
    return {
        "sweep_objects_per_second": sweep,
        "plain_objects_per_second": plain,
        "ratio_to_plain_delete_loop": sweep / plain,
    }, pages_calls
