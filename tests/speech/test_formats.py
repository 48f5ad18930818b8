import io
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech import formats
from speech.errors import UndecodableAudio
from speech.formats import Format, Reader, identify
from speech.waveform import AudioEncoding, decode

PROJECT = Path(__file__).parents[2]


def encoded(rate_hz=16_000, **how):
    file = io.BytesIO()
    soundfile.write(file, 0.1 * np.sin(np.arange(rate_hz) / 7), rate_hz, **how)
    return file.getvalue()


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_mp3_is_recognised_at_every_rate(rate_hz):
    assert identify(encoded(rate_hz, format="MP3")).name == "mp3"


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"format": "WAV"}, "wav"),
        ({"format": "WAVEX"}, "wav"),
        ({"format": "RF64"}, "wav"),
        ({"format": "WAV", "endian": "BIG"}, "wav"),
        ({"format": "FLAC"}, "flac"),
        ({"format": "OGG", "subtype": "VORBIS"}, "ogg"),
        ({"format": "OGG", "subtype": "OPUS"}, "ogg"),
        ({"format": "AIFF"}, "aiff"),
        ({"format": "CAF"}, "caf"),
        ({"format": "AU", "endian": "BIG"}, "au"),
        ({"format": "AU", "endian": "LITTLE"}, "au"),
        ({"format": "W64"}, "w64"),
        ({"format": "NIST"}, "nist"),
        ({"format": "VOC"}, "voc"),
        ({"format": "SVX"}, "svx"),
        *(
            ({"format": form, "endian": endian}, form.lower().rstrip("45"))
            for form in ("IRCAM", "MAT4", "MAT5", "PAF")
            for endian in ("BIG", "LITTLE")
        ),
        *(({"format": form}, form.lower()) for form in ("AVR", "PVF", "HTK", "SDS")),
    ],
)
def test_what_libsndfile_reads_is_recognised(how, name):
    data = encoded(**how)
    found = identify(data)
    assert (found.name, found.reader) == (name, Reader.SOUND_FILE)
    decoded = decode(data, AudioEncoding("wav", 24_000, 1))
    assert len(decoded) == pytest.approx(16_000, abs=700)
    assert decoded.max() == pytest.approx(0.1, abs=0.02)


def test_a_psion_recording_is_recognised():
    data = encoded(8_000, format="WVE", subtype="ALAW")
    assert identify(data).name == "wve"
    assert len(decode(data, AudioEncoding("wav"))) == 16_000


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("machine", [1, 2, 3, 4])
def test_ircam_is_recognised_in_both_byte_orders(order, machine):
    assert identify(bytes([0x64, 0xA3, machine, 0])[::order] + bytes(2_000)).name == "ircam"


def ogg(packet):
    return b"OggS\0\2" + bytes(20) + b"\1" + bytes([len(packet)]) + packet


def box(name, content=b"isom\0\0\0\0"):
    return (8 + len(content)).to_bytes(4, "big") + name + content


def caf(encoding):
    return b"caff\0\1\0\0desc" + bytes(7) + b"\x20" + bytes(8) + encoding + bytes(20)


ADTS = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(9)  # 16 bytes
LOAS = b"\x56\xe0\x0d" + bytes(13)


