"""Object keys that every S3 server stores unchanged."""

from schema.errors.storage import InvalidKey

MAX_KEY_BYTES = 1024


def checked_key(key: str) -> str:
    """Return the key unchanged.

    Raises:
        InvalidKey: If a server, client or proxy might change it, refuse it or fail to list it.
    """
    problem = None
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        problem = f"must have 1 to {MAX_KEY_BYTES} bytes"
    elif not key.isprintable():
        problem = "must not contain control characters"  # invalid in XML, so listings would break
    elif not {".", ".."}.isdisjoint(key.split("/")):
        problem = "must not contain `.` or `..` segments"  # clients and proxies resolve them
    if problem:
        raise InvalidKey(key, problem)
    return key


def refusal(key: str, prefix: str) -> str | None:
    """Return why an object with this key must not be signed or deleted, or None if it may."""
    if not key.startswith(prefix):
        return f"the key must begin with {prefix}"
    try:
        checked_key(key)
    except InvalidKey as error:
        return f"the key {error.rule}"
    return None
