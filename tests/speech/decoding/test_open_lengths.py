"""Recorders leave lengths open or wrong; the samples are read all the same."""

import io
import struct

import numpy as np
import pytest
import soundfile

from speech.decoding.open_lengths import sized_file
from speech.errors import UndecodableAudio
from speech.waveform import AudioEncoding, decode

UNKNOWN = AudioEncoding()
FRAMES = 32_333
PLACEHOLDERS = [0, 0x40000000, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36]


def samples(channels=1):
    noise = np.random.default_rng(0).normal(0, 0.1, (FRAMES, channels))
    return noise if channels > 1 else noise[:, 0]


def encoded(channels=1, **how):
    file = io.BytesIO()
    soundfile.write(file, samples(channels), 16_000, **how)
    return bytearray(file.getvalue())


def chunk(name, content):
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(*chunks, size=None):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def parts(data):
    """Return the chunks `fmt ` and `data` of a plain WAV file."""
    return bytes(data[12:36]), bytes(data[36:])


def test_a_wav_file_keeps_its_samples():
    decoded = decode(bytes(encoded(format="WAV")), UNKNOWN)
    np.testing.assert_allclose(decoded, samples(), atol=1e-4)


@pytest.mark.parametrize("riff", [*PLACEHOLDERS, 36, "right", 10_000, 10**8])
@pytest.mark.parametrize("size", PLACEHOLDERS)
def test_a_streamed_wav_is_read_to_its_end(riff, size):
    data = encoded(format="WAV")
    if riff != "right":
        data[4:8] = struct.pack("<I", riff)
    data[40:44] = struct.pack("<I", size)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("riff", [0, 36, 10_000, 10**8, 0xFFFFFFFF])
def test_the_size_of_the_whole_file_does_not_matter(riff, caplog):
    data = encoded(format="WAV")
    data[4:8] = struct.pack("<I", riff)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES
    assert not caplog.text


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
)
@pytest.mark.parametrize("channels", [1, 2])
def test_every_encoding_may_be_streamed(size, subtype, channels):
    data = encoded(channels, format="WAV", subtype=subtype)
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    # An odd number of bytes is followed by one that cannot be told from a sample.
    assert len(decode(bytes(data), UNKNOWN)) == pytest.approx(FRAMES, abs=1)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16"])
def test_the_padding_of_the_last_block_is_not_read(subtype):
    file = io.BytesIO()
    soundfile.write(file, samples(), 8_000, format="WAV", subtype=subtype)
    data = bytearray(file.getvalue())
    at = data.index(b"fact") + 8
    exact = FRAMES - 100
    data[at : at + 4] = struct.pack("<I", exact)
    assert len(decode(bytes(data), UNKNOWN)) == 2 * exact


def test_an_empty_wav_with_tags_behind_it_holds_no_samples():
    layout, _ = parts(encoded(format="WAV"))
    data = wav(layout, chunk(b"data", b""), chunk(b"LIST", b"INFOISFT" + b"\x06\0\0\0Lavf\0\0"))
    with pytest.raises(UndecodableAudio, match="no samples"):
        decode(data, UNKNOWN)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
