"""Swift's cache filter without memcached: a dictionary inside the one proxy process.

It holds what the proxy knows about one account and a few buckets, so its size needs no limit.
"""

import json
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

_Environment = dict[str, Any]
_App = Callable[[_Environment, Callable[..., Any]], Iterable[bytes]]


class DictionaryCache:
    """The part of Swift's `MemcacheRing` that the proxy calls, for one thread of greenlets."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[float, str]] = {}  # key → (end of life, JSON)

    def get(self, key: str, **_: object) -> Any:  # noqa: ANN401 - any JSON value
        """Return a copy of the value; None once it has expired."""
        end, text = self._entries.get(key, (0.0, "null"))
        return json.loads(text) if monotonic() < end else None

    def set(self, key: str, value: object, time: float = 0, **_: object) -> None:
        """Store a value for `time` seconds; 0 means for ever, as in memcached."""
        self._entries[key] = (monotonic() + time if time else float("inf"), json.dumps(value))

    def delete(self, key: str, **_: object) -> None:
        """Delete a value."""
        self._entries.pop(key, None)


def filter_factory(_global: _Environment, **_local: str) -> Callable[[_App], _App]:
    """Return the paste.deploy filter `cache`."""
    cache = DictionaryCache()

    def with_cache(app: _App) -> _App:
        def call(environment: _Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
            environment["swift.cache"] = cache
            return app(environment, start_response)

        return call

    return with_cache
