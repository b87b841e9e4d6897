"""The look of the tools' pictures."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

if not os.access(os.environ.get("MPLCONFIGDIR", Path.home()), os.W_OK):
    os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="matplotlib-", dir=".")

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from products import picture_metadata
from vogate_tool import Job

BLUE, ORANGE, GREEN, GREY, RED = "#1f5fa8", "#d9730d", "#2a8a57", "#5b6470", "#b3261e"

plt.rcParams.update(
    {
        "font.size": 11,
        "font.family": "DejaVu Sans",
        "axes.titlesize": 13,
        "axes.titleweight": "bold",
        "axes.titlepad": 10,
        "axes.linewidth": 0.9,
        "axes.edgecolor": "#30363d",
        "xtick.direction": "in",
        "ytick.direction": "in",
        "xtick.top": True,
        "ytick.right": True,
        "legend.frameon": False,
        "pdf.fonttype": 42,
        "svg.hashsalt": "vogate",
    }
)


def foot(figure: Figure, job: Job) -> None:
    """One small line under the picture: tool, job, data; and the notice, in a colour that is seen."""
    words = [job.tool_id, f"job {job.id[:10]}", job.short_attribution]
    figure.text(
        0.012, 0.008, "   ".join(filter(None, words)), fontsize=6.5, color=GREY, ha="left", va="bottom"
    )
    if job.notice:
        figure.text(0.988, 0.992, job.notice, fontsize=8, color=RED, ha="right", va="top", fontweight="bold")


def save(figure: Figure, stem: str, job: Job, title: str, kinds: tuple[str, ...] = ("png",)) -> None:
    """Write `<stem>.png` (150 dots per inch) and other kinds, signed."""
    foot(figure, job)
    for kind in kinds:
        figure.savefig(f"{stem}.{kind}", dpi=150, metadata=picture_metadata(job, title, kind))
    plt.close(figure)
