"""Turn channels into one, without the losses of an average.

The average of channels in opposite phase is silence, that of delayed ones lacks frequencies, and
that of a good and a noisy one is noisy. So the channel in which the voice stands out most is taken.
Others are added only if they hold speech where that channel is silent, as in a recorded call.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Levels = NDArray[np.float64]

# The channels are chosen for so long at a time, for most recordings once.
_WINDOW_SECONDS: Final = 30
_FRAMES_A_SECOND: Final = 50
_LOUD, _BACKGROUND = 0.95, 0.1  # quantiles of a channel's levels
_LOWEST_DB: Final = -120.0
# Above the background; more is a matter of the converter, not of the room.
_MOST_RANGE_DB: Final = 50.0
_EQUAL_DB: Final = 3.0  # within which the louder channel is taken
_CHANGE_DB: Final = 9.0  # that another channel must be better by to be taken from then on
# Speech is at most so far below the loudest speech, silence at least so far.
_SPEECH_DB, _SILENCE_DB = 20.0, 30.0
_LEAST_FRAMES, _LEAST_SHARE = 15, 0.2  # of speech in another channel alone
# A switch happens in the quietest frame at the beginning of a window.
_SEARCHED_FRAMES: Final = 100


def downmixed(blocks: Iterable[Floats], rate_hz: int) -> Iterator[Floats]:
    """Yield one channel; the only channel of a mono recording is passed on as it is.

    Args:
        blocks: Shape (n, channels), all with the same number of channels.
        rate_hz: Sample rate.

    Yields:
        Shape (n,), together as long as `blocks`.
    """
    mix: Floats | None = None
    for window in _windows(blocks, _WINDOW_SECONDS * rate_hz):
        if window.shape[1] == 1:
            yield window[:, 0]
            continue
        frame = rate_hz // _FRAMES_A_SECOND
        levels = _levels(window, frame)
        before, mix = mix, _chosen(levels, mix)
        if before is None or mix is None or (before == mix).all():
            yield _mixed(window, mix)
        else:
            quietest = int((levels @ (before + mix))[:_SEARCHED_FRAMES].argmin())
            yield _switched(window, before, mix, slice(quietest * frame, (quietest + 1) * frame))


def _windows(blocks: Iterable[Floats], length: int) -> Iterator[Floats]:
    """Join and divide blocks of several channels into windows; pass on those of one."""
    held: list[Floats] = []
    count = 0
    for block in blocks:
        if block.shape[1] == 1:
            yield block
            continue
        held.append(block)
        count += len(block)
        while count >= length:
            joined = np.concatenate(held)
            yield joined[:length]
            held, count = [joined[length:]], count - length
    if count:
        yield np.concatenate(held)


def _levels(window: Floats, frame: int) -> Levels:
    """Return the level of each channel in each frame, in dB of full scale: (frames, channels)."""
    frames = max(len(window) // frame, 1)
    divided = np.array_split(window[: frames * frame], frames)
    power = np.array([part.var(axis=0, dtype=np.float64) for part in divided])
    return np.asarray(np.maximum(10 * np.log10(np.maximum(power, 1e-12)), _LOWEST_DB))


def _chosen(levels: Levels, before: Floats | None) -> Floats | None:
    """Return the weight of each channel; what applied before if there is no sound."""
    loud, background = np.quantile(levels, (_LOUD, _BACKGROUND), axis=0)
    if loud.max() <= _LOWEST_DB:
        return before
    contrast = np.minimum(loud - background, _MOST_RANGE_DB)
    preference = contrast if before is None else contrast - _CHANGE_DB * (before == 0)
    best = int(np.where(preference >= preference.max() - _EQUAL_DB, loud, -np.inf).argmax())
    is_silent = levels[:, best] < loud[best] - _SILENCE_DB
    is_speech = (levels >= loud - _SPEECH_DB) & (contrast >= _SPEECH_DB)
    alone = is_speech[is_silent].sum(axis=0)
    is_used = alone >= np.maximum(_LEAST_FRAMES, _LEAST_SHARE * is_speech.sum(axis=0))
    is_used[best] = True
    return np.asarray(is_used / is_used.sum(), np.float32)


def _mixed(window: Floats, mix: Floats | None) -> Floats:
    return np.asarray(window.mean(axis=1) if mix is None else window @ mix, np.float32)


def _switched(window: Floats, before: Floats, mix: Floats, fade: slice) -> Floats:
    """Fade from one mix to another."""
    share = np.zeros(len(window), np.float32)
    share[fade] = np.linspace(0, 1, len(share[fade]))
    share[fade.stop :] = 1
    return (1 - share) * (window @ before) + share * (window @ mix)
