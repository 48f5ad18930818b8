"""What every reader returns."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

# Encoders fill their last packet or block.
_MAX_PADDING_FRAMES: Final = 4096


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording that is decoded while `blocks` is read.

    Attributes:
        rate_hz: Sample rate.
        channels: Number of channels.
        declared_frames: Length that the file states; None if it states none, or an estimate.
        blocks: Shape (n, channels), float32. Ends where the file ends or is damaged.
    """

    rate_hz: int
    channels: int
    declared_frames: int | None
    blocks: Iterator[NDArray[np.float32]]


def without_padding(
    pieces: Iterator[NDArray[np.float32]], declared: int
) -> Iterator[NDArray[np.float32]]:
    """Cut the rest of the last packet or block behind the declared end."""
    position, surplus = 0, np.empty(0, np.float32)
    for piece in pieces:
        keep = max(min(len(piece), declared - position), 0)
        position += len(piece)
        yield piece[:keep]
        surplus = np.concatenate([surplus, piece[keep:]]) if len(surplus) else piece[keep:]
        if len(surplus) > _MAX_PADDING_FRAMES:
            break
    if len(surplus) > _MAX_PADDING_FRAMES:  # the declared end is wrong
        yield surplus
        yield from pieces
