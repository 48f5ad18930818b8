from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def golden():
    """Values that pocketsphinx computes for the clips; see data/make_golden.py."""
    with np.load(Path(__file__).parent / "data" / "golden.npz") as arrays:
        return dict(arrays)
