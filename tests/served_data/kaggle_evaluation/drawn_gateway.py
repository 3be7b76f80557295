"""The gateway of a drawn competition: a time series, a step a call."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from kaggle_evaluation.core.templates import IS_RERUN, Gateway


class DrawnGateway(Gateway):
    """Sends the rows of each step of ``test.csv``."""

    def __init__(self, paths: Sequence[str] = ("/kaggle/input/drawn-series/",)) -> None:
        self._folder = Path(paths[0])
        self._settings: dict[str, Any] = json.loads((self._folder / "gateway.json").read_text())
        super().__init__(self._settings["start_seconds"], self._settings["call_seconds"])

    def batches(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of each step, as the settings have it."""
        if self._settings["fails"]:
            raise ValueError("the gateway fails")
        for _, batch in pd.read_csv(self._folder / "test.csv").groupby("step"):
            if self._settings["shares"]:
                batch = batch.assign(file=self.share(self._folder / "notes.txt"))  # noqa: PLW2901
            yield batch.sample(frac=1, random_state=1) if self._settings["shuffles"] else batch


if __name__ == "__main__" and IS_RERUN:
    DrawnGateway().run()
