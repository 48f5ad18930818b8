"""Look up the senones of a phone by its neighbours and its position in the word."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.binary_file import BinaryFile

STATES: Final = 3
SILENCE: Final = "SIL"

# Internal, begin, end, single: the order in which other positions are tried if a triphone is not
# listed.
_POSITIONS: Final = "ibes"
_PHONE: Final = np.dtype([("sequence", "<i4"), ("transitions", "<i4"), ("context", "u1", (4,))])


@dataclass(frozen=True, slots=True, eq=False)
class Triphones:
    """The model definition, with every triphone looked up in advance.

    Attributes:
        phones: Names of the phones, silence and noise among them.
        transitions: Shape (phones,): the transition matrix of each phone.
        sequences: Shape (n, 3): the senones of each sequence of states.
        bases: Shape (phones,): the context-independent sequence of each phone.
        nearest: Shape (4, phones, phones, phones): the sequence by position, phone, left and
            right neighbour.
        codebooks: Shape (senones,): the phone to which each senone belongs.
    """

    phones: tuple[str, ...]
    transitions: NDArray[np.int64]
    sequences: NDArray[np.int64]
    bases: NDArray[np.int64]
    nearest: NDArray[np.int32]
    codebooks: NDArray[np.int64]

    def senones(self, phone: str, left: str, right: str, position: str) -> tuple[int, int, int]:
        """Look up the senones of a phone's three states.

        Args:
            phone: A name of `phones`.
            left: The phone before it; `SIL` for silence or nothing.
            right: The phone after it, likewise.
            position: In the word: "b" begin, "i" internal, "e" end, "s" single.
        """
        place = self.phones.index
        sequence = self.nearest[_POSITIONS.index(position), place(phone), place(left), place(right)]
        first, middle, last = self.sequences[sequence].tolist()
        return first, middle, last


def read_triphones(path: Path) -> Triphones:
    """Read a binary model definition, `mdef`.

    Raises:
        EngineFailure: If it is missing or inconsistent.
    """
    file = BinaryFile(path)
    file.expect(file.array("u1", 4).tobytes() == b"BMDF", "it is not a binary model definition")
    version, description_bytes = file.integers(2)
    file.array("u1", description_bytes)
    counts = file.integers(10)
    phone_count, entry_count, states, _, senones, matrices, sequence_count, _, nodes, _ = counts
    file.expect(version == 1 and states == STATES, "its version is not supported")
    file.expect(0 < phone_count <= min(entry_count, 255), "its counts are inconsistent")
    phones = file.strings(phone_count)
    file.array("u1", 8 * nodes)  # the entries again, as a tree
    entries = file.array(_PHONE, entry_count)
    file.expect(file.integers(1)[0] == STATES * sequence_count, "its counts are inconsistent")
    sequences = file.array("<u2", STATES * sequence_count).reshape(-1, STATES).astype(np.int64)
    base, listed = entries[:phone_count], entries[phone_count:]
    file.expect(
        ((entries["sequence"] >= 0) & (entries["sequence"] < sequence_count)).all()
        and ((base["transitions"] >= 0) & (base["transitions"] < matrices)).all()
        and (listed["context"] < [len(_POSITIONS), *[phone_count] * 3]).all()
        and sequences.max(initial=-1) + 1 == senones
        and SILENCE in phones,
        "its entries are inconsistent",
    )
    fillers = base["context"][:, 0] != 0
    table = np.full((len(_POSITIONS), phone_count, phone_count, phone_count), -1, np.int32)
    table[tuple(listed["context"].T)] = listed["sequence"]
    codebooks = np.zeros(senones, np.int64)
    codebooks[sequences[base["sequence"]]] = np.arange(phone_count)[:, None]
    codebooks[sequences[listed["sequence"]]] = listed["context"][:, 1:2]
    return Triphones(
        phones=phones,
        transitions=base["transitions"].astype(np.int64),
        sequences=sequences,
        bases=base["sequence"].astype(np.int64),
        nearest=_nearest(table, base["sequence"], fillers, phones.index(SILENCE)),
        codebooks=codebooks,
    )


def _nearest(
    table: NDArray[np.int32],
    bases: NDArray[np.int32],
    fillers: NDArray[np.bool_],
    silence: int,
) -> NDArray[np.int32]:
    """Replace unlisted triphones, -1, by the nearest listed ones.

    First the same triphone in another position, then one beside silence if the neighbour belongs
    to another word, finally the context-independent phone.
    """
    # As a neighbour, noise counts as silence.
    neighbours = np.where(fillers, silence, np.arange(len(fillers)))
    table = table[:, :, neighbours[:, None], neighbours]
    anywhere = table.copy()
    for other in range(len(table)):
        anywhere = np.where(anywhere < 0, table[other], anywhere)
    across = anywhere.copy()
    for position, name in enumerate(_POSITIONS):
        if name in "bs":
            across[position] = across[position][:, [silence]]
        if name in "es":
            across[position] = across[position][:, :, [silence]]
    found = np.where(anywhere < 0, across, anywhere)
    return np.where(found < 0, bases[:, None, None], found)
