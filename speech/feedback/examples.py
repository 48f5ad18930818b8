"""Examples in the language that is learnt, for advice in the learner's own."""

from typing import Final, NamedTuple


class Examples(NamedTuple):
    """What advice on pauses quotes.

    Attributes:
        filler: What speakers say while they search for a word.
        word_group: Words that are said in one go.
    """

    filler: str
    word_group: str


EXAMPLES: Final = {
    "de": Examples("äh", "am frühen Morgen"),
    "en": Examples("um", "in the morning"),
    "es": Examples("eh", "por la mañana"),
    "fil": Examples("ehm", "tuwing umaga"),
    "fr": Examples("euh", "tous les matins"),
    "hi": Examples("उम्म", "सुबह के समय"),
    "id": Examples("ehm", "pada pagi hari"),
    "it": Examples("ehm", "tutte le mattine"),
    "ja": Examples("えーと", "朝の早い時間に"),
    "ko": Examples("음", "아침 일찍부터"),
    "nl": Examples("eh", "in de ochtend"),
    "pt": Examples("hum", "todas as manhãs"),
    "ru": Examples("эм", "рано утром"),
    "tr": Examples("ıı", "sabahın erken saatinde"),  # noqa: RUF001 - Turkish
    "vi": Examples("ờ", "vào buổi sáng"),
    "zh": Examples("嗯", "每天早上"),
}
