"""Object keys that every S3 server stores unchanged."""

import re

from schema.errors.storage import InvalidKey

MAX_KEY_BYTES = 1024
_has_control = re.compile(r"[\x00-\x1f\x7f-\x9f]").search  # Unicode's category Cc
_has_surrogate = re.compile(r"[\ud800-\udfff]").search
_unfit_for_xml = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]").search


def checked_key(key: str) -> str:
    """Return the key unchanged.

    Spaces of all kinds, invisible characters, marks of writing direction, emoji and unassigned
    characters are part of a key like any other: S3 stores them.

    Raises:
        InvalidKey: If a server, client or proxy might change it, refuse it or fail to list it.
    """
    problem = None
    if _has_surrogate(key):
        problem = "must not contain lone surrogates"  # UTF-8 cannot encode them
    elif not key or len(key.encode()) > MAX_KEY_BYTES:
        problem = f"must have 1 to {MAX_KEY_BYTES} bytes"
    elif _has_control(key):
        problem = "must not contain control characters"  # invalid in XML, so listings would break
    elif not {".", ".."}.isdisjoint(key.split("/")):
        problem = "must not contain `.` or `..` segments"  # clients and proxies resolve them
    if problem:
        raise InvalidKey(key, problem)
    return key


def fits_xml(key: str) -> bool:
    """Return whether XML can represent a key; others need a request of their own, with a URL."""
    return _unfit_for_xml(key) is None


def refusal(key: str, prefix: str) -> str | None:
    """Return why an object with this key must not be signed or deleted, or None if it may."""
    if not key.startswith(prefix) or key == prefix:
        return f"the key must begin with {prefix}, followed by a name"
    try:
        checked_key(key)
    except InvalidKey as error:
        return f"the key {error.rule}"
    return None
