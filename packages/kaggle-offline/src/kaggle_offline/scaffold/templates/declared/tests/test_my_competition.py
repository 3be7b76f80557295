"""My competition: from its data to a submission, as the kernel does it."""

from pathlib import Path

import pytest
from my_competition.predict import predict

DATA = Path(__file__).parents[2] / "data" / "my-competition"


def test_the_test_set_is_predicted(tmp_path: Path) -> None:
    try:
        predict(DATA, tmp_path / "submission.csv")
    except FileNotFoundError as error:
        pytest.skip(f"{error}: DATA COMMAND downloads the data")
    assert (tmp_path / "submission.csv").stat().st_size > 0


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        predict(tmp_path, tmp_path / "submission.csv")
