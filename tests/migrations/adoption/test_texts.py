from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from migrations.adoption import texts
from migrations.adoption.texts import Kind, Shape
from stores.database import connect

READ = {
    Kind.DURATION_MS: texts.duration_ms,
    Kind.SCORE: texts.score,
    Kind.WHOLE_NUMBER: texts.whole_number,
}
RANGES = {
    Kind.DURATION_MS: (0, 2**31 - 1),
    Kind.SCORE: (0, 100),
    Kind.WHOLE_NUMBER: (-(2**31), 2**31 - 1),
}
ALL_KINDS = pytest.mark.parametrize("kind", list(Kind))
UNREADABLE = {  # as any kind
    "": Shape.EMPTY,
    " \t\r\n": Shape.EMPTY,
    "n/a": Shape.OTHER,
    "null": Shape.OTHER,
    "NaN": Shape.OTHER,
    "Infinity": Shape.OTHER,
    "1e3": Shape.OTHER,
    "0x1F": Shape.OTHER,
    "1_000": Shape.OTHER,
    "5 000": Shape.OTHER,
    "5\n6": Shape.OTHER,
    "5;": Shape.OTHER,
    "++5": Shape.OTHER,
    "+": Shape.OTHER,
    ".": Shape.OTHER,
    ",": Shape.OTHER,
    "5.": Shape.OTHER,
    "1,234.5": Shape.OTHER,
    "1.234,5": Shape.OTHER,
    "1.2.3": Shape.OTHER,
    "\N{NO-BREAK SPACE}5": Shape.OTHER,
    "5\N{IDEOGRAPHIC SPACE}": Shape.OTHER,
    "\N{FULLWIDTH DIGIT EIGHT}\N{FULLWIDTH DIGIT FIVE}": Shape.OTHER,
    "\N{ARABIC-INDIC DIGIT FIVE}": Shape.OTHER,
    "\N{MINUS SIGN}5": Shape.OTHER,
    "5 % s": Shape.OTHER,
    "9" * 99: Shape.OUT_OF_RANGE,
    "9" * 500: Shape.OTHER,
    "0" * 500 + "7": Shape.OTHER,
}
DURATIONS = {
    "0": (0, Shape.WHOLE_NUMBER),
    "5000": (5000, Shape.WHOLE_NUMBER),
    " 5000\n": (5000, Shape.WHOLE_NUMBER),
    "+5000": (5000, Shape.WHOLE_NUMBER),
    "007": (7, Shape.WHOLE_NUMBER),
    "00000000000000000007": (7, Shape.WHOLE_NUMBER),
    "999999999": (999_999_999, Shape.WHOLE_NUMBER),
    "2147483647": (2_147_483_647, Shape.WHOLE_NUMBER),
    "2147483648": (None, Shape.OUT_OF_RANGE),
    "9999999999": (None, Shape.OUT_OF_RANGE),
    "-1": (None, Shape.OUT_OF_RANGE),
    "5s": (5000, Shape.SECONDS),
    "5.2s": (5200, Shape.SECONDS),
    "5.2 s": (5200, Shape.SECONDS),
    " 5.2\tS ": (5200, Shape.SECONDS),
    "5 sec": (5000, Shape.SECONDS),
    "5 secs": (5000, Shape.SECONDS),
    "1 second": (1000, Shape.SECONDS),
    "5.2 Seconds": (5200, Shape.SECONDS),
    "5.2004s": (5200, Shape.SECONDS),
    "5.2005s": (5201, Shape.SECONDS),
    "5.200s": (5200, Shape.SECONDS),
    ".5s": (500, Shape.SECONDS),
    "5,2s": (5200, Shape.SECONDS),
    "5,25 s": (5250, Shape.SECONDS),
    "5,2345s": (5235, Shape.SECONDS),
    "1,234s": (None, Shape.AMBIGUOUS_COMMA),
    "-5.2s": (None, Shape.OUT_OF_RANGE),
    "2147483.647s": (2_147_483_647, Shape.SECONDS),
    "2147484s": (None, Shape.OUT_OF_RANGE),
    "5.s": (None, Shape.OTHER),
    "5\N{LATIN SMALL LETTER LONG S}": (None, Shape.OTHER),
    "5\N{NO-BREAK SPACE}s": (None, Shape.OTHER),
    "5 min": (None, Shape.OTHER),
    "5 s 200 ms": (None, Shape.OTHER),
    "s": (None, Shape.OTHER),
    "5200ms": (5200, Shape.MILLISECONDS),
    "5200 MS": (5200, Shape.MILLISECONDS),
    "5200 msec": (5200, Shape.MILLISECONDS),
    "5200 milliseconds": (5200, Shape.MILLISECONDS),
    "5200.4 ms": (5200, Shape.MILLISECONDS),
    "5200.5 ms": (5201, Shape.MILLISECONDS),
    "5200.7 ms": (5201, Shape.MILLISECONDS),
    "5200,7ms": (5201, Shape.MILLISECONDS),
    "5,200ms": (None, Shape.AMBIGUOUS_COMMA),
    "1,234,567ms": (None, Shape.OTHER),
    "2147483647ms": (2_147_483_647, Shape.MILLISECONDS),
    "2147483647.4ms": (None, Shape.OUT_OF_RANGE),
    "1:05": (65_000, Shape.CLOCK),
    "01:05": (65_000, Shape.CLOCK),
    " 1:05.5 ": (65_500, Shape.CLOCK),
    "1:05,5": (65_500, Shape.CLOCK),
    "1:05,500": (65_500, Shape.CLOCK),
    "0:00.0005": (1, Shape.CLOCK),
    "90:00": (5_400_000, Shape.CLOCK),
    "1:01:05": (3_665_000, Shape.CLOCK),
    "00:00:05.25": (5250, Shape.CLOCK),
    "596:31:23.647": (2_147_483_647, Shape.CLOCK),
    "596:31:23.648": (None, Shape.OUT_OF_RANGE),
    "1:60": (None, Shape.OTHER),
    "1:60:05": (None, Shape.OTHER),
    "1:5": (None, Shape.OTHER),
    ":05": (None, Shape.OTHER),
    "1:05s": (None, Shape.OTHER),
    "1 :05": (None, Shape.OTHER),
    "-0:05": (None, Shape.OTHER),
    "1:01:01:05": (None, Shape.OTHER),
    "5.2": (None, Shape.DECIMAL_WITHOUT_UNIT),
    "5,2": (None, Shape.DECIMAL_WITHOUT_UNIT),
    "5,200": (None, Shape.DECIMAL_WITHOUT_UNIT),
    "5000.0": (None, Shape.DECIMAL_WITHOUT_UNIT),
    "85%": (None, Shape.OTHER),
}
SCORES = {
    "0": (0, Shape.WHOLE_NUMBER),
    "85": (85, Shape.WHOLE_NUMBER),
    " 85 ": (85, Shape.WHOLE_NUMBER),
    "+85": (85, Shape.WHOLE_NUMBER),
    "007": (7, Shape.WHOLE_NUMBER),
    "100": (100, Shape.WHOLE_NUMBER),
    "101": (None, Shape.OUT_OF_RANGE),
    "-1": (None, Shape.OUT_OF_RANGE),
    "85%": (85, Shape.PERCENT),
    "85.4 %": (85, Shape.PERCENT),
    "85.5 %": (86, Shape.PERCENT),
    "85,5%": (86, Shape.PERCENT),
    "0.85%": (1, Shape.PERCENT),
    "100%": (100, Shape.PERCENT),
    "100.4%": (None, Shape.OUT_OF_RANGE),
    "101%": (None, Shape.OUT_OF_RANGE),
    "-5%": (None, Shape.OUT_OF_RANGE),
    "85\N{FULLWIDTH PERCENT SIGN}": (None, Shape.OTHER),
    "85%%": (None, Shape.OTHER),
    "85/100": (85, Shape.OF_A_HUNDRED),
    "85 / 100": (85, Shape.OF_A_HUNDRED),
    "85.5/100": (86, Shape.OF_A_HUNDRED),
    "100/100": (100, Shape.OF_A_HUNDRED),
    "120/100": (None, Shape.OUT_OF_RANGE),
    "8/10": (80, Shape.OF_TEN),
    "8.55/10": (86, Shape.OF_TEN),
    "8,5/10": (85, Shape.OF_TEN),
    "10/10": (100, Shape.OF_TEN),
    "11/10": (None, Shape.OUT_OF_RANGE),
    "4/5": (None, Shape.OTHER),
    "85/1000": (None, Shape.OTHER),
    "/100": (None, Shape.OTHER),
    "0.85": (85, Shape.FRACTION),
    "0,85": (85, Shape.FRACTION),
    ".85": (85, Shape.FRACTION),
    "0.0": (0, Shape.FRACTION),
    "0.004": (0, Shape.FRACTION),
    "0.005": (1, Shape.FRACTION),
    "0.999": (100, Shape.FRACTION),
    "0.8547281956672668": (85, Shape.FRACTION),
    "-0.85": (None, Shape.OUT_OF_RANGE),
    "1.0": (None, Shape.SMALL_DECIMAL),
    "5.2": (None, Shape.SMALL_DECIMAL),
    "5,2": (None, Shape.SMALL_DECIMAL),
    "9.99": (None, Shape.SMALL_DECIMAL),
    "10.0": (None, Shape.SMALL_DECIMAL),
    "10.1": (10, Shape.DECIMAL),
    "85.4": (85, Shape.DECIMAL),
    "85.5": (86, Shape.DECIMAL),
    "85,5": (86, Shape.DECIMAL),
    "85.500": (86, Shape.DECIMAL),
    "100.0": (100, Shape.DECIMAL),
    "100.1": (None, Shape.OUT_OF_RANGE),
    "-5.2": (None, Shape.OUT_OF_RANGE),
    "85,500": (None, Shape.AMBIGUOUS_COMMA),
    "0,850": (None, Shape.AMBIGUOUS_COMMA),
    "85,500 %": (None, Shape.AMBIGUOUS_COMMA),
    "5s": (None, Shape.OTHER),
    "1:05": (None, Shape.OTHER),
}
WHOLE_NUMBERS = {
    "7": (7, Shape.WHOLE_NUMBER),
    "007": (7, Shape.WHOLE_NUMBER),
    " +7 ": (7, Shape.WHOLE_NUMBER),
    "-7": (-7, Shape.WHOLE_NUMBER),
    "2147483647": (2_147_483_647, Shape.WHOLE_NUMBER),
    "-2147483648": (-2_147_483_648, Shape.WHOLE_NUMBER),
    "2147483648": (None, Shape.OUT_OF_RANGE),
    "-2147483649": (None, Shape.OUT_OF_RANGE),
    "7.0": (None, Shape.OTHER),
    "7s": (None, Shape.OTHER),
    "7%": (None, Shape.OTHER),
}
CASES = {
    Kind.DURATION_MS: DURATIONS,
    Kind.SCORE: SCORES,
    Kind.WHOLE_NUMBER: WHOLE_NUMBERS,
}
# Mostly texts that are almost numbers.
PIECES = st.sampled_from(
    [*"0123456789", *"+-.,:/% ", "00", "10", "100", "000", "s", "ms", "sec", "\n", "e", "\xa0", "é"]
)
ANY_TEXT = st.lists(PIECES, max_size=12).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200
)
WHOLE = st.integers(-(2**33), 2**33)


