"""Object keys that every S3 server stores unchanged."""

import re
from typing import Final

from schema.errors.storage import InvalidKey

APP_PREFIX: Final = "audio/"  # of all keys of the app's recordings
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
    if fault := _fault(key):
        raise InvalidKey(key, fault)
    return key


def checked_recording_key(key: str) -> str:
    """Return the key of a recording of the app unchanged.

    Raises:
        InvalidKey: If a recording under it would never be signed or deleted.
    """
    if fault := _fault_under(key, APP_PREFIX):
        raise InvalidKey(key, fault)
    return key


def fits_xml(key: str) -> bool:
    """Return whether XML can represent a key; others need a request of their own, with a URL."""
    return _unfit_for_xml(key) is None


def refusal(key: str, prefix: str) -> str | None:
    """Return why an object with this key must not be signed or deleted, or None if it may."""
    fault = _fault_under(key, prefix)
    return fault and f"the key {fault}"


def _fault_under(key: str, prefix: str) -> str | None:
    if not key.startswith(prefix) or key == prefix:
        return f"must begin with {prefix}, followed by a name"
    return _fault(key)


def _fault(key: str) -> str | None:
    if _has_surrogate(key):
        return "must not contain lone surrogates"  # UTF-8 cannot encode them
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        return f"must have 1 to {MAX_KEY_BYTES} bytes"
    if _has_control(key):
        return "must not contain control characters"  # invalid in XML, so listings would break
    if not {".", ".."}.isdisjoint(key.split("/")):
        return "must not contain `.` or `..` segments"  # clients and proxies resolve them
    return None
