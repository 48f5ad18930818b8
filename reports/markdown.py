"""Markdown: tables, and texts of people or servers within it."""

import re
from collections.abc import Iterable, Sequence

from schema.visible import visible

_RULES = {"l": "---", "r": "--:"}
# HTML entities, because a backslash before a pipe could itself be escaped.
_special = re.compile(r"""[\\`*_{}\[\]()<>#!|~&"'=$^]""")
_ESCAPED = str.maketrans({"|": "&#124;", "<": "&lt;", "\n": " ", "\r": " "})


def table(header: Sequence[str], rows: Iterable[Sequence[str | int]], align: str = "") -> list[str]:
    """Return the lines of a table.

    Cells cannot end their row or start HTML. Other Markdown in cells takes effect, so pass names
    from the database through `wording.plain` first, and sentences through `escaped`.

    Args:
        header: Column titles.
        rows: Cells by row; integers get thousands separators.
        align: `l` or `r` for each column; by default all but the first are right-aligned.
    """
    sides = align or "l" + "r" * (len(header) - 1)
    rule = "|".join(_RULES[side] for side in sides)
    return [_line(header), f"|{rule}|", *(_line(row) for row in rows)]


def _line(cells: Sequence[str | int]) -> str:
    shown = (f"{cell:,}" if isinstance(cell, int) else cell.translate(_ESCAPED) for cell in cells)
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in shown)}|"


def escaped(text: str) -> str:
    """Return a text of a person or a server that Markdown shows as it is, on one line.

    It becomes no link with another label, image, HTML or heading, and nothing in it is invisible.
    """
    one_line = " ".join(text.split("\n"))
    return _special.sub(lambda found: f"&#{ord(found[0])};", visible(one_line))
