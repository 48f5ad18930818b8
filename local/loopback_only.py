"""Refuse requests of web pages to S3 servers on loopback that ask for no signature.

Any page in a browser on this machine can send requests to 127.0.0.1. Those to another origin than
its own carry an `Origin`, apart from plain GETs, whose answers it cannot read. A page whose own
name was made to resolve to 127.0.0.1 (DNS rebinding) asks under that name.
"""

from collections.abc import Callable, Iterable
from typing import Any

from local.ports import LOOPBACK_NAMES

_Environment = dict[str, Any]
_App = Callable[[_Environment, Callable[..., Any]], Iterable[bytes]]


def without_pages(app: _App) -> _App:
    """Return the WSGI application, which answers pages with 403."""

    def call(environment: _Environment, start_response: Callable[..., Any]) -> Iterable[bytes]:
        name = environment.get("HTTP_HOST", "").partition(":")[0]
        if name in LOOPBACK_NAMES and "HTTP_ORIGIN" not in environment:
            return app(environment, start_response)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"This server answers no web pages.\n"]

    return call


def filter_factory(_global: _Environment, **_local: str) -> Callable[[_App], _App]:
    """Return the paste.deploy filter."""
    return without_pages
