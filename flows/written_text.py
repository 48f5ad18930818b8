"""Texts that people enter in a form, such as reasons and names."""

from schema.documents import storable


def written(text: str) -> str:
    """Return the text without white space around it.

    Raises:
        ValueError: If nothing else is left, or Postgres cannot store it.
    """
    if storable(text) != text:
        message = "the text contains NUL characters or lone surrogates; enter it again"
        raise ValueError(message)
    if not text.strip():
        message = "the text is blank; enter some words"
        raise ValueError(message)
    return text.strip()
