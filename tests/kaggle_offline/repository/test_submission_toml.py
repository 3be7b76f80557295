"""``submission.toml``: what is malformed is named with its key."""

from pathlib import Path

import pytest
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_folder import read_kernel_folder

from tests.kaggle_offline.conftest import SUBMISSION


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ('package = "small"', "package = ", "submission.toml"),
        ('package = "small"\n', "", "package: missing"),
        ('package = "small"', 'package = "../small"', "package: '../small' must be a plain path"),
        ('package = "small"', 'package = "other"', "package: .*: not found"),
        ('output = "submission.csv"', "output = 3", "output: 3 must be a text"),
        ('checkpoints = "checkpoints"', 'checkpoints = "nowhere"', "checkpoints: .*: not found"),
        ("[rehearsal]", "[rehearsals]", "rehearsals: unknown key"),
        ("competition =", "contest =", "rehearsal.contest: unknown key"),
        ("competition =", "tolerance = 1\n#", "rehearsal.train: missing"),
        ("competition =", "train = 'train.csv'\ntarget = ['y']\n#", "rehearsal.metric: missing"),
        ("competition =", "target = []\n#", "rehearsal.target: .* must not be empty"),
        (
            'competition = "python -m small.competition"',
            "train = './train.csv'\ntarget = ['y']\nmetric = 'rmse'",
            "rehearsal: './train.csv' is not a path within the data",
        ),
        (
            'competition = "python -m small.competition"',
            "train = 'a.csv'\ntarget = ['y']\nmetric = 'rmse'\nfiles = { '../{y}' = 'b/{y}' }",
            "rehearsal: '../{y}' is not a path within the data",
        ),
        ("competition =", "held_out = 1.0\n#", "rehearsal.held_out: 1.0 must be below 1"),
        ("competition =", "stratify = 1\n#", "rehearsal.stratify: 1 must be true or false"),
        ("[rehearsal]", "[rehearsal]\nmetric = 'rmse'", "rehearsal: both a command and metric"),
        ("[rehearsal]", "[rehearsal]\nmore = 1", "rehearsal.more: unknown key"),
        ("python -m small.competition", "python 'unclosed", "rehearsal.competition: .*No closing quotation"),
        ("python -m small.competition", "  ", "rehearsal.competition: .*not a command"),
        ('checkpoints = "checkpoints"', 'checkpoints = "predict.py"', "checkpoints: .*: not found"),
        ('output = "submission.csv"', f'output = "{"x" * 5000}"', "output: .* must be a plain name"),
        ("package", "surprise = 1\npackage", "surprise: unknown key"),
        ("package", "weights = 2\npackage", "weights: 2 must be a table"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = 0\n[rehearsal]", "weights.model.ckpt: 0 must be above 0"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = true\n[rehearsal]", "weights.model.ckpt: True must be a number"),
        ("[rehearsal]", "[weights]\n'model.ckpt' = nan\n[rehearsal]", "weights.model.ckpt: nan must be a number"),
        ("[rehearsal]", "[weights]\n'another.ckpt' = 1\n[rehearsal]", "weights: another.ckpt is not among"),
    ],
)
def test_a_malformed_submission_toml_names_the_key(before: str, after: str, named: str, repository: Path) -> None:
    path = repository / "kernels" / "small" / "submission.toml"
    path.write_text(SUBMISSION.replace(before, after, 1))
    with pytest.raises(ConfigurationError, match=named):
        read_kernel_folder(repository, "small")
