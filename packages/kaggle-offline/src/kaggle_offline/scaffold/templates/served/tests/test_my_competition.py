"""My competition: its answers to the gateway, batch by batch."""

from pathlib import Path

import pandas as pd
import pytest
from my_competition import predict as module
from my_competition.predict import predict

REPOSITORY = Path(__file__).parents[2]
FOLDERS = (REPOSITORY / "data" / "my-competition", REPOSITORY / "build" / "KERNEL_FOLDER" / "competition" / "public")
TEST = "TEST TABLE"
ROWS = 20


@pytest.fixture
def test_set(monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """The first rows of the test set: of the competition's data, or else of what the last rehearsal has drawn."""
    folder = next((folder for folder in FOLDERS if (folder / TEST).is_file()), None)
    if folder is None:
        pytest.skip("no data: DATA COMMAND downloads them, PUSH COMMAND draws others")
    if hasattr(module, "find_input"):
        monkeypatch.setattr(module, "find_input", lambda _: folder)
    read = pd.read_parquet if TEST.endswith(".parquet") else pd.read_csv
    return read(folder / TEST).head(ROWS)


def test_each_row_has_an_answer_in_the_order_of_the_batch(test_set: pd.DataFrame) -> None:
    answers = predict(test_set.iloc[::-1])
    assert answers["ID NAME"].tolist() == test_set["ID NAME"].tolist()[::-1]
    assert answers.notna().all(axis=None)


def test_answers_depend_on_neither_the_order_nor_the_size_of_batches(test_set: pd.DataFrame) -> None:
    whole = predict(test_set).reset_index(drop=True)
    backwards = predict(test_set.iloc[::-1]).iloc[::-1].reset_index(drop=True)
    singly = pd.concat([predict(test_set[row : row + 1]) for row in range(len(test_set))], ignore_index=True)
    pd.testing.assert_frame_equal(backwards, whole)
    pd.testing.assert_frame_equal(singly, whole)
