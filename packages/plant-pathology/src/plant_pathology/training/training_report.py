"""The report of a training: curves, scores of each label, confusion, folds, mistakes, settings; one HTML file."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from plant_pathology.labels import LABELS, Probabilities, choose, decode
from plant_pathology.leaves.pictures import contact_sheet
from plant_pathology.training.scores import Labels, f1_of_each

# Images in the grid of mistakes, at most.
_MISTAKES = 12
# The width of a chart, in its own units.
_WIDTH = 400


_STYLE = """
:root { --page: #fff; --text: #1c2024; --faint: #555d66; --edge: #d5d9de; --first: #0b6bcb; --second: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --page: #14171a; --text: #eceef0; --faint: #a9b2bc; --edge: #39414a; --first: #6cb2ff; --second: #ff8a80 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0 auto;
  max-width: 64rem; padding: 1.5rem 1rem 4rem; overflow-wrap: anywhere }
.faint { color: var(--faint) } .scroll { overflow-x: auto; overflow-wrap: normal }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem } figure { margin: 0; flex: 1 1 20rem; min-width: 0 }
img { display: block; max-width: 100% } svg { width: 100%; height: auto }
svg text { fill: var(--text); font-size: 15px } svg polyline { fill: none; stroke-width: 2 }
.first { stroke: var(--first) } .second { stroke: var(--second) } .edge { stroke: var(--edge) }
b.first { color: var(--first) } b.second { color: var(--second) }
table { border-collapse: collapse } th, td { text-align: right; padding: .2rem .8rem .2rem 0 }
th:first-child { text-align: left } tr { border-bottom: 1px solid var(--edge) }
td.is { background: color-mix(in srgb, var(--first) var(--share), transparent) }
"""


def write_report(
    path: Path,
    *,
    title: str,
    epochs: Sequence[dict[str, float]],
    images: Sequence[Path],
    probabilities: Probabilities,
    target: Labels,
    thresholds: Sequence[float],
    settings: Mapping[str, object],
    folds: Mapping[int, float],
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
        settings: of the training, by name.
        folds: the validation F1 of each fold that has been trained, this one among them.
    """
    predicted = choose(probabilities, thresholds)
    scores = f1_of_each(predicted, target)
    best = max(epochs, key=lambda row: row["val_f1"])
    score = scores.mean()
    path.write_text(
        f"""\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,"><title>{html.escape(title)}</title>
<style>{_STYLE}</style></head><body>
<h1>{html.escape(title)}: F1 {score:.4f}</h1>
<p>On {len(images)} images held back, after {len(epochs)} epochs. The weights are those of the best,
epoch {best["epoch"]:.0f}.</p>
<p class="faint">The curve shows F1 with a threshold of 0.5 for every label: {best["val_f1"]:.4f} at its best. Each
label's threshold was then tuned on the same images, which makes {score:.4f} of it; elsewhere the gain is smaller.</p>
<h2>Curves</h2>
<div class="charts">{_curves("loss", epochs, ("train_loss", "val_loss"))}{_curves("F1", epochs, ("val_f1",))}</div>
<h2>Labels</h2>
{_table(predicted, target, thresholds)}
<h2>Confusion</h2>
<p class="faint">Of the images with the label of a row, the number that were given the label of a column.</p>
{_confusion(predicted, target)}
{_folds(folds)}
<h2>Mistakes</h2>
{_mistakes(images, probabilities, target, predicted, scores)}
<h2>Settings</h2>
{_rows([(name, str(value)) for name, value in settings.items()])}
</body></html>
""",
        encoding="utf-8",
    )


def _mistakes(
    images: Sequence[Path],
    probabilities: Probabilities,
    target: Labels,
    predicted: Labels,
    scores: npt.NDArray[np.float64],
) -> str:
    """Return the pictures of the worst images, and of the equally bad those that are the surest of themselves."""
    surprise = np.abs(probabilities - target).max(axis=1)
    worst = [int(n) for n in np.lexsort((-surprise, scores)) if scores[n] < 1][:_MISTAKES]
    if not worst:
        return "<p>None.</p>"
    said, known = decode(predicted[worst]), decode(target[worst])
    captions = [f"is {is_}\nsaid {says}" for is_, says in zip(known, said, strict=True)]
    sheet = io.BytesIO()
    contact_sheet([images[n] for n in worst], captions).save(sheet, "JPEG")
    picture = _picture(sheet.getvalue(), "jpeg", "images with their labels and predictions")
    wrong = int((scores < 1).sum())
    return f"<p>{wrong} of {len(images)} images; the worst {len(worst)}:</p>{picture}"


def _picture(data: bytes, kind: str, text: str) -> str:
    return f'<img alt="{text}" src="data:image/{kind};base64,{base64.b64encode(data).decode()}">'


def _curves(name: str, epochs: Sequence[dict[str, float]], curves: Sequence[str]) -> str:
    """Return a chart of values over the epochs, as inline SVG."""
    values: list[float] = []
    for curve in curves:
        values += [row[curve] for row in epochs]
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    step = (_WIDTH - 60) / max(1, len(epochs) - 1)
    lines, key = [], []
    for kind, curve in zip(("first", "second"), curves, strict=False):
        points = []
        for number, row in enumerate(epochs):
            points.append(f"{50 + number * step:.1f},{10 + (high - row[curve]) / spread * 150:.1f}")
        lines.append(f'<polyline class="{kind}" points="{" ".join(points)}"/>')
        key.append(f'<b class="{kind}">{curve}</b>')
    words = f"{name} of {len(epochs)} epochs, from {low:.3f} to {high:.3f}"
    return f"""<figure><svg viewBox="0 0 {_WIDTH} 190" role="img" aria-label="{words}">
<line class="edge" x1="50" y1="160" x2="{_WIDTH}" y2="160"/>{"".join(lines)}
<text x="0" y="16">{high:.3f}</text><text x="0" y="164">{low:.3f}</text>
<text x="50" y="182">epoch {epochs[0]["epoch"]:.0f}</text>
<text x="{_WIDTH}" y="182" text-anchor="end">{epochs[-1]["epoch"]:.0f}</text></svg>
<figcaption>{name}: {" ".join(key)}</figcaption></figure>"""


def _confusion(predicted: Labels, target: Labels) -> str:
    """Return a table of how many images with each label were given each label."""
    counts = target.astype(int).T @ predicted.astype(int)
    head = "".join(f"<th>{label}</th>" for label in LABELS)
    rows = []
    for label, row, has in zip(LABELS, counts, target.sum(axis=0), strict=True):
        cells = []
        for count in row:
            share = count / max(int(has), 1) * 45
            cells.append(f'<td class="is" style="--share: {share:.0f}%">{count}</td>')
        rows.append(f"<tr><th>{label}</th>{''.join(cells)}</tr>")
    return _scrolled(f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>")


def _folds(folds: Mapping[int, float]) -> str:
    """Return the scores of the folds side by side, with their mean, if there are several."""
    if len(folds) < 2:  # noqa: PLR2004
        return ""
    cells = [(f"fold {fold}", f"{score:.4f}") for fold, score in sorted(folds.items())]
    return f"<h2>Folds</h2>{_rows([*cells, ('mean', f'{np.mean(list(folds.values())):.4f}')])}"


def _rows(rows: Sequence[tuple[str, str]]) -> str:
    cells = [f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in rows]
    return _scrolled(f"<table>{''.join(cells)}</table>")


def _scrolled(table: str) -> str:
    return f'<div class="scroll" tabindex="0">{table}</div>'


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
    return _scrolled(f"<table><tr>{head}</tr>{''.join(rows)}</table>")
