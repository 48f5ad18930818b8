"""Audio facts of objects without a message, read from their bytes."""

from schema.errors.storage import ObjectMissing, ObjectTooLarge
from schema.facts.bucket import Adoption, Stray
from speech.decoding.headerless import why_not_samples
from speech.formats import Reader, identify
from speech.sound_facts import SoundFacts, file_facts, pcm_facts
from speech.waveform import MAX_BYTES
from stores.bucket.object_beginning import ObjectBeginning, read_beginning
from tasks.analysis import pool
from tasks.analysis.engines import chosen_engine
from tasks.resources import storage

# The app's type for headerless PCM, and types that other tools derive from `.wav` in its keys.
PCM_CONTENT_TYPES = frozenset({"audio/pcm16", "audio/pcm", "audio/wav", "audio/x-wav"})


def measure(stray: Stray) -> Adoption | None:
    """Read as much of an object as needed to describe it; None if it is gone."""
    try:
        seen = read_beginning(storage.bucket(), stray.storage_key)
        facts = _facts(stray.storage_key, seen)
    except ObjectMissing:
        return None
    return Adoption(
        message_id=stray.message_id,
        storage_key=stray.storage_key,
        size_bytes=seen.size_bytes,
        format=facts.format,
        sample_rate_hz=facts.sample_rate_hz,
        channels=facts.channels,
        duration_ms=facts.duration_ms,
    )


def _facts(key: str, seen: ObjectBeginning) -> SoundFacts:
    found = identify(seen.data)
    if found is not None and found.reader is Reader.SOUND_FILE:
        return _file_facts(key, seen)
    if found is not None:
        return file_facts(seen.data)
    is_pcm = seen.content_type in PCM_CONTENT_TYPES and not why_not_samples(seen.data, "PCM_16")
    return pcm_facts(seen.size_bytes) if is_pcm else SoundFacts()


def _file_facts(key: str, seen: ObjectBeginning) -> SoundFacts:
    try:
        data = seen.data if seen.is_whole else storage.bucket().get(key, max_bytes=MAX_BYTES)
    except ObjectTooLarge:
        return SoundFacts()
    # In a process of its own, because libsndfile reads a stranger's file.
    return pool.analysis_workers(None, chosen_engine(None)).describe(key, data)
