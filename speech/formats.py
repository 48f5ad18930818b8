"""Recognise a file's format from its bytes alone.

Declared formats cannot be trusted: raw PCM is uploaded under names that end in `.wav`, and so is
everything else.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from speech.decoding.mpeg_frames import id3_length, is_ac3, is_adts, is_eac3, is_loas, is_mp3


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
_AC3: Final = _media("ac3", "an AC-3 file", "ac3")
_EAC3: Final = _media("eac3", "an E-AC-3 file", "eac3")
_SOX: Final = _media("sox", "a SoX file", "sox")
_PAF: Final = _sound("paf", "a PAF file")
_IRCAM: Final = _sound("ircam", "an IRCAM file", "ircam")
_TRANSPORT_STREAM: Final = _media("mpegts", "an MPEG transport stream", "mpegts")
_IMAGE: Final = _other("image", "an image")
TEXT: Final = _other("text", "text")
_ARCHIVE: Final = _other("archive", "an archive")
_OTHER_AUDIO: Final = "{} file, a format that cannot be read"
_OTHER_VIDEO: Final = "{} video, a format that cannot be read"
_MAT: Final = _sound("mat", "a MATLAB file")

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
    (b".SoX", _SOX),
    (b"XoS.", _SOX),
    (b"nut/multimedia container\0", _media("nut", "a NUT file", "nut")),
    (b"2BIT", _sound("avr", "an AVR file")),
    (b"PVF1\n", _sound("pvf", "a PVF file")),
    (b" paf", _PAF),
    (b"fap ", _PAF),
    (b"ALawSoundFile**", _sound("wve", "a Psion WVE file")),
    (b"MATLAB 5.0 MAT-file", _MAT),
    (b"Extended Instrument: ", _other("xi", _OTHER_AUDIO.format("an Extended Instrument"))),
    (b"Extended Module: ", _other("xm", _OTHER_AUDIO.format("an Extended Module"))),
    (
        b"\xb7\xd8\x00\x207I\xda\x11\xa6N\x00\x07\xe9^\xad\x8d",
        _other("wtv", _OTHER_VIDEO.format("a WTV")),
    ),
    (b"\x06\x0e+4\x02\x05\x01\x01", _other("mxf", _OTHER_VIDEO.format("an MXF"))),
    (b"NSVf", _other("nsv", _OTHER_VIDEO.format("an NSV"))),
    (b"DKIF", _other("ivf", _OTHER_VIDEO.format("an IVF"))),
    (b"YUV4MPEG2 ", _other("y4m", _OTHER_VIDEO.format("a YUV4MPEG"))),
    (b"\x7f\xfe\x80\x01", _other("dts", _OTHER_AUDIO.format("a DTS"))),
    (b"ajkg", _other("shn", _OTHER_AUDIO.format("a Shorten"))),
    (b"qoaf", _other("qoa", _OTHER_AUDIO.format("a QOA"))),
    (b"TWIN97012000", _other("vqf", _OTHER_AUDIO.format("a VQF"))),
    (b"ea3\x03", _other("oma", _OTHER_AUDIO.format("an OpenMG"))),
    (b"EA3\x01", _other("oma", _OTHER_AUDIO.format("an OpenMG"))),
    (b"#!iLBC", _other("ilbc", _OTHER_AUDIO.format("an iLBC"))),
    (b".ra\xfd", _other("ra", _OTHER_AUDIO.format("a RealAudio"))),
    (b"\x02dss", _other("dss", _OTHER_AUDIO.format("a DSS"))),
    (b"\x03dss", _other("dss", _OTHER_AUDIO.format("a DSS"))),
    (b"\x03ds2", _other("ds2", _OTHER_AUDIO.format("a DS2"))),
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
# At the start too, with numbers in between.
_PATTERNS: Final = (
    (re.compile(rb"d\xa3[\1-\4]\0|\0[\1-\4]\xa3d"), _IRCAM),
    (re.compile(rb".{20}samplerate\0", re.DOTALL), _MAT),
    # Its length, the time of a sample in tenths of a microsecond, and 16-bit samples.
    (
        re.compile(rb"\0[\0-\x7f]..\0\0(?:\0[\x34-\xff]|[\1-\x09].)\0\x02\0\0", re.DOTALL),
        _sound("htk", "an HTK file"),
    ),
    (re.compile(rb"\xf0~[\0-\x7f]\x01"), _sound("sds", "a MIDI sample dump")),
    (
        re.compile(rb"\0\0\0\0\x01\xbc.{4}\0{4}\xe1\xe2", re.DOTALL),
        _other("gxf", _OTHER_VIDEO.format("a GXF")),
    ),
)
# In IFF and RIFF files, at offset 8.
_RIFF_TYPES: Final = {
    b"WAVE": WAV,
    b"QLCM": _media("qcp", "a QCP file", "qcp"),
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
# On Blu-ray discs and in camcorders, each packet follows a timestamp of four bytes.
_M2TS_PACKET_BYTES: Final = 192
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WAVE: Final = re.compile(rb"(?:RIFF|RIFX|RF64|BW64).{4}WAVE[ -~]{4}", re.DOTALL)
_MAX_JUNK_BYTES: Final = 2**12
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
    file = data[junk_length(data) :]
    return _by_beginning(file) or _by_frames(file) or _by_text(file)


def junk_length(data: bytes) -> int:
    """Return how many bytes are in front of the file: an ID3 tag, a byte order mark or junk.

    Tags in front of MPEG audio belong to it, and are not counted.
    """
    if _by_beginning(data):
        return 0
    tag = id3_length(data) or (len(_BYTE_ORDER_MARK) if data.startswith(_BYTE_ORDER_MARK) else 0)
    if tag and _by_beginning(data[tag:]):
        return tag
    wave = _WAVE.search(data, tag, tag + _MAX_JUNK_BYTES)
    return wave.start() if wave else 0


def _by_beginning(data: bytes) -> Format | None:
    for signature, found in _SIGNATURES:
        if data.startswith(signature):
            return found
    for pattern, found in _PATTERNS:
        if pattern.match(data):
            return found
    return _by_container(data)


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
    for is_found, found in _FRAMES:
        if is_found(data):
            return found
    return None


def _is_mp3(data: bytes) -> bool:
    return id3_length(data) > 0 or is_mp3(data)


def _is_transport_stream(data: bytes) -> bool:
    believed = b"\x47" * _TS_PACKETS_TO_BELIEVE
    syncs = data[::_TS_PACKET_BYTES], data[4::_M2TS_PACKET_BYTES]
    return any(found.startswith(believed) for found in syncs)


# In this order: an ID3 tag is taken for that of an MP3 unless AAC follows.
_FRAMES: Final = (
    (is_adts, _AAC),
    (is_ac3, _AC3),
    (is_eac3, _EAC3),
    (_is_mp3, MP3),
    (is_loas, _LOAS),
    (_is_transport_stream, _TRANSPORT_STREAM),
)


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
