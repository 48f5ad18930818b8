# ruff: noqa: RUF001 - letters and marks of other scripts look like Latin ones
"""What `speech.text.transcript.read` makes of texts in the languages other than English."""

import subprocess
import sys
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from speech.errors import EmptyTranscript, SpeechError, UnsupportedLanguage, UnsupportedScript
from speech.text import transcript
from speech.text.transcript import available, load, read

LANGUAGES = (
    "ja", "es", "fr", "de", "it", "pt", "ko", "zh", "hi", "ru", "vi", "nl", "id", "fil", "tr",
)  # fmt: skip


def words(text, language):
    """The words of a text as written."""
    return [word.text for word in read(text, language).words]


def spoken(text, language):
    """What is said for each word."""
    return [" ".join(word.spoken) for word in read(text, language).words]


def hesitations(text, language):
    return [word.text for word in read(text, language).words if word.is_hesitation]


def test_all_languages_of_the_app_can_be_read():
    assert available() == {"en", *LANGUAGES}


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("es", "¿Cómo estás? Muy bien, gracias.", "Cómo estás Muy bien gracias"),
        ("fr", "L’homme, qu'est-ce que c'est ?", "L’homme qu'est-ce que c'est"),
        ("it", "L'arte dell'Italia è un po' cara.", "L'arte dell'Italia è un po cara"),
        ("pt", "Diga-me: você não vem?", "Diga-me você não vem"),
        ("de", "Straßenbahnen, E-Mails und „Äpfel“", "Straßenbahnen E-Mails und Äpfel"),
        ("nl", "'s Morgens is 't koud", "'s Morgens is 't koud"),
        ("ru", "Кто-нибудь видел ёлку?", "Кто-нибудь видел ёлку"),
        ("hi", "मैं हिन्दी पढ़ता हूँ।", "मैं हिन्दी पढ़ता हूँ"),
        ("vi", "Tôi học tiếng Việt-Nam.", "Tôi học tiếng Việt Nam"),
        ("ko", "저는 어제 친구를 만났어요.", "저는 어제 친구를 만났어요"),
        ("tr", "İstanbul'da ışık var mı?", "İstanbul'da ışık var mı"),
        ("id", "Anak-anak itu pergi ke pasar.", "Anak-anak itu pergi ke pasar"),
        ("fil", "Kumain ang mga bata ng kanin.", "Kumain ang mga bata ng kanin"),
    ],
)  # fmt: skip
def test_words_are_what_spaces_separate_with_their_elisions_and_hyphens(language, text, expected):
    assert words(text, language) == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("私は昨日東京で寿司を食べました。", "私 は 昨日 東京 で 寿司 を 食べました"),
        ("勉強していませんでした。", "勉強していませんでした"),
        ("静かな町じゃなかったです", "静かな 町 じゃなかったです"),
        ("日本語を話したくなかった", "日本語 を 話したくなかった"),
        ("お母さんは新幹線で来られない", "お母さん は 新幹線 で 来られない"),
        ("3本の鉛筆と2人の子供", "3本 の 鉛筆 と 2人 の 子供"),
        ("Starbucksで㏄を", "Starbucks で ㏄ を"),
    ],
)
def test_japanese_words_are_what_a_learner_looks_up(text, expected):
    assert words(text, "ja") == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("こんにちは。学校へ行きます", "コンニチワ ガッコー エ イキマス"),
        ("私は本を読む", "ワタシ ワ ホン オ ヨム"),
        ("思う、買う、行こう", "オモウ カウ イコー"),
        ("大きいお姉さん", "オオキイ オネエサン"),
        ("明日は難しいんです", "アシタ ワ ムズカシイ ン デス"),
        ("1,000円、4年間、500ml", "センエン ヨネンカン ゴヒャク ミリリットル"),
        ("食べながら0120-33-4", "タベナガラ ゼロイチニゼロサンサンヨン"),
        ("ＡＩとｶﾗｵｹ", "エーアイ ト カラオケ"),
        ("kaiwaとQZXTです", "カイワ ト キューゼットエックスティー デス"),
        ("何ですか。何を飲みますか", "ナン デス カ ナニ オ ノミマス カ"),
        ("3本、6本、10本、一本", "サンボン ロッポン ジュッポン イッポン"),
        ("1日と20日と七時と四月", "ツイタチ ト ハツカ ト シチジ ト シガツ"),
        ("15:30に100円、3.5%", "ジュウゴジサンジュップン ニ ヒャクエン サンテンゴパーセント"),
    ],
)
def test_japanese_is_given_to_the_voice_in_katakana(text, expected):
    assert spoken(text, "ja") == expected.split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我昨天在北京吃了烤鸭。", "我 昨天 在 北京 吃 了 烤鸭"),
        ("這個學生喜歡學習漢語，去臺灣旅遊。", "這個 學生 喜歡 學習 漢語 去 臺灣 旅遊"),
        ("我在Starbucks买coffee", "我 在 Starbucks 买 coffee"),
        ("今年是2024年", "今年 是 2024年"),
    ],
)
def test_chinese_is_divided_into_words_in_both_scripts(text, expected):
    assert words(text, "zh") == expected.split()


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("es", "2.500,50 €", "dos mil quinientos coma cinco cero euros"),
        ("es", "1 $ a las 15:00", "uno dólar|a|las|quince"),
        ("fr", "1 234, 15h30", "mille deux cent trente-quatre|quinze heures trente"),
        ("de", "um 8:05 Uhr", "um|acht Uhr fünf"),
        ("it", "50%", "cinquanta per cento"),
        ("pt", "R$ 10", "dez reais"),
        ("nl", "3,5", "drie komma vijf"),
        ("ru", "21 ₽, 3 ₽, 5 ₽", "двадцать один рубль|три рубля|пять рублей"),
        ("hi", "₹५०० और 10%", "500 रुपये|और|10 प्रतिशत"),
        ("vi", "2024", "hai nghìn không trăm hai mươi bốn"),
        ("ko", "3시에 20명, 5,000원을", "세 시에|스무 명|오천 원을"),
        ("ko", "10월 6일, 1등", "시월|육 일|일 등"),
        ("zh", "13812345678", "一三八一二三四五六七八"),
        ("id", "pukul 15.30", "pukul|lima belas tiga puluh"),
        ("es", "el 2.º y la 3ª", "el|dos|y|la|tres"),
        ("zh", "2024年花了112元，15:30", "二零二四年|花|了|一百一十二|元|十五点三十分"),
        ("id", "Rp 5.000", "lima ribu rupiah"),
        ("fil", "25% ng 1,012", "dalawampu't lima porsiyento|nang|isang libo labindalawa"),
        ("tr", "%20", "yüzde yirmi"),
        ("de", "0049 172", "null null vier neun|einhundertzweiundsiebzig"),
        ("es", "1.2.2024", "uno dos dos mil veinticuatro"),
    ],
)  # fmt: skip
def test_numbers_are_said_in_the_language(language, text, expected):
    assert spoken(text, language) == expected.split("|")
    assert not all(word.is_plain for word in read(text, language).words)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ja", "えーと、あの、学校まで", ["えーと", "あの"]),
        ("ja", "あの人はまあまあです", []),
        ("zh", "那个，我嗯想去", ["那个", "嗯"]),
        ("zh", "那个那个人很好", ["那个"]),
        ("zh", "那个人很好", []),
        ("es", "Este, quiero este libro, eh", ["Este", "eh"]),
        ("fr", "Je voudrais euh… un café", ["euh"]),
        ("de", "Äähm, ich äh weiß nicht", ["Äähm", "äh"]),
        ("ko", "음, 저는, 그, 학생이에요. 그 책", ["음", "그"]),
        ("it", "Cioè, ehm, non lo so, è cioè vero", ["Cioè", "ehm"]),
        ("pt", "É, tipo, não é esse tipo", ["É", "tipo"]),
        ("ru", "Ну, э-э, не знаю", ["Ну", "э-э"]),
        ("tr", "Şey, ııı bu şey güzel", ["Şey", "ııı"]),
        ("fil", "Ano, ehm, ano ang pangalan mo?", ["Ano", "ehm"]),
        ("vi", "Tôi, ừm, không biết", ["ừm"]),
        ("nl", "Ik eh weet het niet", ["eh"]),
        ("id", "Saya, anu, mau pergi", ["anu"]),
        ("hi", "मतलब, मैं उम्म जाता हूँ", ["मतलब", "उम्म"]),
    ],
)
def test_fillers_are_hesitations_and_words_with_a_meaning_only_where_set_off(
    language, text, expected
):
    assert hesitations(text, language) == expected


