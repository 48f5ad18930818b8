import json

import numpy as np
import pytest
import soundfile

from speech.alignment.interim import align
from speech.scores.calibration import Calibration
from speech.text.phones import IPA
from training.calibrate_alignment_scores import fit, read_corpus

SENTENCES = {
    "fox": "THE QUICK BROWN FOX JUMPS OVER THE LAZY DOG",
    "pauses": "I WOULD LIKE A GLASS OF WATER PLEASE",
}


@pytest.fixture
def small_corpus(tmp_path, clip):
    """Clips at four noise levels, rated by how little noise there is."""
    (tmp_path / "audio").mkdir()
    noise = np.random.default_rng(0).normal(0, 1, 100_000).astype(np.float32)
    labels = []
    for name, text in SENTENCES.items():
        for step, level in enumerate((0.0, 0.003, 0.01, 0.03)):
            waveform = clip(name)
            soundfile.write(
                tmp_path / "audio" / f"{name}{step}.flac",
                waveform + level * noise[: len(waveform)],
                16_000,
            )
            spoken = align(waveform, text.lower().split()).words
            words = [
                {
                    "accuracy": 10.0 - 2 * step,
                    "phones": [phone.phone for phone in word.phones],
                    "phone_accuracy": [2.0 - 0.4 * step] * len(word.phones),
                }
                for word in spoken
            ]
            labels.append(
                {
                    "utterance": f"{name}{step}",
                    "speaker": str(step),
                    "text": text,
                    "accuracy": 9.0 - 2 * step,
                    "fluency": 9.0 - step,
                    "words": words,
                }
            )
    lines = "\n".join(json.dumps(label) for label in labels)
    (tmp_path / "labels.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def test_a_corpus_becomes_a_calibration_that_can_be_shipped(small_corpus):
    examples = read_corpus(small_corpus)
    fitted = fit(examples)
    assert set(fitted.phone_norms) <= set(IPA)
    assert fitted.mismatch_possible < fitted.mismatch_certain
    copy = Calibration.from_json(fitted.to_json())
    assert copy.accuracy.names == fitted.accuracy.names
    assert copy.accuracy.weights == pytest.approx(fitted.accuracy.weights, abs=1e-5)
