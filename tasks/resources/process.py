"""What is made once per process."""

import threading
from collections.abc import Callable
from functools import cache
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class OnePerProcess(Generic[P, T]):
    """Keeps what a function returns; threads that ask at once share it, unlike with `cache`."""

    def __init__(self, make: Callable[P, T]) -> None:
        self._make = cache(make)
        self._lock = threading.Lock()
        self.cache_clear = self._make.cache_clear

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what is kept, made by the first caller."""
        with self._lock:
            # `cache` asks for hashable arguments, which a ParamSpec cannot promise.
            return self._make(*args, **kwargs)  # type: ignore[arg-type]
