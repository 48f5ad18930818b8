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

    def _analyze(waveform, text, language, *, model):
        assert language == "en"
        if text in orders:
            raise orders[text]
        loudness = 100 * float(np.sqrt(np.mean(np.square(waveform))))
        word = {"accuracy": loudness, "phones": [["IY", 0, 10, loudness], ["IY", 10, 20, loudness]]}
        return SimpleNamespace(
            raw_alignment={
                "faulty_below": 20.0,
                "words": [{"word": said, **word} for said in text.lower().split()],
            },
            raw_features=dict.fromkeys(("accuracy", "fluency", "prosodic", "total"), loudness),
        )

    monkeypatch.setattr(engine, "analyze", _analyze)