@pytest.mark.parametrize("riff", ["right", "as small"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_a_wav_whose_stated_length_is_too_small_is_read_to_its_end(share, riff, subtype):
    data = encoded(format="WAV", subtype=subtype)
    at = data.index(b"data") + 4
    size = int((len(data) - at - 4) * share) // 12 * 12
    data[at : at + 4] = struct.pack("<I", size)
    if riff == "as small":
        data[4:8] = struct.pack("<I", at - 4 + size)
    assert len(decode(bytes(data), UNKNOWN)) == pytest.approx(FRAMES, abs=1)


@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_an_au_whose_stated_length_is_too_small_is_read_to_its_end(share, endian):
    data = encoded(format="AU", endian=endian)
    size = int(2 * FRAMES * share) // 2 * 2
    data[8:12] = struct.pack(">I" if endian == "BIG" else "<I", size)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_caf_whose_stated_length_is_too_small_is_read_to_its_end(share):
    data = encoded(format="CAF")
    at = data.index(b"data") + 4
    data[at : at + 8] = struct.pack(">q", int(2 * FRAMES * share) // 2 * 2)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_an_aiff_whose_stated_length_is_too_small_is_read_to_its_end(share):
    data = encoded(format="AIFF")
    at = data.index(b"SSND") + 4
    data[at : at + 4] = struct.pack(">I", 8 + int(2 * FRAMES * share) // 2 * 2)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


def test_a_chunk_behind_the_samples_of_an_aiff_is_no_sample():
    data = bytes(encoded(format="AIFF"))
    assert len(decode(data + b"NAME" + struct.pack(">I", 600) + bytes(600), UNKNOWN)) == FRAMES


@pytest.mark.parametrize(
    "behind",
    [
        b"TAG" + bytes(125),
        b"ID3\4\0\0\0\0\0\x20" + bytes(32),
        chunk(b"abcd", bytes(601)),
        b"LIST\xff\xff\0\0INFO" + bytes(100),
        bytes(4_096),
    ],
    ids=["ID3v1", "ID3v2", "a chunk", "a cut chunk", "zeros"],
)
def test_what_follows_the_samples_is_not_read_as_samples(behind):
    data = bytes(encoded(format="WAV"))
    assert len(decode(data + behind, UNKNOWN)) == FRAMES


def test_a_chunk_that_follows_an_odd_length_without_padding_is_no_sample():
    layout, _ = parts(encoded(format="WAV", subtype="PCM_U8"))
    sound = bytes(encoded(format="WAV", subtype="PCM_U8"))[44 : 44 + 32_333]
    data = wav(layout, b"data" + struct.pack("<I", 32_333) + sound, chunk(b"abcd", bytes(600)))
    assert len(decode(data, UNKNOWN)) == 32_333


def test_tags_behind_the_samples_are_not_read_as_samples():
    layout, sound = parts(encoded(format="WAV"))
    data = wav(layout, sound, chunk(b"LIST", b"INFO" + bytes(1_000)))
    assert len(decode(data, UNKNOWN)) == FRAMES


@pytest.mark.parametrize("extra", [b"junk", b"bext", b"LIST", b"iXML", b"fact", b"\xffodd"])
@pytest.mark.parametrize("length", [28, 601])
def test_other_chunks_in_front_do_not_matter(extra, length):
    layout, sound = parts(encoded(format="WAV"))
    assert len(decode(wav(chunk(extra, bytes(length)), layout, sound), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("form", ["RF64", "WAVEX"])
def test_long_and_extensible_wav_files_are_read(form):
    assert len(decode(bytes(encoded(2, format=form)), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("size", [0, 10**12])
def test_an_rf64_file_may_be_streamed(size):
    data = encoded(format="RF64")
    at = data.index(b"ds64") + 16
    data[at : at + 8] = struct.pack("<Q", size)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


def test_a_bw64_file_is_an_rf64_file():
    data = encoded(format="RF64")
    data[:4] = b"BW64"
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_a_truncated_wav_is_read_as_far_as_it_goes(share, caplog):
    data = encoded(format="WAV")
    assert len(decode(bytes(data[: int(len(data) * share)]), UNKNOWN)) == pytest.approx(
        share * FRAMES, abs=30
    )
    assert "truncated" in caplog.text


@pytest.mark.parametrize("form", ["WAV", "CAF", "AU"])
def test_a_third_of_a_file_is_refused(form):
    data = encoded(format=form)
    with pytest.raises(UndecodableAudio, match="bytes are present"):
        decode(bytes(data[: len(data) // 3]), UNKNOWN)


@pytest.mark.parametrize("size", [-1, 0, 2**40])
def test_a_streamed_caf_is_read_to_its_end(size):
    data = encoded(format="CAF")
    at = data.index(b"data") + 4
    data[at : at + 8] = struct.pack(">q", size)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("endian", ["BIG", "LITTLE"])
@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_streamed_au_is_read_to_its_end(endian, size):
    data = encoded(format="AU", endian=endian)
    data[8:12] = struct.pack(">I", size)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize("count", [0, 0xFFFFFFFF])
def test_a_streamed_aiff_is_read_to_its_end(count):
    data = encoded(format="AIFF")
    data[data.index(b"COMM") + 10 :][:4] = struct.pack(">I", count)
    at = data.index(b"SSND") + 4
    data[at : at + 4] = struct.pack(">I", count)
    assert len(decode(bytes(data), UNKNOWN)) == FRAMES


@pytest.mark.parametrize(
    "data", [b"RIFF", b"RIFF\x24\0\0\0WAVEfmt ", wav(), wav(chunk(b"data", bytes(9)))]
)
def test_a_header_without_layout_or_samples_is_incomplete(data):
    with pytest.raises(UndecodableAudio, match="WAV header is incomplete"):
        sized_file(data)


def test_mp3_inside_a_wav_file_is_read():
    layout = struct.pack("<HHIIHHHHIHHH", 0x55, 1, 16_000, 4_000, 1, 0, 12, 1, 2, 144, 1, 1393)
    sound = bytes(encoded(format="MP3"))
    decoded = decode(wav(chunk(b"fmt ", layout), chunk(b"data", sound)), UNKNOWN)
    assert len(decoded) == pytest.approx(FRAMES, abs=2_000)