@pytest.fixture(scope="module")
def connection(postgres):
    """A connection whose statements end after five seconds."""
    engine = connect(postgres.url(), statement_timeout=timedelta(seconds=5))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


def read(connection, kind, raw, collation="default"):
    """Return number, shape and whether the raw text is kept, for each text."""
    number = READ[kind]("t.raw")
    query = sa.text(f"""
        SELECT {number} AS number, {texts.shape("t.raw", kind)} AS shape,
            {texts.is_kept("t.raw", f"({number})")} AS kept
        FROM (SELECT raw COLLATE "{collation}" AS raw, position
              FROM unnest(CAST(:texts AS text[])) WITH ORDINALITY AS u (raw, position)) AS t
        ORDER BY t.position
    """)
    return connection.execute(query, {"texts": list(raw)}).all()


def numbers(connection, kind, raw):
    return [row.number for row in read(connection, kind, raw)]


@ALL_KINDS
def test_every_spelling_is_read_as_it_is_meant_or_not_at_all(connection, kind):
    expected = CASES[kind] | {text: (None, shape) for text, shape in UNREADABLE.items()}
    found = zip(expected, read(connection, kind, expected), strict=True)
    assert {text: (row.number, row.shape) for text, row in found} == expected


@ALL_KINDS
def test_null_is_neither_a_number_nor_of_a_shape_nor_kept(connection, kind):
    assert read(connection, kind, [None]) == [(None, None, False)]


