"""Make a checkpoint of another origin one that predicts here: ``python -m plant_pathology.import_checkpoint``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from plant_pathology.network.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from plant_pathology.network.model import build_classifier


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``--help``."""
    parser = argparse.ArgumentParser(
        prog="python -m plant_pathology.import_checkpoint",
        description="Make a checkpoint of another origin one that predicts here, with the values that it lacks. "
        "Values of a list are parted by commas.",
    )

    def numbers(text: str) -> tuple[float, ...]:
        return tuple(float(part) for part in text.split(","))

    parser.add_argument("old", type=Path, help="what Lightning, or torch.save of a state_dict, wrote")
    parser.add_argument("new", type=Path, help="the checkpoint to write")
    parser.add_argument("--backbone", help="a timm model")
    parser.add_argument("--image-size", type=lambda text: tuple(map(int, text.split(","))), help="HEIGHT,WIDTH")
    parser.add_argument("--mean", type=numbers, help="of red, green and blue, from 0 to 1, as in 0.485,0.456,0.406")
    parser.add_argument("--std", type=numbers, help="likewise, as in 0.229,0.224,0.225")
    parser.add_argument("--labels", type=lambda text: tuple(text.split(",")), help="in the order of the outputs")
    parser.add_argument("--thresholds", type=numbers, help="one for each label, as in 0.5,0.5,0.5,0.5,0.5,0.5")
    parser.add_argument("--commit", help="of the code that it was trained with")
    parser.add_argument("--data", help="the digest of the images that it was trained on")
    options = vars(parser.parse_args(arguments))
    old, new = options.pop("old"), options.pop("new")
    try:
        checkpoint = read_checkpoint(old, {name: value for name, value in options.items() if value is not None})
        build_classifier(checkpoint, old)
        write_checkpoint(checkpoint, new)
    except (OSError, CheckpointError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(f"{new}: {checkpoint.metadata.backbone}, {len(checkpoint.weights)} tensors")


if __name__ == "__main__":
    main()
