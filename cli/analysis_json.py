"""Output of an analysis as JSON."""

from dataclasses import asdict

import orjson

from speech.analysis import SpeechAnalysis


def dump(analysis: SpeechAnalysis) -> bytes:
    """Return the whole analysis as JSON, in UTF-8 whatever the terminal's encoding."""
    return orjson.dumps(asdict(analysis))
