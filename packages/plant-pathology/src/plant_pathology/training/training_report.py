"""The report of a training: curves, scores of each label, mistakes; one HTML file."""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from plant_pathology.labels import LABELS, Probabilities, choose, decode
from plant_pathology.leaves.pictures import contact_sheet
from plant_pathology.training.scores import Labels, f1_of_each

# Images in the grid of mistakes, at most.
_MISTAKES = 12


def write_report(
    path: Path,
    *,
    title: str,
    epochs: Sequence[dict[str, float]],
    images: Sequence[Path],
    probabilities: Probabilities,
    target: Labels,
    thresholds: Sequence[float],
) -> None:
    """Write the report as one file that needs no other.

    Args:
        path: the file.
        title: its heading.
        epochs: of each epoch ``epoch``, ``train_loss``, ``val_loss`` and ``val_f1``.
        images: the ``n`` images of the validation.
        probabilities: of each image and label, shape ``(n, 6)``.
        target: the labels that they have, shape ``(n, 6)``.
        thresholds: of each label.
    """
    predicted = choose(probabilities, thresholds)
    scores = f1_of_each(predicted, target)
    # The worst, and of the equally bad the surest of themselves.
    surprise = np.abs(probabilities - target).max(axis=1)
    worst = [int(n) for n in np.lexsort((-surprise, scores)) if scores[n] < 1][:_MISTAKES]
    said, known = decode(predicted[worst]), decode(target[worst])
    captions = [f"is {is_}\nsaid {says}" for is_, says in zip(known, said, strict=True)]
    wrong = int((scores < 1).sum())
    mistakes = f"<p>{wrong} of {len(images)} images; the worst {len(worst)}:</p>" if wrong else "<p>None.</p>"
    if worst:
        sheet = io.BytesIO()
        contact_sheet([images[n] for n in worst], captions).save(sheet, "JPEG")
        mistakes += _picture(sheet.getvalue(), "jpeg", "images with their labels and predictions")
    path.write_text(
        f"""\
<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>body {{ font: 16px sans-serif; margin: 2em; max-width: 82em }} img {{ max-width: 100% }}
th, td {{ text-align: right; padding: .2em .8em }} th:first-child {{ text-align: left }}</style>
<h1>{html.escape(title)}</h1>
<p>After {len(epochs)} epochs: F1 {scores.mean():.4f} with the thresholds below, on {len(images)} images held back.</p>
<h2>Curves</h2>
{_picture(_curves(epochs), "png", "loss and F1 of each epoch")}
<h2>Labels</h2>
{_table(predicted, target, thresholds)}
<h2>Mistakes</h2>
{mistakes}
""",
        encoding="utf-8",
    )


def _picture(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{text}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _curves(epochs: Sequence[dict[str, float]]) -> bytes:
    """Loss and F1 over the epochs, side by side, as a PNG."""
    # Here, as it takes a second, and where nothing is trained it need not be there.
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    loss, f1 = figure.subplots(1, 2)
    for axes, name, curves in ((loss, "loss", ("train_loss", "val_loss")), (f1, "F1", ("val_f1",))):
        for curve in curves:
            axes.plot([row["epoch"] for row in epochs], [row[curve] for row in epochs], marker="o", label=curve)
        axes.set(xlabel="epoch", title=name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=110)
    return png.getvalue()


def _table(predicted: Labels, target: Labels, thresholds: Sequence[float]) -> str:
    """Return a row for each label: how many images have it, precision, recall, F1 and threshold."""
    hits = (predicted & target).sum(axis=0)
    rows = []
    for n, label in enumerate(LABELS):
        has, says = int(target[:, n].sum()), int(predicted[:, n].sum())
        shares = (hits[n] / max(says, 1), hits[n] / max(has, 1), 2 * hits[n] / max(has + says, 1), thresholds[n])
        cells = "".join(f"<td>{value:.3f}</td>" for value in shares)
        rows.append(f"<tr><th>{label}</th><td>{has}</td>{cells}</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("label", "images", "precision", "recall", "F1", "threshold"))
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"