def test_only_texts_with_more_than_their_number_are_kept(connection):
    raw = ["7", "0", "2147483647", "007", " 7", "7 ", "+7", "7s", "n/a", "", "99999999999"]
    kept = [row.kept for row in read(connection, Kind.DURATION_MS, raw)]
    assert kept == [False] * 3 + [True] * 8
    assert not connection.scalar(sa.text(f"SELECT {texts.is_kept('CAST(NULL AS text)', '7')}"))


@ALL_KINDS
@settings(max_examples=50, deadline=None)
@given(raw=st.lists(ANY_TEXT, min_size=20, max_size=200))
def test_any_text_becomes_a_number_in_range_or_null_as_its_shape_says(connection, kind, raw):
    lowest, highest = RANGES[kind]
    for text, row in zip(raw, read(connection, kind, raw), strict=True):
        assert row.number is None or lowest <= row.number <= highest
        assert Shape(row.shape).becomes_a_number is (row.number is not None)
        assert row.kept is (row.number is None or text != str(row.number))


@ALL_KINDS
@settings(max_examples=10, deadline=None)
@given(wholes=st.lists(WHOLE | st.integers(-200, 200), min_size=20, max_size=200))
def test_integers_in_range_are_kept(connection, kind, wholes):
    lowest, highest = RANGES[kind]
    expected = [whole if lowest <= whole <= highest else None for whole in wholes]
    assert numbers(connection, kind, map(str, wholes)) == expected
    assert numbers(connection, kind, [f"\t{whole:+05d}\n" for whole in wholes]) == expected


