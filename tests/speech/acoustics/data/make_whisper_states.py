"""Write the spectrum and states that OpenAI's own code computes for a clip.

    pip install openai-whisper==20250625
    python -m tests.speech.acoustics.data.make_whisper_states WHEEL

WHEEL is that of `training.extract_encoder`. The clip is brought to the level at which Whisper's
spectrum has the maximum that ours always has. Every 25th frame and state is kept.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile
import torch
from whisper.audio import log_mel_spectrogram
from whisper.model import AudioEncoder

from training.extract_encoder import read_wheel

HERE = Path(__file__).parent
CLIP = HERE.parents[1] / "data" / "fox.flac"
KEPT = slice(0, None, 25)
LAYERS = (2, 3, 4)
LOUDEST = (1.5 + 4) / 4
PARTS = {"attn.out": "self_attention/linear_1", "mlp.0": "ffn/linear_0", "mlp.2": "ffn/linear_1"}
NORMS = {"attn_ln": "self_attention/layer_norm", "mlp_ln": "ffn/layer_norm"}


def encoder(model):
    """Build OpenAI's encoder from a package's arrays."""
    weights = {"positional_embedding": model["encoder/position_encodings/encodings"]}
    for name in ("conv1", "conv2"):
        weights |= linear(name, model, f"encoder/{name}")
    for layer in range(4):
        ours, theirs = f"blocks.{layer}", f"encoder/layer_{layer}"
        for name, part in PARTS.items():
            weights |= linear(f"{ours}.{name}", model, f"{theirs}/{part}")
        for name, part in NORMS.items():
            weights |= norm(f"{ours}.{name}", model, f"{theirs}/{part}")
        joined = linear("joined", model, f"{theirs}/self_attention/linear_0")
        for name, rows in zip(("query", "key", "value"), np.split(np.arange(1152), 3), strict=True):
            for kind in ("weight", "bias"):
                weights[f"{ours}.attn.{name}.{kind}"] = joined[f"joined.{kind}"][rows]
        assert not weights.pop(f"{ours}.attn.key.bias").any()
    weights |= norm("ln_post", model, "encoder/layer_norm")
    built = AudioEncoder(80, 1500, 384, 6, 4)
    built.load_state_dict(
        {name: torch.tensor(array.astype(np.float32)) for name, array in weights.items()}
    )
    return built.eval()


def linear(name, model, theirs):
    return {f"{name}.{kind}": model[f"{theirs}/{kind}"] for kind in ("weight", "bias")}


def norm(name, model, theirs):
    return {f"{name}.weight": model[f"{theirs}/gamma"], f"{name}.bias": model[f"{theirs}/beta"]}


def main():
    waveform, _ = soundfile.read(CLIP, dtype="float32")
    loudest = float(log_mel_spectrogram(waveform).max())
    waveform *= np.float32(10 ** (2 * (LOUDEST - loudest)))
    spectrum = log_mel_spectrogram(waveform)
    built = encoder(read_wheel(Path(sys.argv[1])))
    count = (spectrum.shape[1] + 1) // 2
    built.positional_embedding = built.positional_embedding[:count]
    states = {}
    for layer in LAYERS:
        below = built.blocks[layer - 1] if layer < 4 else built.ln_post
        below.register_forward_hook(
            lambda _, __, output, layer=layer: states.update({layer: output})
        )
    with torch.no_grad():
        built(spectrum[None])
    np.savez_compressed(
        HERE / "whisper_states.npz",
        spectrum=spectrum.T.numpy()[KEPT],
        **{f"layer_{layer}": states[layer][0].numpy()[KEPT] for layer in LAYERS},
    )


if __name__ == "__main__":
    main()