@pytest.mark.parametrize(
    ("beginning", "name"),
    [
        (b"\x1aE\xdf\xa3\x9fB\x86", "webm"),
        (box(b"ftyp", b"mp42\0\0\0\0"), "mp4"),
        (box(b"ftyp", b"M4A \0\0\0\0"), "mp4"),
        (box(b"ftyp", b"qt  \0\0\0\0"), "mp4"),
        (box(b"ftyp", b"3gp4\0\0\0\0"), "3gp"),
        *((box(name), "mp4") for name in (b"moov", b"mdat", b"wide", b"free", b"skip", b"styp")),
        (b"\0\0\0\1mdat" + bytes(8), "mp4"),
        (b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", "wma"),
        (b"#!AMR\n", "amr"),
        (b"#!AMR-WB\n", "amr"),
        (b"FLV\1\5", "flv"),
        (b"RIFF\0\0\0\0AVI LIST", "avi"),
        ((b"G" + bytes(187)) * 4, "mpegts"),
        ((b"\0\1\2\3G" + bytes(187)) * 4, "mpegts"),
        (b".SoX" + bytes(40), "sox"),
        (b"XoS." + bytes(40), "sox"),
        (b"nut/multimedia container\0", "nut"),
        (b"RIFF\0\0\0\0QLCMfmt ", "qcp"),
        (b"\0\0\1\xba" + bytes(20), "mpeg"),
        (ADTS * 3, "aac"),
        (b"ID3\4\0\0\0\0\0\5" + bytes(5) + ADTS * 3, "aac"),
        (LOAS * 3, "aac"),
        (ogg(b"Speex   1.2"), "ogg"),
        (ogg(b"\x7fFLAC\1"), "ogg"),
        (ogg(b"\x80theora"), "ogg"),
        (caf(b"aac "), "caf"),
        (caf(b"alac"), "caf"),
        (caf(b"opus"), "caf"),
    ],
)
def test_what_only_ffmpeg_reads_is_recognised(beginning, name):
    found = identify(beginning)
    assert (found.name, found.reader) == (name, Reader.MEDIA)


@pytest.mark.parametrize("behind", [b"fLaC", b"\xff\xfb\x90\x00"])
def test_a_tag_in_front_does_not_hide_the_format(behind):
    tag = b"ID3\4\0\0\0\0\1\0" + bytes(128)
    assert identify(tag + behind).name == {b"fLaC": "flac"}.get(behind, "mp3")


def tag(length=128):
    return b"ID3\4\0\0\0\0" + bytes([length >> 7, length & 0x7F]) + bytes(length)


@pytest.mark.parametrize("how", ["WAV", "RF64", "AIFF", "CAF", "FLAC", "AU", "OGG"])
@pytest.mark.parametrize("front", [tag(), tag(5_000), b"\xef\xbb\xbf"], ids=["tag", "art", "BOM"])
def test_a_tag_or_a_byte_order_mark_in_front_is_skipped(how, front):
    data = encoded(format=how)
    np.testing.assert_array_equal(
        decode(front + data, AudioEncoding("wav", 24_000, 1)), decode(data, AudioEncoding())
    )


@pytest.mark.parametrize("front", [b"\0", b"\r\n", bytes(512), b"HTTP/1.1 200 OK\r\n\r\n"])
def test_junk_in_front_of_a_wav_file_is_skipped(front):
    data = encoded(format="WAV")
    np.testing.assert_array_equal(
        decode(front + data, AudioEncoding("pcm16")), decode(data, AudioEncoding())
    )


@pytest.mark.parametrize("behind", [b"wvpk", b"TTA1", b"MAC ", b"MPCK"])
def test_a_tag_does_not_make_an_mp3_of_what_cannot_be_read(behind):
    assert identify(tag() + behind + bytes(100)).reader is Reader.NONE


OTHERS = {
    "a web page": b"<!DOCTYPE html><html><body>Not found</body></html>",
    "an XML document": b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
    "a JSON document": json.dumps({"error": "no such object"}).encode(),
    "text": "Bitte später noch einmal versuchen.\n".encode() * 200,
    "an image": b"\x89PNG\r\n\x1a\n" + bytes(50),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3",
    "an archive": b"PK\3\4" + bytes(50),
    "a WavPack file": b"wvpk" + bytes(50),
    "a MIDI file": b"MThd\0\0\0\6",
    "a program": b"\x7fELF" + bytes(50),
    "a GXF video": b"\0\0\0\0\1\xbc\0\0\0\x40\0\0\0\0\xe1\xe2" + bytes(50),
    "a WTV video": bytes.fromhex("b7d800203749da11a64e0007e95ead8d") + bytes(50),
    "an MXF video": b"\x06\x0e\x2b\x34\x02\x05\x01\x01" + bytes(50),
    "a DTS file": b"\x7f\xfe\x80\x01" + bytes(50),
    "a Shorten file": b"ajkg" + bytes(50),
    "an Extended Instrument file": b"Extended Instrument: Flute" + bytes(50),
}


@pytest.mark.parametrize(("title", "data"), OTHERS.items(), ids=OTHERS)
@pytest.mark.parametrize("declared", ["wav", "pcm16", "mp3", None])
def test_what_is_no_sound_is_refused_by_its_name(title, data, declared):
    with pytest.raises(UndecodableAudio, match=f"it is {title}"):
        decode(data, AudioEncoding(declared))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8\xff\xe0", b"GIF89a", b"II*\0", b"RIFF\0\0\0\0WEBPVP8 ",
        box(b"ftyp", b"heic\0\0\0\0"), box(b"ftyp", b"avif\0\0\0\0"),
        b"<svg xmlns='http://www.w3.org/2000/svg'></svg>",
    ],
)  # fmt: skip
def test_images_are_recognised(data):
    assert identify(data).title == "an image"


def test_base64_is_text():
    assert (
        identify(b"data:audio/webm;base64,GkXfo59ChoEBQveBAULygQRC84EIQoKEd2VibUKHgQR").name
        == "text"
    )


@given(st.binary(max_size=2_000))
def test_a_single_frame_header_is_not_enough(data):
    # 0xFF 0xFB 0x90 0x00 declares 417 bytes, but no header follows there.
    assert identify(b"\xff\xfb\x90\x00" + bytes(413) + b"\x00" + data) is None


@pytest.mark.parametrize("level", [0, 1, 30, 3_000, 20_000])
def test_samples_have_no_format(level):
    noise = np.random.default_rng(0).normal(0, level, 200_000).clip(-32_768, 32_767)
    assert identify(noise.astype("<i2").tobytes()) is None


@pytest.mark.parametrize("silence", [b"\x00", b"\xff", b"\x7f", b"\xd5", b"\x55", b"\x80"])
def test_silence_in_any_encoding_has_no_format(silence):
    assert identify(silence * 50_000) is None


def test_quiet_g711_is_not_taken_for_text():
    # A microphone's offset keeps every code among the letters.
    codes = np.random.default_rng(0).integers(0x60, 0x7E, 50_000).astype(np.uint8).tobytes()
    assert identify(codes).name == "text"
    assert len(decode(codes, AudioEncoding("g711_ulaw")))


def known_formats():
    """Return every format that `identify` may return."""

    def inside(value):
        if isinstance(value, Format):
            yield value
        elif isinstance(value, tuple | list):
            yield from itertools.chain.from_iterable(map(inside, value))
        elif isinstance(value, dict):
            yield from inside(list(value.values()))

    return {found for value in vars(formats).values() for found in inside(value)}


def test_the_documentation_lists_what_can_be_read():
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (PROJECT / "docs/analysis.md").read_text().split("## Formats")[1].splitlines()
        if line.startswith("| `") and "audio_format" not in line
    ]
    documented = {
        (name.strip(" `"), "codecs" in needs)
        for names, _, needs in rows
        for name in names.split(",")
    }
    headerless = {(name, False) for name in ("pcm16", "g711_ulaw", "g711_alaw")}
    readable = {
        (found.name, found.reader is Reader.MEDIA)
        for found in known_formats()
        if found.reader is not Reader.NONE
    }
    assert documented == readable | headerless
