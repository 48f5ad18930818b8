"""Hear phones without knowing the text, or even the language.

The network of engine `kaiwa` was trained on English, but sounds alike sound alike to it in any
language, whoever says them: in a learner's voice and in a synthetic one (the "posteriorgrams" of
Hazen, Shen & White 2009).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.front_end import FRAME_SECONDS, cepstra, features
from speech.acoustics.model_files import acoustic_model
from speech.acoustics.pitch import Pitch
from speech.acoustics.senones import log_likelihoods
from speech.scores.features import frame_measures
from speech.scores.goodness import relative_likelihoods
from speech.scores.model import scoring_model
from speech.scores.network import PHONES, STEP

STEP_SECONDS: Final = STEP * FRAME_SECONDS
SILENCE: Final = PHONES  # the column of silence
LISTENER: Final = "kaiwa"


def heard_phones(waveform: NDArray[np.float32], pitch: Pitch) -> NDArray[np.float32]:
    """Return the posteriors of 39 phones and silence every 20 ms, shape (steps, 40).

    Args:
        waveform: Shape (n,), n > 0, mono at 16 kHz.
        pitch: Pitch of its frames.
    """
    model = acoustic_model()
    frames = features(cepstra(waveform))
    states = relative_likelihoods(log_likelihoods(model, frames, model.context_independent))
    return scoring_model(LISTENER).network.heard(frame_measures(frames, states, pitch))
