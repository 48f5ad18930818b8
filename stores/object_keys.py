"""Keys of objects that every S3 server stores under just that name."""

from schema.errors import InvalidKey

MAX_KEY_BYTES = 1024


def checked_key(key: str) -> str:
    """Return the key as it is.

    Raises:
        InvalidKey: If some server, client or proxy would change, refuse or fail to list it.
    """
    problem = None
    if not key or len(key.encode()) > MAX_KEY_BYTES:
        problem = f"has 1 to {MAX_KEY_BYTES} bytes"
    elif not key.isprintable():
        problem = "has no control characters"  # XML cannot carry them, listings would break
    elif any(part in {".", ".."} for part in key.split("/")):
        problem = "has no `.` or `..` segments"  # clients and proxies resolve them
    if problem:
        raise InvalidKey(key, problem)
    return key
