"""Texts that people enter: reasons, names and ids."""

import re
from typing import Final

from schema.errors.base import ParametersRefused

# For the schema of a form whose answer no flow validates: the server checks a field's pattern.
NOT_BLANK: Final = r"\S"
_has_unstorable = re.compile(r"[\x00\ud800-\udfff]").search  # in Postgres


def written(text: str) -> str:
    """Return a form's text without white space around it.

    Raises:
        ValueError: If nothing else is left, or Postgres cannot store it; for a form, which adds the
            name of its field.
    """
    if problem := _problem(text):
        message = f"the text {problem}"
        raise ValueError(message)
    return text.strip()


def required(text: str, what: str) -> str:
    """Return a text without white space around it.

    Args:
        text: As entered.
        what: What the text is, to begin a sentence: `The reason`.

    Raises:
        ParametersRefused: If the text is blank, or Postgres cannot store it.
    """
    if problem := _problem(text):
        reason = f"{what} {problem}."
        raise ParametersRefused(reason)
    return text.strip()


def _problem(text: str) -> str | None:
    if _has_unstorable(text):
        return "contains NUL characters or lone surrogates (invalid UTF-8); enter it again"
    if not text.strip():
        return "is blank; enter some words"
    return None
