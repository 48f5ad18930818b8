"""Charts of scores before and after a backfill."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policy.score_changes import Comparison
from reports.canvas import canvas, png
from schema.facts.backfill import Rescored

_BEFORE, _AFTER = "#E69F00", "#0072B2"  # Okabe and Ito (2008)
_BIN = 5  # points
_LARGEST_DOT = 60.0  # square points

Ints = NDArray[np.int64]


def charts(rescored: Sequence[Rescored], comparison: Comparison) -> dict[str, bytes]:
    """Draw the charts of accuracy; return PNG images by name."""
    accuracy = [one for one in rescored if one.score == "accuracy"]
    before, after, messages = (
        np.array([getattr(one, name) for one in accuracy])
        for name in ("before", "after", "messages")
    )
    return {
        "accuracy_before_and_after": _histogram(before, after, messages, comparison),
        "accuracy_message_by_message": _scatter(before, after, messages),
    }


def _histogram(before: Ints, after: Ints, messages: Ints, comparison: Comparison) -> bytes:
    change = comparison.accuracy
    figure, axes = canvas(
        f"Mean accuracy {change.mean_before:.1f} before, {change.mean_after:.1f} after", "messages"
    )
    edges = np.arange(0, 100 + _BIN, _BIN)
    for values, colour, label in ((before, _BEFORE, "before"), (after, _AFTER, "after")):
        counts, _ = np.histogram(values, edges, weights=messages)
        axes.stairs(counts, edges, color=colour, linewidth=2, label=label)
        axes.stairs(counts, edges, color=colour, alpha=0.2, fill=True)
    axes.set_xlim(0, 100)
    axes.locator_params(axis="y", integer=True)
    axes.set_xlabel("accuracy, 0-100", fontsize=12)
    axes.legend(frameon=False, fontsize=11, loc="upper left")
    return png(figure)


def _scatter(before: Ints, after: Ints, messages: Ints) -> bytes:
    up, down = int(messages[after > before].sum()), int(messages[after < before].sum())
    figure, axes = canvas(f"{up:,} rose, {down:,} fell", "accuracy after")
    axes.plot([0, 100], [0, 100], color="#999999", linewidth=1, label="no change")
    area = np.clip(messages / messages.max(), 0.05, 1) * _LARGEST_DOT
    axes.scatter(before, after, s=area, color=_AFTER, alpha=0.5, linewidths=0, label="messages")
    axes.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    axes.set_xlabel("accuracy before", fontsize=12)
    axes.legend(frameon=False, fontsize=11, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return png(figure)
