"""Predictions as pictures, for where people look rather than read."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from plant_pathology.leaves.images import ImageError, read_image

_TILE = (320, 214)
# The height of a line of a caption, and of its letters, in pixels.
_LINE, _LETTERS = 26, 20


def contact_sheet(images: Sequence[Path], captions: Sequence[str], columns: int = 4) -> Image.Image:
    """Lay images out in rows, each with its caption below.

    Args:
        images: files; of one that cannot be read there is a line.
        captions: one for each image, of any number of lines.
        columns: images in a row, at most.

    Returns:
        An RGB image, 320 pixels wide for each image of a row.
    """
    columns = max(1, min(columns, len(images)))
    rows = -(-len(images) // columns)
    width, height = _TILE[0], _TILE[1] + 6 + _LINE * max(caption.count("\n") + 1 for caption in captions)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LETTERS)
    for number, (path, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = number % columns * width, number // columns * height
        try:
            pixels = read_image(path, [_TILE[::-1]]).pixels[0]
            sheet.paste(Image.fromarray(pixels.permute(1, 2, 0).numpy()), (x, y))
        except ImageError:
            draw.line([(x, y), (x + _TILE[0], y + _TILE[1])], fill="grey")
        draw.text((x + 6, y + _TILE[1] + 5), caption, fill="black", font=font)
    return sheet
