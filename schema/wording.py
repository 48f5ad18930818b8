"""Counts in sentences."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """Return a count with its noun: `1 recording`, `2 recordings`, `1,234 recordings`.

    Args:
        count: How many.
        one: The noun after 1; a verb may follow it: `object is`.
        many: The noun after any other count; by default `one` with an s.
    """
    return f"{count:,} {agreeing(count, one, many or f'{one}s')}"


def agreeing(count: int, one: str, many: str) -> str:
    """Return the word that agrees with a count, such as `is` or `are`."""
    return one if count == 1 else many
