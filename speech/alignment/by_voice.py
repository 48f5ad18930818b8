"""Find the words of a text in a recording by comparing it with a synthetic voice that reads it.

For languages without an acoustic model. Both are turned into posteriors of phones, pauses are cut
out, the voice reads at the learner's tempo, and dynamic time warping carries the edges of its words
over to the recording.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.acoustics.background import with_noise_floor
from speech.acoustics.endpoints import MARGIN_FRAMES, SpeechPart
from speech.acoustics.front_end import FRAME_SECONDS, frame_count
from speech.acoustics.pitch import LOUDEST, RANGE_DB, pitch
from speech.alignment.warping import warping_path
from speech.errors import EmptyTranscript
from speech.scores.listening import SILENCE, STEP_SECONDS, heard_phones
from speech.scores.network import STEP
from speech.synthetic_voice import (
    FASTEST_WPM,
    SLOWEST_WPM,
    Speak,
    SyntheticSpeech,
    is_vowel,
)
from speech.text.transcript import Word

Steps = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FIRST_WPM: Final = 175  # espeak-ng's own
_CLOSE_TEMPO: Final = 0.1  # not worth another reading
# Silence lies above the noise by less than this share of the way to the loudest speech, between
# these two levels.
_NOISE_QUANTILE, _SILENCE_SHARE, _LEAST_RANGE_DB = 0.1, 0.15, 15.0
_SHORTEST_CUT: Final = 8  # steps of silence in the recording
_SHORTEST_VOICE_CUT: Final = 4  # the voice's pauses are exact
_MARGIN: Final = 2  # steps of a pause that stay on either side
_SHORTEST_GAP: Final = 10  # no word reaches across so many steps of silence
_REACH, _REACH_SHARE, _MOST_REACH = 30, 0.15, 500  # steps
_PUNCTUATION: Final = {"": "", "phrase": ",", "sentence": "."}
_MARGIN_STEPS: Final = MARGIN_FRAMES // STEP
_ONSET_STEPS: Final = 7  # a voiceless sound before or after the voiced part
_LEAST_NEARNESS: Final = 1e-4
_PAUSE: Final = np.eye(SILENCE + 1, dtype=np.float32)[SILENCE:]


@dataclass(frozen=True, slots=True)
class VoiceAlignment:
    """The words of a text in a recording.

    Attributes:
        spans: Start and end of each word in the recording, seconds, in order, not overlapping.
        distance: Mean distance of recording and voice, nats; higher if the text was not said.
        syllables: Syllables that the voice said.
    """

    spans: tuple[tuple[float, float], ...]
    distance: float
    syllables: int


@dataclass(frozen=True, slots=True, eq=False)
class _Sound:
    """Posteriors of a recording or a reading, and what of it is compared.

    Attributes:
        posteriors: Shape (T, 40).
        is_loud: Shape (T,).
        kept: Steps outside of pauses, ascending.
    """

    posteriors: NDArray[np.float32]
    is_loud: Mask
    kept: Steps


def align_by_voice(
    part: SpeechPart, words: Sequence[Word], speak: Speak, voice: str
) -> VoiceAlignment:
    """Align the speech of a recording with a reading of its words.

    Args:
        part: The speech.
        words: At least one.
        speak: Reads a text.
        voice: The voice that speaks the language.
    """
    text, starts = _script(words)
    learner = _learners_sound(part)
    reading, sound = _read_at_tempo(text, speak, voice, len(learner.kept))
    edges = word_edges(reading, starts, [len(word.text) for word in words])
    frames, places = _compared(sound, edges)
    posteriors = np.vstack([sound.posteriors[sound.kept], _PAUSE])[frames]
    one, is_pause = learner.posteriors[learner.kept], frames == len(sound.kept)
    reach = min(max(_REACH, round(_REACH_SHARE * len(frames))), _MOST_REACH)
    path = warping_path(one, posteriors, is_pause, reach)
    near = np.vecdot(one[path[:, 0]], posteriors[path[:, 1]])[~is_pause[path[:, 1]]]
    first = part.first_frame * FRAME_SECONDS
    return VoiceAlignment(
        tuple(
            (first + start * STEP_SECONDS, first + end * STEP_SECONDS)
            for start, end in _carried_over(path, places, learner)
        ),
        float(-np.log(near + _LEAST_NEARNESS).mean()),
        sum(is_vowel(phone) for phone, _ in reading.phones),
    )


def _script(words: Sequence[Word]) -> tuple[str, list[int]]:
    """Return the text to read, and where in it each word begins."""
    pieces = [" ".join(word.spoken) + _PUNCTUATION[word.boundary] for word in words]
    return " ".join(pieces), list(accumulate((len(piece) + 1 for piece in pieces), initial=0))[:-1]


def _learners_sound(part: SpeechPart) -> _Sound:
    """Hear the recording; its margins hold no speech."""
    levels = part.pitch.energy_db[::STEP]
    inner = slice(_MARGIN_STEPS, len(levels) - _MARGIN_STEPS)
    quiet, loudest = np.quantile(levels[inner], (_NOISE_QUANTILE, LOUDEST)).tolist()
    limit = min(quiet + _SILENCE_SHARE * (loudest - quiet), loudest - _LEAST_RANGE_DB)
    is_loud = levels > max(limit, loudest - RANGE_DB)
    posteriors = heard_phones(part.waveform, part.pitch)
    inner = slice(_MARGIN_STEPS - _ONSET_STEPS, len(levels) - _MARGIN_STEPS + _ONSET_STEPS)
    return _Sound(posteriors, is_loud, _without_pauses(is_loud, inner, _SHORTEST_CUT))


def _read_at_tempo(
    text: str, speak: Speak, voice: str, steps: int
) -> tuple[SyntheticSpeech, _Sound]:
    """Have the text read so that it takes as many steps, pauses aside, if the voice can."""
    reading = speak(text, voice=voice, words_per_minute=_FIRST_WPM)
    is_sound = _sounding_steps(reading)
    tempo = len(_without_pauses(is_sound, slice(None), _SHORTEST_VOICE_CUT)) / steps
    if abs(tempo - 1) > _CLOSE_TEMPO:
        pace = min(max(round(_FIRST_WPM * tempo), SLOWEST_WPM), FASTEST_WPM)
        reading = speak(text, voice=voice, words_per_minute=pace)
        is_sound = _sounding_steps(reading)
    measured = pitch(reading.waveform)
    waveform = with_noise_floor(reading.waveform, reading.waveform, measured.loudest)
    kept = _without_pauses(is_sound, slice(None), _SHORTEST_VOICE_CUT)
    return reading, _Sound(heard_phones(waveform, measured), is_sound, kept)


def _sounding_steps(reading: SyntheticSpeech) -> Mask:
    """Return the steps of a reading that are no pause.

    Raises:
        EmptyTranscript: If the voice has nothing to say.
    """
    is_sound = np.zeros(-(-frame_count(len(reading.waveform)) // STEP), bool)
    ends = [at for _, at in reading.phones[1:]] + [reading.seconds]
    for (phone, start), end in zip(reading.phones, ends, strict=False):
        if phone:
            first = round(start / STEP_SECONDS)
            is_sound[first : max(round(end / STEP_SECONDS), first + 1)] = True
    if not is_sound.any():
        raise EmptyTranscript
    return is_sound


def _without_pauses(is_loud: Mask, inner: slice, shortest: int) -> Steps:
    """Return the steps from the first loud one to the last, without the inside of pauses."""
    loud = np.flatnonzero(is_loud[inner]) + (inner.start or 0)
    is_kept = np.zeros(len(is_loud), bool)
    is_kept[loud[0] : loud[-1] + 1] = True
    for start, end in _silences(is_loud, shortest):
        if loud[0] < start and end <= loud[-1]:
            is_kept[start + _MARGIN : end - _MARGIN] = False
    return np.flatnonzero(is_kept)


def _silences(is_loud: Mask, shortest: int) -> list[tuple[int, int]]:
    """Return runs of at least so many steps that are not loud, `[start, end)`."""
    changes = np.flatnonzero(np.diff(is_loud, prepend=True, append=True))
    return [
        (start, end) for start, end in changes.reshape(-1, 2).tolist() if end - start >= shortest
    ]


def word_edges(
    reading: SyntheticSpeech, starts: Sequence[int], lengths: Sequence[int]
) -> NDArray[np.float64]:
    """Return where the voice begins and ends each word, shape (words, 2), seconds.

    Words that the voice runs together share their time in proportion to their letters.

    Args:
        reading: What the voice said.
        starts: For each word, its first code point in the text that was read.
        lengths: For each word, its letters.
    """
    told_apart: dict[int, float] = {}
    for place, seconds in reading.words:
        told_apart.setdefault(max(bisect_right(starts, place) - 1, 0), seconds)
    told_apart[0] = 0.0
    edges = np.empty((len(starts), 2))
    groups = [*sorted(told_apart.items()), (len(starts), reading.seconds)]
    for (first, begin), (after, until) in pairwise(groups):
        shares = np.cumsum([0, *lengths[first:after]]) / sum(lengths[first:after])
        cuts = begin + shares * (_end_of_sound(reading, begin, until) - begin)
        edges[first:after] = np.column_stack([cuts[:-1], cuts[1:]])
    return edges


def _end_of_sound(reading: SyntheticSpeech, begin: float, until: float) -> float:
    """Return where a stretch of a reading falls silent: its last phones may be pauses."""
    inside = [(phone, at) for phone, at in reading.phones if begin <= at < until]
    end = until
    for phone, at in reversed(inside):
        if phone:
            break
        end = at
    return max(end, begin)


def _compared(sound: _Sound, edges: NDArray[np.float64]) -> tuple[Steps, Steps]:
    """Return the frames of the voice in the order in which they are compared.

    Returns:
        Their indices among `sound.kept`, with one past the last for a pause, which may stand
        between any two words; and for each word, its frames `[start, end)` among these.
    """
    count = len(sound.kept)
    cuts = np.searchsorted(sound.kept, np.rint(edges / STEP_SECONDS))
    frames: list[int] = []
    places = []
    done = 0
    for start, end in cuts.tolist():
        first = min(max(start, done), count - 1)
        frames += range(done, first)
        if frames:
            frames.append(count)
        done = max(end, first + 1)
        places.append((len(frames), len(frames) + done - first))
        frames += range(first, done)
    return np.array([*frames, *range(done, count)]), np.array(places)


def _carried_over(path: Steps, places: Steps, learner: _Sound) -> list[tuple[float, float]]:
    """Return where each word lies in the recording, in steps `[start, end)`."""
    rows, columns = path.T
    firsts = rows[np.searchsorted(columns, places[:, 0])]
    lasts = rows[np.searchsorted(columns, places[:, 1] - 1, side="right") - 1]
    gaps = _silences(learner.is_loud, _SHORTEST_GAP)
    spans = zip(learner.kept[firsts].tolist(), (learner.kept[lasts] + 1).tolist(), strict=True)
    return _apart([_longest_run(start, end, gaps) for start, end in spans])


def _longest_run(start: int, end: int, gaps: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return the longest run of speech within a word; the word itself if it has none."""
    inside = [gap for gap in gaps if gap[0] < end and gap[1] > start]
    begins = [start, *(gap[1] for gap in inside)]
    ends = [*(gap[0] for gap in inside), end]
    return max(
        ((a, b) for a, b in zip(begins, ends, strict=True) if a < b),
        key=lambda run: run[1] - run[0],
        default=(start, end),
    )


def _apart(spans: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Return words that do not overlap, each of some length.

    A word ends where the next begins at the latest. Words that begin in the same step share the
    time up to the next one.
    """
    starts = [start for start, _ in spans]
    apart: list[tuple[float, float]] = []
    for start, group in groupby(spans, lambda span: span[0]):
        ends = [end for _, end in group]
        following = starts[len(apart) + len(ends) :][:1]
        cuts = np.linspace(start, min([max(ends), *following]), len(ends) + 1).tolist()
        apart += pairwise(cuts)
    return apart
