"""Languages that the app teaches, as parameters of a run name them."""

from collections.abc import Collection
from typing import Final

from langcodes import Language
from langcodes.tag_parser import LanguageTagError

from schema.errors.base import ParametersRefused

# The app's table `languages`.
TAUGHT: Final = frozenset(
    {"de", "en", "es", "fil", "fr", "hi", "id", "it", "ja", "ko", "nl", "pt", "ru", "tr", "vi"}
    | {"zh"}
)


def primary_language(tag: str) -> str:
    """Return the language that a BCP 47 tag is about: "en" for "en-GB", "fil" for "tl".

    Anything that is no such tag is returned in lower case.
    """
    try:
        return str(Language.get(tag.strip()).prefer_macrolanguage().language)
    except LanguageTagError:
        return tag.strip().lower()


def check_languages(tags: Collection[str]) -> None:
    """Check that these are languages of the app; a language without an engine is one, too.

    Raises:
        ParametersRefused: If not, for example because of a typing error.
    """
    unknown = sorted({tag for tag in tags if primary_language(tag) not in TAUGHT})
    if unknown:
        problem = (
            f"`languages` has unknown codes: {', '.join(map(repr, unknown))}. The app teaches "
            f"{', '.join(sorted(TAUGHT))}."
        )
        raise ParametersRefused(problem)
