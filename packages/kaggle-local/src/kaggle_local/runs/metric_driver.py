"""Calls a host's metric, inside the sandbox: ``score(solution, submission, row_id_column_name, **settings)``.

Reads the files that `kaggle_local.runs.metric_run` writes, and writes ``scores.json`` into the working folder.
"""

import json
import sys
from pathlib import Path

import pandas as pd

FOLDER = Path("/kaggle/input/metric")
OUTPUT = Path("/kaggle/working/scores.json")


def main() -> None:
    """Call the metric once for each part, as Kaggle does: the types of the columns are those that pandas infers."""
    call = json.loads((FOLDER / "call.json").read_text(encoding="utf-8"))
    sys.path.insert(0, str(FOLDER))
    import metric

    scores = []
    try:
        for number in range(call["parts"]):
            solution, submission = (pd.read_csv(FOLDER / f"{name}-{number}.csv") for name in ("solution", "submission"))
            scores.append(float(metric.score(solution, submission, call["row_id"], **call["settings"])))
    except Exception as error:
        # Each host defines the class in its own file.
        if type(error).__name__ != "ParticipantVisibleError":
            raise
        OUTPUT.write_text(json.dumps({"visible": str(error)}), encoding="utf-8")
    else:
        OUTPUT.write_text(json.dumps({"scores": scores}), encoding="utf-8")


if __name__ == "__main__":
    main()
