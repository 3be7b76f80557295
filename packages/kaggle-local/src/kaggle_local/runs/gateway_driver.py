"""Runs a competition's gateway as a program, inside the sandbox, and measures its calls.

A call is one of ``Client.send`` of the competition's ``kaggle_evaluation.core.relay``; a gateway without that class is
not measured. Each call becomes a line of the working folder's ``.calls``: its start and its end in seconds since 1970,
and its rows. Before the gateway closes its connection, the last batch of several rows is asked for again, backwards and
in part, and the last line tells whether that changes the answers.
"""

import json
import math
import os
import runpy
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

CALLS = Path("/kaggle/working/.calls")

# Seconds of a call that is not too long to be repeated.
_SHORT = 10.0
# The relative difference of answers that are the same.
_SAME = 1e-5


def main() -> None:
    """Run the gateway that ``KAGGLE_LOCAL_GATEWAY`` names: modules come from its folders, up to the competition's."""
    root, name = os.environ.pop("KAGGLE_LOCAL_GATEWAY").split("\n")
    path = Path(root, name)
    folders = [folder for folder in path.parents if folder.is_relative_to(root)]
    sys.argv, sys.path[:1] = [str(path)], [str(folder) for folder in folders]
    _measure_calls()
    runpy.run_path(str(path), run_name="__main__")


def _measure_calls() -> None:
    try:
        from kaggle_evaluation.core.relay import Client

        # Each host's class has its own parameters.
        send: Any = Client.send
        close: Any = Client.close
    except (ImportError, AttributeError):
        return
    # The last batch of several rows, and how it is asked for.
    batches: list[tuple[Any, Callable[[Any], Any]]] = []

    def measured(self: Any, name: str, *arguments: Any, **named: Any) -> Any:
        began = time.time()
        tables = [number for number, argument in enumerate(arguments) if hasattr(argument, "columns")]
        rows = len(arguments[tables[0]]) if tables else 1
        try:
            answer = send(self, name, *arguments, **named)
        finally:
            ended = time.time()
            _note([began, ended, rows])
        if rows > 1 and ended - began < _SHORT:
            place = tables[0]
            before, after = arguments[:place], arguments[place + 1 :]
            batches[:] = [(arguments[place], lambda table: send(self, name, *before, table, *after, **named))]
        return answer

    def closed(self: Any) -> None:
        # The kernel may have its reasons to refuse a batch that it knows.
        with suppress(Exception):
            for batch, ask in batches:
                _note(_dependence(batch, ask))
        close(self)

    Client.send, Client.close = measured, closed  # type: ignore[method-assign]


def _dependence(batch: Any, ask: Callable[[Any], Any]) -> dict[str, bool]:
    """Tell whether answers depend on the order of rows, and on the size of batches.

    Answers that depend on earlier calls, too, tell nothing.
    """
    half = len(batch) // 2
    whole, backwards, part, again = (_cells(ask(table)) for table in (batch, batch[::-1], batch[:half], batch))
    if not _are_same(whole, again):
        return {"order": False, "size": False}
    return {"order": not _are_same(whole, backwards[::-1]), "size": not _are_same(whole[:half], part)}


def _cells(answer: Any) -> list[Any]:
    """Return the rows of a table of pandas or polars, or of a series."""
    if not hasattr(answer, "columns"):
        return list(answer)
    return list(zip(*(answer[column].to_list() for column in answer.columns), strict=True))


def _are_same(rows: list[Any], others: list[Any]) -> bool:
    return len(rows) == len(others) and all(map(_is_same, rows, others))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return _are_same(list(one), list(other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=_SAME, abs_tol=_SAME) or (math.isnan(one) and math.isnan(other))
    return bool(one == other)


def _note(entry: object) -> None:
    with CALLS.open("a") as file:
        file.write(json.dumps(entry) + "\n")


if __name__ == "__main__":
    main()
