import pytest

from speech.acoustics.binary_file import BinaryFile
from speech.errors import EngineFailure


@pytest.fixture
def file(tmp_path):
    def _file(data):
        path = tmp_path / "means"
        path.write_bytes(data)
        return BinaryFile(path)

    return _file


def test_strings_fill_whole_words_of_four_bytes(file):
    strings = file(b"AB\0CDE\0\0" + (7).to_bytes(4, "little"))
    assert strings.strings(2) == ("AB", "CDE")
    assert strings.integers(1) == (7,)


def test_fewer_strings_than_promised_are_a_cut(file):
    with pytest.raises(EngineFailure, match="file means cannot be used: it is truncated"):
        file(b"AB\0CDEF").strings(2)


def test_data_after_the_header_is_read(file):
    numbers = file(b"s3\n      endhdr\n\1\0\0\0\2\0\0\0")
    numbers.skip_text(b"      endhdr")
    assert numbers.integers(2) == (1, 2)


def test_a_header_without_an_end_is_refused(file):
    with pytest.raises(EngineFailure, match="its header has no end"):
        file(b"s3\n" * 10_000 + b"      endhdr\n").skip_text(b"      endhdr")
