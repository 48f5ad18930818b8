"""Objects created once per process."""

import threading
from collections.abc import Callable
from functools import cache
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OnePerProcess(Generic[P, T]):
    """Caches a function's result; unlike `cache`, concurrent first calls run the function once."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = cache(make)
        self._lock = threading.Lock()
        self.cache_clear = self._make.cache_clear

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the cached result, computed by the first caller."""
        with self._lock:
            # `cache` requires hashable arguments, which a ParamSpec cannot express.
            return self._make(*args, **kwargs)  # type: ignore[arg-type]
