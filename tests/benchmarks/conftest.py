from types import SimpleNamespace

import numpy as np
import pytest

from speech import engine
from speech.errors import EmptyTranscript, NoSpeech, TextMismatch


@pytest.fixture
def fake_engine(monkeypatch):
    """A fake engine that scores by loudness and fails as the text says."""
    orders = {
        "REFUSE": TextMismatch("it was told to"),
        "SILENCE": NoSpeech("it was told to"),
        "EMPTY": EmptyTranscript(),
        "BREAK": ZeroDivisionError(),
    }

    def _analyze(waveform, text, language, *, engine, model):
        assert language == "en"
        if text in orders:
            raise orders[text]
        loudness = 100 * float(np.sqrt(np.mean(np.square(waveform))))
        interval = {"accuracy": loudness, "accuracy_low": 0, "accuracy_high": 50}
        phones = [[phone, 0, 10, *interval.values()] for phone in ("IY", "IY")]
        names = ("accuracy", "fluency", "prosodic", "total")
        return SimpleNamespace(
            raw_alignment={
                "faulty_below": 20.0,
                "words": [
                    {"word": said, "phones": phones, **interval} for said in text.lower().split()
                ],
            },
            raw_features=dict.fromkeys(names, loudness)
            | {f"{name}_low": 0 for name in names}
            | {f"{name}_high": 50 for name in names},
        )

    monkeypatch.setattr(engine, "analyze", _analyze)