@pytest.mark.parametrize(("language", "text"), [("es", "¿Este?"), ("zh", "那个。"), ("ru", "Ну?")])
def test_an_answer_of_one_such_word_is_a_text(language, text):
    assert hesitations(text, language) == []


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ja", "はい、行きます。本当？", [",", ".", "."]),
        ("zh", "你好，我很好！", [",", "", "", "."]),
        ("hi", "हाँ, ठीक है। अच्छा", [",", "", ".", ""]),
        ("es", "Hola, Sr. Pérez. ¿Qué tal?", [",", ",", ".", "", "."]),
        ("de", "Ja, z.B. heute. Gut", [",", ",", ",", ".", ""]),
    ],
)
def test_boundaries_follow_the_punctuation_of_the_language(language, text, expected):
    signs = {"sentence": ".", "phrase": ",", "": ""}
    assert [signs[word.boundary] for word in read(text, language).words] == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "watashi wa gakusei desu"),
        ("ja", "I really love 寿司 very much"),
        ("es", "Привет, как дела"),
        ("ru", "Hola, ¿qué tal estás?"),
        ("hi", "main theek hoon"),
        ("zh", "안녕하세요"),
        ("ko", "これは日本語ですよ"),
        ("vi", "ฉันไม่รู้"),
        ("fr", "مرحبا بك"),
    ],
)
def test_a_text_in_another_script_is_refused(language, text):
    with pytest.raises(UnsupportedScript):
        read(text, language)


