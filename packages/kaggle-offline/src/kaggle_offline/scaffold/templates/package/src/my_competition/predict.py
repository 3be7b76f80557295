"""From the competition's folder to ``submission.csv``."""

from pathlib import Path

from competition_kit.notes import noted
from competition_kit.submission import write_submission

from my_competition.data import COLUMNS, ID, SAMPLE, read_test, read_training
from my_competition.model import fit, predict_answers


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
        features, answers = read_training(competition)
        ids, test = read_test(competition)
    with noted(f"fitted on {len(answers)} rows"):
        model = fit(features[test.columns], answers)
    with noted(f"predicted {len(ids)} rows"):
        predicted = predict_answers(model, test)
    rows = zip(ids, *(predicted[column] for column in COLUMNS), strict=True)
    write_submission(output, (ID, *COLUMNS), rows, competition / SAMPLE)
