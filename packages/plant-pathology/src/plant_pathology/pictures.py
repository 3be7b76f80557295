"""Predictions as pictures, for where people look rather than read."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

_TILE = (320, 214)
_CAPTION = 22


def contact_sheet(images: Sequence[Path], captions: Sequence[str], columns: int = 4) -> Image.Image:
    """Lay images out in rows, each with its caption below.

    Args:
        images: files that Pillow reads.
        captions: one for each image.
        columns: images in a row.

    Returns:
        An RGB image, ``columns`` tiles of 320x236 pixels wide.
    """
    rows = -(-len(images) // columns)
    width, height = _TILE[0], _TILE[1] + _CAPTION
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for number, (path, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = number % columns * width, number // columns * height
        with Image.open(path) as image:
            image.draft("RGB", _TILE)
            sheet.paste(image.convert("RGB").resize(_TILE), (x, y))
        draw.text((x + 6, y + _TILE[1] + 5), caption, fill="black")
    return sheet