def test_a_few_words_in_another_script_are_left_out_and_counted():
    parsed = read("Me gusta mucho el 寿司 de Москва", "es")
    assert [word.text for word in parsed.words] == ["Me", "gusta", "mucho", "el", "de"]
    assert parsed.skipped == 2


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "text", ["", " \n", "…!?", "😀👍", "\u200f\u200b", "<br>", "https://a.de/b"]
)
def test_a_text_without_words_is_empty(language, text):
    with pytest.raises(EmptyTranscript):
        read(text, language)


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "えーと、うーん"), ("de", "Ähm…"), ("zh", "嗯"), ("ko", "음…")]
)
def test_a_text_of_nothing_but_fillers_is_empty(language, text):
    with pytest.raises(EmptyTranscript):
        read(text, language)


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("ja", "楽しい（笑）ですww www 😀 https://example.com/a", "楽しい です"),
        ("ko", "진짜 ㅋㅋㅋㅋ 웃겨 ㅠㅠ", "진짜 웃겨"),
        ("es", "<b>Hola</b> :D amigo@example.com xD", "Hola"),
        ("hi", "नम\u200dस्ते \u200fजी", "नम\u200dस्ते जी"),
        ("de", "gr\ufe0f\u00adün \ud800 ist", "gr\ufe0f\u00adün ist"),
    ],
)
def test_links_markup_emoticons_and_invisible_characters_are_not_said(language, text, expected):
    assert words(text, language) == expected.split()


def test_chinese_syllables_that_the_voice_lacks_are_replaced_by_similar_ones():
    assert spoken("兄弟，熊真穷", "zh") == ["勋弟", "寻", "真", "群"]
    assert words("兄弟，熊真穷", "zh") == ["兄弟", "熊", "真", "穷"]