@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(0, 2**31 - 1), min_size=20, max_size=200))
def test_a_duration_is_the_same_in_every_unit(connection, lengths):
    spellings = [
        [f"{ms}ms" for ms in lengths],
        [f"{ms // 1000}.{ms % 1000:03d} s" for ms in lengths],
        [f"{ms // 1000},{ms % 1000:03d}0 s" for ms in lengths],
        [f"{ms // 60_000}:{ms // 1000 % 60:02d}.{ms % 1000:03d}" for ms in lengths],
        [
            f"{ms // 3_600_000}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"
            for ms in lengths
        ],
    ]
    for raw in spellings:
        assert numbers(connection, Kind.DURATION_MS, raw) == lengths


@ALL_KINDS
@pytest.mark.parametrize("start", ["9", " ", "0.", "1:", ",9", "9 ", "x", "é"])
def test_a_huge_text_is_no_number_and_takes_no_time(connection, kind, start):
    raw = [start * (1_000_000 // len(start)) + end for end in ("", "s", "!")]
    assert {(row.number, row.shape) for row in read(connection, kind, raw)} == {(None, Shape.OTHER)}


@ALL_KINDS
def test_the_columns_collation_does_not_matter(connection, kind):
    raw = [*CASES[kind], *UNREADABLE]
    # This locale uses Unicode's white space and letter case.
    assert read(connection, kind, raw, "pg_unicode_fast") == read(connection, kind, raw)


@ALL_KINDS
def test_the_sql_is_immutable_and_fit_to_retype_a_column(connection, kind):
    connection.execute(sa.text("CREATE TEMPORARY TABLE app (raw varchar(200))"))
    insert = sa.text("INSERT INTO app SELECT unnest(CAST(:texts AS text[]))")
    connection.execute(insert, {"texts": ["7", None, "n/a"]})
    # Postgres refuses to index expressions that are not immutable.
    connection.execute(sa.text(f"CREATE INDEX app_shape ON app (({texts.shape('raw', kind)}))"))
    connection.execute(sa.text("DROP INDEX app_shape"))
    connection.execute(
        sa.text(f"ALTER TABLE app ALTER COLUMN raw TYPE integer USING {READ[kind]('raw')}")
    )
    assert connection.scalars(sa.text("SELECT raw FROM app")).all() == [7, None, None]
    connection.execute(sa.text("DROP TABLE app"))
