"""Common look of charts, and their embedding in artifacts; matplotlib is imported lazily."""

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PALETTE_COLOURS = 128


def canvas(title: str, y_label: str | None) -> "tuple[Figure, Axes]":
    """Return a figure of 1,200 by 630 pixels with one pair of axes."""
    from matplotlib.figure import Figure  # not pyplot, whose state is shared by all threads
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches
    figure = Figure(figsize=(8.0, 4.2), dpi=150, layout=layout)
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=14, weight="bold", pad=12, parse_math=False)
    if y_label is not None:
        axes.set_ylabel(y_label, fontsize=12)
    axes.tick_params(labelsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#dddddd")
    return figure, axes


def png(figure: "Figure") -> bytes:
    """Draw a figure as a PNG."""
    from PIL import Image

    drawn, content = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    # A third of the size: every run stores its charts in Prefect's database.
    Image.open(drawn).convert("RGB").quantize(_PALETTE_COLOURS).save(content, "PNG", optimize=True)
    return content.getvalue()


def page_of_images(drawn: Mapping[str, bytes]) -> str:
    """Return the charts as a page of Markdown with embedded images."""
    images = (
        f"![{name.replace('_', ' ')}](data:image/png;base64,{base64.b64encode(png).decode()})"
        for name, png in drawn.items()
    )
    return "\n\n".join(images) + "\n"
