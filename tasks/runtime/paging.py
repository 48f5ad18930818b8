"""Keyset pagination in short transactions and little memory."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from tasks.resources.database import in_transaction

Row = TypeVar("Row")
Key = TypeVar("Key")


def pages(
    find: Callable[[Connection, Key], Sequence[Row]], start: Key, key: Callable[[Row], Key]
) -> Iterator[Sequence[Row]]:
    """Yield page after page, each read in its own transaction, until one is empty.

    Args:
        find: Returns the page after a key.
        start: The key before the first row.
        key: Returns a row's key.
    """
    page = in_transaction(find, start)
    while page:
        yield page
        page = in_transaction(find, key(page[-1]))
