"""dtw: words, pauses, rates and fluency in languages without an acoustic model.

A synthetic voice reads the text, and dynamic time warping finds its words in the recording. It
tells when each word was said, not how well, so pronunciation has no score.
"""

from typing import Final

from speech.acoustics.model_files import acoustic_model
from speech.engines import kaiwa
from speech.scores.listening import LISTENER
from speech.scores.model import scoring_model
from speech.text import transcript

# espeak-ng's voice of each language. It has none for Filipino, whose spelling Indonesian's reads
# nearly as it sounds.
VOICES: Final = {
    "de": "de", "en": "en-us", "es": "es", "fil": "id", "fr": "fr", "hi": "hi", "id": "id",
    "it": "it", "ja": "ja", "ko": "ko", "nl": "nl", "pt": "pt-br", "ru": "ru", "tr": "tr",
    "vi": "vi", "zh": "cmn",
}  # fmt: skip


def model_version() -> str:
    """Return the version of what hears the recording."""
    return kaiwa.model_version(LISTENER)


def load(language: str) -> None:
    """Load what the analysis of a language needs, so that later nothing is read from disk."""
    model_version()
    scoring_model(LISTENER)
    acoustic_model()
    transcript.load(language)
