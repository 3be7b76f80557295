"""Charts as inline SVG: their colors are the page's, they grow with it, and each says in words what it shows.

Lengths are in units of the chart's own width, which is `WIDTH`.
"""

from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 400
_ROW, _BAR, _GAP = 42, 10, 3
# Texts are escaped where they are filled in.
_RECTANGLE = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2"/>')
_TEXT = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
_DOT = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
# Characters of a label that fit over a bar.
_LABEL = 36


def bars(title: str, rows: Sequence[tuple[str, float, str]], *, marked: int = 0) -> Markup:
    """Return horizontal bars, each under its label, with its value at the end of the line.

    Args:
        title: the chart in words, for those who do not see it.
        rows: of each bar the label, the length, and the value as a text.
        marked: the index of the bar that stands out.
    """
    longest = max((abs(length) for _, length, _ in rows), default=0.0) or 1.0
    parts = []
    for number, (label, length, value) in enumerate(rows):
        top = number * _ROW
        kind = "first" if number == marked else "second"
        width = max(2.0, abs(length) / longest * WIDTH)
        parts.append(_text(label[:_LABEL], 0, top + 18))
        parts.append(_text(value, WIDTH, top + 18, anchor="end", kind="value"))
        parts.append(_bar(0, top + 24, width, _BAR, kind))
    return _chart(title, len(rows) * _ROW, parts)


def pairs(title: str, rows: Sequence[tuple[str, float, float | None]]) -> Markup:
    """Return shares, from 0 to 1, of labels in two collections: a bar each, the second one below the first.

    Args:
        title: the chart in words.
        rows: of each label its name, its share in the first collection, and that in the second, None without one.
    """
    longest = max((max(first, second or 0.0) for _, first, second in rows), default=0.0) or 1.0
    height = _ROW + _BAR + _GAP
    parts = []
    for number, (label, first, second) in enumerate(rows):
        top = number * height
        words = f"{first:.1%}" if second is None else f"{first:.1%} · {second:.1%}"
        parts.append(_text(label[:_LABEL], 0, top + 18))
        parts.append(_text(words, WIDTH, top + 18, anchor="end", kind="value"))
        parts.append(_bar(0, top + 24, first / longest * WIDTH, _BAR, "first"))
        if second is not None:
            parts.append(_bar(0, top + 24 + _BAR + _GAP, second / longest * WIDTH, _BAR, "second"))
    return _chart(title, len(rows) * height, parts)


def histogram(title: str, edges: Sequence[float], first: Sequence[float], second: Sequence[float] | None) -> Markup:
    """Return shares of values between edges: filled for one collection, a line for another.

    Args:
        title: the chart in words.
        edges: of the bins, one more than there are bins.
        first: the share of each bin.
        second: the same of the other collection; None without one.
    """
    height, step = 140.0, WIDTH / len(first)
    highest = max([*first, *(second or ())]) or 1.0
    parts = []
    for number, share in enumerate(first):
        length = share / highest * height
        parts.append(_bar(number * step + 1, height - length + 10, step - 2, length, "first"))
    if second is not None:
        points = []
        for number, share in enumerate(second):
            level = height - share / highest * height + 10
            points += [f"{number * step:.1f},{level:.1f}", f"{(number + 1) * step:.1f},{level:.1f}"]
        parts.append(Markup('<polyline class="line" points="{}"/>').format(" ".join(points)))
    parts.append(_text(f"{edges[0]:g}", 0, height + 34))
    parts.append(_text(f"{edges[-1]:g}", WIDTH, height + 34, anchor="end"))
    return _chart(title, height + 44, parts)


def curve(title: str, values: Sequence[float], *, best: int, labels: Sequence[str]) -> Markup:
    """Return values in their order as a line with a point each; the best one stands out.

    Args:
        title: the chart in words.
        values: at least one.
        best: the index of the best.
        labels: of each value, shown by browsers under the pointer.
    """
    height, edge = 120.0, 10.0
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    step = (WIDTH - 2 * edge) / max(1, len(values) - 1)
    points = []
    for number, value in enumerate(values):
        level = (high - value) / spread if high > low else 0.5
        points.append((edge + number * step, edge + level * (height - 2 * edge)))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [Markup('<polyline class="line" points="{}"/>').format(line)]
    for number, ((x, y), label) in enumerate(zip(points, labels, strict=True)):
        kind, radius = ("best", 7) if number == best else ("dot", 4)
        parts.append(_DOT.format(kind, x, y, radius, label))
    parts.append(_text(f"{labels[0]}", 0, height + 22))
    if len(labels) > 1:
        parts.append(_text(f"{labels[-1]}", WIDTH, height + 22, anchor="end"))
    return _chart(title, height + 34, parts)


def _bar(x: float, y: float, width: float, height: float, kind: str) -> Markup:
    return _RECTANGLE.format(kind, x, y, width, height)


def _text(text: str, x: float, y: float, *, anchor: str = "start", kind: str = "label") -> Markup:
    return _TEXT.format(kind, x, y, anchor, text)


def _chart(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    begin = Markup('<svg viewBox="0 0 {} {:.0f}" role="img" aria-label="{}">').format(WIDTH, height, title)
    return begin + Markup("").join(map(escape, parts)) + Markup("</svg>")
