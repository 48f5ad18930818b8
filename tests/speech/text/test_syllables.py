# ruff: noqa: RUF001 - letters of other scripts look like Latin ones
import pytest

from speech.text.syllables import syllables


@pytest.mark.parametrize(
    ("language", "counts"),
    [
        (
            "ja",
            {
                "ラーメン": 2,
                "トーキョー": 2,
                "タベマシタ": 5,
                "シャシン": 2,
                "オオキイ": 2,
                "ガッコー": 2,
            },
        ),
        ("zh", {"北京": 2, "二千零二十四": 6, "Starbucks": 2}),
        ("ko", {"친구를": 3, "만났어요": 4}),
        ("hi", {"नमस्ते": 3, "किताब": 2, "करना": 2, "घर": 1, "है": 1, "लड़का": 2}),
        ("ru", {"здравствуйте": 3, "ещё": 2, "в": 1}),
        ("vi", {"nghiêng": 1, "quyển": 1, "ừm": 1}),
        ("es", {"buenos": 2, "días": 2, "guerra": 2, "ciudad": 2, "leer": 2, "que": 1}),
        ("fr", {"table": 1, "l'homme": 1, "beaucoup": 2, "seulement": 2, "été": 2, "est-ce": 1}),
        ("de", {"heute": 2, "Häuser": 2, "Nation": 2, "wie": 1, "DDR": 3}),
        ("it", {"buongiorno": 3, "dell'arte": 3, "città": 2, "stazione": 3}),
        ("pt", {"não": 1, "energia": 4, "história": 3, "lições": 2}),
        ("nl", {"mooi": 1, "vijftien": 2, "nieuwe": 2, "België": 3}),
        ("id", {"pantai": 2, "anak-anak": 4, "saya": 2}),
        ("fil", {"manga": 2, "salamat": 3, "palagay": 3}),
        ("tr", {"İstanbul'da": 4, "ılık": 2, "öğretmen": 3}),
    ],
)
def test_syllables_are_counted_from_spelling(language, counts):
    assert {word: syllables(word, language) for word in counts} == counts


def test_a_letter_written_with_its_mark_apart_counts_the_same():
    assert syllables("cafe\u0301", "es") == syllables("café", "es") == 2
    assert syllables("\u1112\u1161\u11ab", "ko") == 1
