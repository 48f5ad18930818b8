from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden():
    """Values that pocketsphinx computes for the clips; see data/make_golden.py."""
    with np.load(Path(__file__).parent / "data" / "golden.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def whisper_states():
    """What OpenAI's code computes for the clip fox; see data/make_whisper_states.py."""
    with np.load(Path(__file__).parent / "data" / "whisper_states.npz") as arrays:
        return dict(arrays)
