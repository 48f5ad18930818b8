"""Recognise a file's format from its bytes alone.

Declared formats cannot be trusted: raw PCM is uploaded under names that end in `.wav`, and so is
everything else.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from speech.decoding.mpeg_frames import id3_length, is_adts, is_loas, is_mp3


class Reader(StrEnum):
    """What can decode a format."""

    SOUND_FILE = "libsndfile"
    MEDIA = "FFmpeg"  # of the extra `codecs`
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Attributes:
        name: As `messages.audio_format` has it.
        title: With its article, for sentences: "a WAV file".
        reader: What decodes it.
        demuxer: FFmpeg's name, for formats that FFmpeg reads; it also gets those files of
            libsndfile's formats that libsndfile cannot read.
    """

    name: str
    title: str
    reader: Reader
    demuxer: str | None = None


def _sound(name: str, title: str, demuxer: str | None = None) -> Format:
    return Format(name, title, Reader.SOUND_FILE, demuxer)


def _media(name: str, title: str, demuxer: str) -> Format:
    return Format(name, title, Reader.MEDIA, demuxer)


def _other(name: str, title: str) -> Format:
    return Format(name, title, Reader.NONE)


WAV: Final = _sound("wav", "a WAV file", "wav")
FLAC: Final = _sound("flac", "a FLAC file")
MP3: Final = _sound("mp3", "an MP3 file")
CAF: Final = _sound("caf", "a CAF file", "caf")
AU: Final = _sound("au", "an AU file", "au")
OGG: Final = _sound("ogg", "an Ogg file", "ogg")
_OGG_MEDIA: Final = _media("ogg", "an Ogg file", "ogg")
_CAF_MEDIA: Final = _media("caf", "a CAF file", "caf")
_AAC: Final = _media("aac", "an AAC file", "aac")
_LOAS: Final = _media("aac", "an AAC stream", "loas")
_MP4: Final = _media("mp4", "an MP4 file", "mov,mp4,m4a,3gp,3g2,mj2")
_3GP: Final = _media("3gp", "a 3GP file", _MP4.demuxer or "")
_WEBM: Final = _media("webm", "a WebM or Matroska file", "matroska,webm")
_TRANSPORT_STREAM: Final = _media("mpegts", "an MPEG transport stream", "mpegts")
_IMAGE: Final = _other("image", "an image")
TEXT: Final = _other("text", "text")
_ARCHIVE: Final = _other("archive", "an archive")
_OTHER_AUDIO: Final = "{} file, a format that cannot be read"

