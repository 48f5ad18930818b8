import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech.acoustics.triphones import read_triphones
from speech.errors import EngineFailure

# A tiny model: phones by name, and triphones by position ("ibes"), phone, left and right.
PHONES = ["+NOISE+", "AA", "B", "K", "SIL"]
FILLERS = [1, 0, 0, 0, 1]
LISTED = [
    ("i", "AA", "B", "K"),
    ("e", "AA", "K", "B"),
    ("b", "AA", "SIL", "B"),
    ("s", "K", "SIL", "SIL"),
    ("i", "B", "AA", "SIL"),
]


def definition(phones=PHONES, listed=LISTED, states=3):
    """Build a binary model definition in which entry n has the senones 3n to 3n + 2."""
    count = len(phones) + len(listed)
    names = b"".join(name.encode() + b"\0" for name in phones)
    entries = [struct.pack("<iiBBBB", n, n, FILLERS[n], 0, 0, 0) for n in range(len(phones))]
    for n, (position, *context) in enumerate(listed, start=len(phones)):
        place = ["ibes".index(position), *map(phones.index, context)]
        entries.append(struct.pack("<iiBBBB", n, 0, *place))
    counts = [len(phones), count, states, 3 * len(phones), 3 * count, len(phones), count, 3, 2, 4]
    return b"".join(
        [
            b"BMDF",
            struct.pack("<ii", 1, 8),
            b"of form\0",
            struct.pack("<10i", *counts),
            names.ljust(-(-len(names) // 4) * 4, b"\0"),
            bytes(2 * 8),
            *entries,
            struct.pack("<i", 3 * count),
            np.arange(3 * count, dtype="<u2").tobytes(),
        ]
    )


@pytest.fixture
def written(tmp_path):
    """Write a definition and read it."""

    def _written(data):
        path = tmp_path / "mdef"
        path.write_bytes(data)
        return read_triphones(path)

    return _written


def entry(triphones, *context):
    """Return the entry of the definition that is found: 0 to 4 are phones, then the triphones."""
    first, middle, last = triphones.senones(*context)
    assert (middle, last) == (first + 1, first + 2)
    assert first % 3 == 0
    return first // 3


@pytest.mark.parametrize(
    ("context", "found"),
    [
        (("AA", "B", "K", "i"), 5),
        (("AA", "B", "K", "s"), 5),  # elsewhere in a word
        (("AA", "K", "B", "b"), 6),
        (("AA", "AA", "B", "b"), 7),  # a neighbour in another word counts as silence
        (("AA", "AA", "B", "i"), 1),  # not so within a word
        (("AA", "+NOISE+", "B", "i"), 7),  # noise counts as silence
        (("K", "AA", "B", "s"), 8),  # other words on both sides
        (("K", "AA", "B", "e"), 3),
        (("B", "AA", "K", "e"), 9),
        (("B", "AA", "K", "b"), 2),
        (("SIL", "AA", "B", "i"), 4),
        (("+NOISE+", "SIL", "SIL", "s"), 0),
    ],
)
def test_the_nearest_triphone_is_found(written, context, found):
    assert entry(written(definition()), *context) == found


def test_senones_belong_to_their_phone(written):
    owners = written(definition()).codebooks
    assert owners.tolist() == np.repeat([0, 1, 2, 3, 4, 1, 1, 1, 3, 2], 3).tolist()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"BMDF",
        b"FDMB" + definition()[4:],
        definition(states=5),
        definition(phones=["+NOISE+", "AA", "B", "K", "SIN"], listed=[]),
    ],
    ids=["empty", "magic-alone", "big-endian", "five-states", "no-silence"],
)
def test_an_invalid_definition_is_named(written, data):
    with pytest.raises(EngineFailure, match="file mdef cannot be used"):
        written(data)


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, len(definition()) - 1))
def test_a_definition_that_is_cut_off_is_refused(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("model") / "mdef"
    path.write_bytes(definition()[:cut])
    with pytest.raises(EngineFailure, match="mdef"):
        read_triphones(path)


@settings(max_examples=500, deadline=None)
@given(place=st.integers(0, len(definition()) - 1), byte=st.integers(0, 255))
def test_a_damaged_definition_is_refused_or_still_lawful(tmp_path_factory, place, byte):
    data = bytearray(definition())
    data[place] = byte
    path = tmp_path_factory.mktemp("model") / "mdef"
    path.write_bytes(data)
    try:
        triphones = read_triphones(path)
    except EngineFailure:
        return
    assert ((triphones.nearest >= 0) & (triphones.nearest < len(triphones.sequences))).all()
    assert triphones.sequences.max() + 1 == len(triphones.codebooks)
    assert triphones.transitions.max() < len(triphones.phones)
