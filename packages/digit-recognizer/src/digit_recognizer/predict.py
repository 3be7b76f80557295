"""From the competition's folder to ``submission.csv``."""

from pathlib import Path

from competition_kit.notes import noted
from competition_kit.submission import write_submission
from PIL import Image, ImageDraw, ImageFont

from digit_recognizer.data import ID, TARGET, Digits, Pixels, read_test, read_training
from digit_recognizer.model import fit

_SHOWN, _COLUMNS, _SIDE = 16, 8, 96
# The height of a caption, and of its digit, in pixels: it can be read on a phone, which shows half of the width.
_CAPTION, _LETTERS = 36, 26


def predict(competition: Path, output: Path) -> None:
    """Learn from ``train.csv``, predict ``test.csv``, write the submission and a picture of the first predictions.

    Args:
        competition: its folder.
        output: the submission to write; ``predictions.png`` comes beside it.

    Raises:
        FileNotFoundError: a table is not there.
        ValueError: a table is malformed, or has other rows than the sample submission.
    """
    with noted("read"):
        training, test = read_training(competition), read_test(competition)
    with noted(f"fitted on {len(training[1])} images"):
        model = fit(*training)
    with noted(f"predicted {len(test)} images"):
        digits: Digits = model.predict(test)
    write_submission(output, (ID, TARGET), enumerate(digits.tolist(), start=1), competition / "sample_submission.csv")
    contact_sheet(test[:_SHOWN], digits[:_SHOWN]).save(output.with_name("predictions.png"))


def contact_sheet(pixels: Pixels, digits: Digits) -> Image.Image:
    """Return the images in rows of eight, each with the digit that was said below.

    Args:
        pixels: float32 ``(n, side * side)``, from 0.
        digits: int64 ``(n,)``.

    Returns:
        A grey image, 768 pixels wide.
    """
    rows = -(-len(digits) // _COLUMNS)
    sheet = Image.new("L", (_COLUMNS * _SIDE, rows * (_SIDE + _CAPTION)), 255)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_LETTERS)
    for number, (row, digit) in enumerate(zip(pixels, digits.tolist(), strict=True)):
        side = round(len(row) ** 0.5)
        shades = (255 - 255 * row / max(row.max(), 1)).reshape(side, side).astype("uint8")
        x, y = number % _COLUMNS * _SIDE, number // _COLUMNS * (_SIDE + _CAPTION)
        sheet.paste(Image.fromarray(shades).resize((_SIDE, _SIDE), Image.Resampling.NEAREST), (x, y))
        draw.text((x + _SIDE // 2, y + _SIDE + _CAPTION // 2), str(digit), fill=0, font=font, anchor="mm")
    return sheet