# At the start of the file.
_SIGNATURES: Final = (
    (b"fLaC", FLAC),
    (b".snd", AU),
    (b"dns.", AU),
    (b"RIFX", WAV),
    (b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00", _sound("w64", "a W64 file", "w64")),
    (b"NIST_1A\n", _sound("nist", "a NIST SPHERE file")),
    (b"Creative Voice File\x1a", _sound("voc", "a VOC file", "voc")),
    (b"\x1aE\xdf\xa3", _WEBM),
    (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", _media("wma", "a WMA file", "asf")),
    (b"#!AMR", _media("amr", "an AMR file", "amr")),
    (b"FLV\x01", _media("flv", "an FLV video", "flv")),
    (b"\x00\x00\x01\xba", _media("mpeg", "an MPEG video", "mpeg")),
    (b"wvpk", _other("wavpack", _OTHER_AUDIO.format("a WavPack"))),
    (b"MAC ", _other("ape", _OTHER_AUDIO.format("a Monkey's Audio"))),
    (b"TTA1", _other("tta", _OTHER_AUDIO.format("a TTA"))),
    (b"MPCK", _other("mpc", _OTHER_AUDIO.format("a Musepack"))),
    (b"MP+", _other("mpc", _OTHER_AUDIO.format("a Musepack"))),
    (b"DSD ", _other("dsf", _OTHER_AUDIO.format("a DSF"))),
    (b"FRM8", _other("dff", _OTHER_AUDIO.format("a DSDIFF"))),
    (b"tBaK", _other("tak", _OTHER_AUDIO.format("a TAK"))),
    (b"OFR ", _other("ofr", _OTHER_AUDIO.format("an OptimFROG"))),
    (b"ADIF", _other("adif", _OTHER_AUDIO.format("an ADIF"))),
    (b".RMF", _other("rm", _OTHER_AUDIO.format("a RealMedia"))),
    (b"MThd", _other("midi", "a MIDI file, which holds notes and no sound")),
    (b"%PDF-", _other("pdf", "a PDF document")),
    (b"\x89PNG\r\n\x1a\n", _IMAGE),
    (b"GIF87a", _IMAGE),
    (b"GIF89a", _IMAGE),
    (b"\xff\xd8\xff\xe0", _IMAGE),
    (b"\xff\xd8\xff\xe1", _IMAGE),
    (b"\xff\xd8\xff\xdb", _IMAGE),
    (b"II*\0", _IMAGE),
    (b"MM\0*", _IMAGE),
    (b"PK\x03\x04", _ARCHIVE),
    (b"PK\x05\x06", _ARCHIVE),
    (b"\x1f\x8b\x08\x00", _ARCHIVE),
    (b"\x1f\x8b\x08\x08", _ARCHIVE),
    (b"BZh91AY&SY", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"\xfd7zXZ\0", _ARCHIVE),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE),
    (b"\x7fELF", _other("program", "a program")),
    (b"SQLite format 3\0", _other("sqlite", "a database")),
)
# In IFF and RIFF files, at offset 8.
_RIFF_TYPES: Final = {
    b"WAVE": WAV,
    b"AVI ": _media("avi", "an AVI video", "avi"),
    b"WEBP": _IMAGE,
    b"RMID": _other("midi", "a MIDI file, which holds notes and no sound"),
}
_FORM_TYPES: Final = {
    b"AIFF": _sound("aiff", "an AIFF file", "aiff"),
    b"AIFC": _sound("aiff", "an AIFF file", "aiff"),
    b"8SVX": _sound("svx", "an 8SVX file"),
    b"16SV": _sound("svx", "a 16SV file"),
}
# Boxes that an MP4 or QuickTime file may begin with, at offset 4.
_MP4_BOXES: Final = {
    b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"sidx", b"free", b"skip", b"wide", b"pnot",
}  # fmt: skip
_IMAGE_BRANDS: Final = {b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"}
# First packets of the Ogg streams that libsndfile reads.
_OGG_IN_SOUND_FILE: Final = (b"OpusHead", b"\x01vorbis")
# Encodings in CAF that libsndfile reads; ALAC only if libsndfile wrote it.
_CAF_IN_SOUND_FILE: Final = {b"lpcm", b"ulaw", b"alaw"}

_TS_PACKET_BYTES: Final = 188
_TS_PACKETS_TO_BELIEVE: Final = 4
_TEXT_SAMPLE_BYTES: Final = 2**12
_MIN_LETTERS: Final = 10
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_MARKUP: Final = (
    (re.compile(r"<!doctype html|<html", re.IGNORECASE), _other("html", "a web page")),
    (re.compile(r"<svg"), _IMAGE),
    (re.compile(r"<\?xml|<[A-Za-z]+[ >]"), _other("xml", "an XML document")),
    (re.compile(r"[{\[]\s*[\"{\[\]}\d-]"), _other("json", "a JSON document")),
)


def identify(data: bytes) -> Format | None:
    """Return the format that the bytes prove; None if they prove none, as with headerless PCM.

    Args:
        data: The file, or its first 64 KiB.
    """
    for signature, found in _SIGNATURES:
        if data.startswith(signature):
            return found
    return _by_container(data) or _by_frames(data) or _by_text(data)


def _by_container(data: bytes) -> Format | None:
    kind = data[8:12]
    match data[:4]:
        case b"RIFF" | b"RF64" | b"BW64":
            return _RIFF_TYPES.get(kind, WAV)
        case b"FORM":
            return _FORM_TYPES.get(kind, _other("iff", "an IFF file without sound"))
        case b"OggS":
            return OGG if _first_ogg_packet(data).startswith(_OGG_IN_SOUND_FILE) else _OGG_MEDIA
        case b"caff":
            return CAF if data[28:32] in _CAF_IN_SOUND_FILE else _CAF_MEDIA
    if data[4:8] in _MP4_BOXES and _is_box_size(data[:4]):
        return _mp4_kind(kind) if data[4:8] == b"ftyp" else _MP4
    return None


def _first_ogg_packet(data: bytes) -> bytes:
    segments = data[26] if len(data) > 26 else 0
    return data[27 + segments : 27 + segments + 8]


def _is_box_size(size: bytes) -> bool:
    """Return whether a box can have this size; 0 and 1 mean "to the end" and "64 bits"."""
    return int.from_bytes(size, "big") in {0, 1} or int.from_bytes(size, "big") >= 8


def _mp4_kind(brand: bytes) -> Format:
    if brand in _IMAGE_BRANDS:
        return _IMAGE
    return _3GP if brand[:2] == b"3g" else _MP4


def _by_frames(data: bytes) -> Format | None:
    start = id3_length(data)
    if start and data[start : start + 4] == b"fLaC":
        return FLAC
    if is_adts(data):
        return _AAC
    if start or is_mp3(data):
        return MP3
    if is_loas(data):
        return _LOAS
    return _TRANSPORT_STREAM if _is_transport_stream(data) else None


def _is_transport_stream(data: bytes) -> bool:
    syncs = data[::_TS_PACKET_BYTES][:_TS_PACKETS_TO_BELIEVE]
    return syncs == b"\x47" * _TS_PACKETS_TO_BELIEVE


def _by_text(data: bytes) -> Format | None:
    """Recognise text by its beginning: UTF-8 without control characters.

    Quiet G.711 consists of letters too, but of few different ones.
    """
    sample = data[:_TEXT_SAMPLE_BYTES].removeprefix(b"\xef\xbb\xbf")
    if len(set(sample)) < _MIN_LETTERS or _CONTROL.search(sample):
        return None
    try:
        text = sample.decode()
    except UnicodeDecodeError as error:
        if error.start < len(sample) - 3:  # the sample may end inside a character
            return None
        text = sample[: error.start].decode()
    beginning = text.lstrip()
    return next((found for pattern, found in _MARKUP if pattern.match(beginning)), TEXT)