def test_letters_with_their_marks_apart_are_composed_for_the_voice():
    text = unicodedata.normalize("NFD", "İşte çay, ışık")
    assert spoken(text, "tr") == ["İşte", "çay", "ışık"]
    korean = unicodedata.normalize("NFD", "학교에 가요")
    assert spoken(korean, "ko") == ["학교에", "가요"]
    assert "".join(words(korean, "ko")) == korean.replace(" ", "")


def test_a_slip_of_the_keyboard_is_left_out_and_counted():
    assert read("Ja " + "qwertz" * 60 + " nein", "de").skipped == 1


def test_a_language_whose_dictionary_is_not_installed_is_not_available(monkeypatch):
    monkeypatch.setattr(transcript, "find_spec", lambda name: None if name == "opencc" else name)
    transcript.available.cache_clear()
    try:
        assert available() == {"en", *LANGUAGES} - {"zh"}
        with pytest.raises(UnsupportedLanguage):
            read("你好", "zh")
    finally:
        transcript.available.cache_clear()


def test_a_language_that_cannot_be_read_is_refused():
    with pytest.raises(UnsupportedLanguage):
        read("Sawubona", "zu")
    with pytest.raises(UnsupportedLanguage):
        load(["zu"])


_PIECES = "aé ñßЁжक्हिไ가ㅋ寿司食べるカﾞー々那个嗯09०.,:%€$₹'-…。،\u0301\u200f\ud800\U0001f600<>@/\n"


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60) | st.text(_PIECES, max_size=60), st.sampled_from(LANGUAGES))
@example("\u0133\u01c4'\u1e9e", "nl")
def test_words_of_any_text_lie_in_order_where_they_say(text, language):
    try:
        parsed = read(text, language)
    except SpeechError as error:
        assert isinstance(error, EmptyTranscript | UnsupportedScript)  # noqa: PT017 - others must rise
        return
    place = 0
    for word in parsed.words:
        assert place <= word.char_start < word.char_end <= len(text)
        assert text[word.char_start : word.char_end] == word.text
        assert word.spoken
        assert all(part.strip() and part.isprintable() for part in word.spoken)
        place = word.char_end


@pytest.mark.parametrize(
    "piece", ["a", "食べ", "的", "0", "1,", ":D", "가", "क्", "'a-", "ー", "あの、", "w"]
)
def test_reading_takes_time_in_proportion_to_the_text(piece):
    for language in ("ja", "zh", "ko", "de"):
        times = []
        for length in (5_000, 20_000):
            text = (piece * length)[:length]
            start = time.process_time()
            with suppress(SpeechError):
                read(text, language)
            times.append(time.process_time() - start)
        assert times[1] < 12 * times[0] + 0.5


@pytest.mark.parametrize(
    ("language", "text"), [("ja", "東京で寿司を食べた。"), ("zh", "我在北京。")]
)
def test_several_threads_can_read_at_once(language, text):
    expected = read(text * 20, language)
    with ThreadPoolExecutor(8) as threads:
        assert (
            list(threads.map(lambda _: read(text * 20, language), range(200))) == [expected] * 200
        )


_LOCKED_DOWN = """
import resource, sys
from speech.text import transcript
from speech.text.transcript import available, load, read
load(available())
resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
texts = {"en": "Hello 5 times", "ja": "東京で3本のStarbucks、えーと", "zh": "這個學生2024年，那个"}
for language, text in texts.items():
    read(text, language)
for language in available() - {"en", "ja", "zh", "ko", "hi", "ru"}:
    read("a 1.234,5 % 15:30", language)
for language, text in {"ko": "3시에 15:30에", "hi": "मैं ५", "ru": "мне 5 ₽"}.items():
    read(text, language)
sys.stdout.write("read")
"""


def test_nothing_is_read_from_disk_after_loading():
    done = subprocess.run(
        [sys.executable, "-c", _LOCKED_DOWN], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("read", 0), done.stderr
