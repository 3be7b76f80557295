"""From the competition's folder to ``submission.csv``."""

from pathlib import Path

from competition_kit.notes import noted
from competition_kit.submission import write_submission

from my_competition.data import ID, TARGET, read_test, read_training
from my_competition.model import fit


def predict(competition: Path, output: Path) -> None:
    """Learn from what there is to train on, predict the test set, write the submission.

    Args:
        competition: its folder.
        output: the submission to write.

    Raises:
        FileNotFoundError: a file of the competition is not there.
        ValueError: one is malformed, or asks for other rows than the sample submission.
    """
    with noted("read"):
        features, target = read_training(competition)
        ids, test = read_test(competition)
    with noted(f"fitted on {len(target)} rows"):
        model = fit(features, target)
    with noted(f"predicted {len(ids)} rows"):
        predicted = model.predict(test).tolist()
    rows = zip(ids, predicted, strict=True)
    write_submission(output, (ID, TARGET), rows, competition / "sample_submission.csv")
