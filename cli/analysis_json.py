"""An analysis for programs."""

from dataclasses import asdict

import orjson

from speech.analysis import SpeechAnalysis


def dump(analysis: SpeechAnalysis) -> bytes:
    """Write all of it as JSON, in UTF-8 whatever the terminal's encoding."""
    return orjson.dumps(asdict(analysis))
