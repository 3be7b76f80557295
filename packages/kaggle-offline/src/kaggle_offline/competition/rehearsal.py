"""A rehearsal on the competition's own data: some rows of train become the hidden test set."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import TYPE_CHECKING, Any

from kaggle_offline.competition.data_folder import RECORD, file_of
from kaggle_offline.competition.tables import read_table, records_of, texts, write_table
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.submission_toml import HoldOut

if TYPE_CHECKING:
    import pandas as pd

# The column of a solution that says which rows count (Kaggle's documentation of metrics).
_USAGE = "Usage"


@dataclass(frozen=True, kw_only=True)
class RehearsalData:
    """A competition's data, and how they are held out.

    Attributes:
        folder: the data.
        sample: the name of the sample submission.
        rehearsal: which rows are held out, and the metric.
        where: the file with these settings, for messages.
    """

    folder: Path
    sample: str
    rehearsal: HoldOut
    where: str


@dataclass(frozen=True)
class _Rows:
    """The rows of train: a table, or one made of the names of files."""

    table: "pd.DataFrame"
    # The files of each row, by where they are in the test set.
    files: Mapping[str, str]


def write_rehearsal(data: RehearsalData, slug: str, title: str, metric: Path | None, folder: Path) -> list[str]:
    """Write the competition folder that the local Kaggle hosts; the same data give the same rows.

    ``public/`` are the data as they are. In ``hidden/`` the test set has the public rows, which do not count, and after
    them the rows held out, with the columns, ids and file names of the test set; train lacks them there.

    Args:
        data: what is rehearsed with.
        slug: of the competition.
        title: of the competition.
        metric: the host's metric; None for one that is known by name.
        folder: empty; files are linked where the file system allows it.

    Returns:
        Notices, a line each.

    Raises:
        ConfigurationError: the data and the settings do not fit; the message names both.
    """
    rehearsal = data.rehearsal
    folder.mkdir(parents=True, exist_ok=True)
    rows = _read_rows(data)
    sample = read_table(data.folder / data.sample)
    answers = _answers(data, rows.table, sample)
    test = sample.iloc[:, :1]
    if rehearsal.test:
        test = read_table(data.folder / rehearsal.test)
    if len(test) != len(sample):
        raise ConfigurationError(
            f"{data.where}: rehearsal.test: {rehearsal.test} has {len(test)} rows, and {data.sample} {len(sample)}",
            "Only a sample with a row for each row of test is understood; write a command instead.",
        )
    shown = _with_files(data, test, rows.files.values())
    if shown.empty:
        raise ConfigurationError(
            f"{data.folder}: no row of the public test set has its files there",
            "Correct rehearsal.files, or download more: nox -s data -- COMPETITION",
        )
    notices = []
    if len(shown) < len(test):
        notices.append(f"{len(test) - len(shown)} of {len(test)} rows of the public test set have no file here")
    test, sample = test.loc[shown], sample.loc[shown]
    held = _held_out(data, rows.table, answers, _with_files(data, rows.table, rows.files))

    id_column = str(sample.columns[0])
    public_ids = texts(sample[id_column]).tolist()
    ids = _ids_of(rows.table.loc[held], id_column, public_ids)
    solution = _solution(answers, held, id_column, public_ids, ids)
    if metric is not None:
        # It is called for each leaderboard.
        solution.loc[solution.index[len(public_ids) :: 2], _USAGE] = "Private"
        shutil.copyfile(metric, folder / "metric.py")
    write_table(solution, folder / "solution.csv")

    public = {data.sample: sample}
    hidden = {data.sample: _in_form_of(sample, _like_first_row(sample, ids))}
    if rehearsal.test:
        public[rehearsal.test] = test
        hidden[rehearsal.test] = _in_form_of(test, rows.table.loc[held].assign(**{id_column: ids}))
    if not is_pattern(rehearsal.train):
        hidden[rehearsal.train] = rows.table.drop(index=held)
    moved = _moved(rows, held, id_column, ids)
    if not notices:
        public = {}
    _write_side(data, folder / "public", public, {})
    _write_side(data, folder / "hidden", hidden, moved)
    _write_settings(folder / "competition.toml", data, slug, title, sample.columns.tolist(), own=metric is not None)
    held_out = f"hidden test set: {len(held)} rows held out of {rehearsal.train}, after {len(sample)} public ones"
    return [held_out, *notices]


def is_pattern(train: str) -> bool:
    """Tell whether train is files, whose names hold an id and a label, and not a table."""
    return "{" in train


def patterns_of(rehearsal: HoldOut) -> Mapping[str, str]:
    """Return the files of train's rows, and where they are in the test set; files of folders go to ``test/``."""
    if is_pattern(rehearsal.train) and not rehearsal.files:
        return {rehearsal.train: f"test/{PurePosixPath(rehearsal.train).name}"}
    return rehearsal.files


def _read_rows(data: RehearsalData) -> _Rows:
    """Return the rows of train.

    Raises:
        ConfigurationError: train is not there, or a column is missing.
    """
    rehearsal = data.rehearsal
    files = patterns_of(rehearsal)
    if is_pattern(rehearsal.train):
        table = read_pattern(data.folder, rehearsal.train)
        if table.empty:
            raise ConfigurationError(f"{data.folder}: no file is named as in {rehearsal.train}", "Correct the pattern.")
    else:
        table = read_table(data.folder / rehearsal.train)
    columns = list(rehearsal.target)
    if rehearsal.group:
        columns.append(rehearsal.group)
    for pattern in files:
        columns += sorted(_fields(pattern))
    for column in columns:
        if column not in table.columns:
            raise ConfigurationError(
                f"{data.where}: rehearsal: {rehearsal.train} has no column {column}",
                f"Its columns are {', '.join(map(str, table.columns[:20]))}.",
            )
    return _Rows(table, files)


def read_pattern(folder: Path, pattern: str) -> "pd.DataFrame":
    """Return a table of the files whose names fit a pattern such as ``train/{label}/{image}``, sorted by name."""
    import pandas as pd

    names, expression = [], ""
    for literal, name, _, _ in Formatter().parse(pattern):
        expression += re.escape(literal)
        if name:
            names.append(name)
            expression += "([^/]+)"
    found = []
    for path in sorted(folder.glob("/".join(["*"] * (pattern.count("/") + 1)))):
        match = re.fullmatch(expression, path.relative_to(folder).as_posix())
        if match and path.is_file():
            found.append(match.groups())
    return pd.DataFrame(found, columns=names, dtype=str)


def _answers(data: RehearsalData, train: "pd.DataFrame", sample: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns of the submission for each row of train.

    The target's columns are those of the sample, or one column of another name, or one whose values name the sample's
    columns.

    Raises:
        ConfigurationError: they are none of these.
    """
    import pandas as pd

    wanted, target = [str(column) for column in sample.columns[1:]], list(data.rehearsal.target)
    answers = pd.DataFrame({column: texts(train[column]) for column in target})
    if sorted(target) == sorted(wanted):
        return answers[wanted]
    if len(target) == 1:
        values = answers[target[0]]
        if len(wanted) == 1:
            return values.to_frame(wanted[0])
        if values.isin(wanted).all():
            return pd.DataFrame({column: (values == column).astype(int).astype(str) for column in wanted})
    missing = [column for column in wanted if column not in target]
    raise ConfigurationError(
        f"{data.where}: rehearsal.target: {data.sample} asks for {', '.join(missing[:5])}, which target does not name",
        f"Name columns of {data.rehearsal.train} that are those of the sample, or one column whose values are.",
    )


def _with_files(data: RehearsalData, table: "pd.DataFrame", patterns: Iterable[str]) -> "pd.Index[int]":
    """Return the rows whose files are here; rows of a table without a pattern's columns need no file."""
    needed = [pattern for pattern in patterns if _fields(pattern) <= set(map(str, table.columns))]
    if not needed:
        return table.index
    named = table[sorted(set[str]().union(*map(_fields, needed)))]
    keep = []
    for row in records_of(named):
        keep.append(all((data.folder / file_of(pattern, row)).is_file() for pattern in needed))
    return table.index[keep]


def _fields(pattern: str) -> set[str]:
    """Return the columns that a pattern names."""
    return {name for _, name, _, _ in Formatter().parse(pattern) if name}


def _held_out(
    data: RehearsalData, train: "pd.DataFrame", answers: "pd.DataFrame", candidates: "pd.Index[int]"
) -> "pd.Index[int]":
    """Return the rows that are held out, in their order.

    Raises:
        ConfigurationError: they are none, or all.
    """
    import numpy as np

    rehearsal = data.rehearsal
    generator = np.random.default_rng(0)
    if rehearsal.group:
        groups = texts(train.loc[candidates, rehearsal.group])
        chosen: set[str] = set()
        for group in generator.permutation(sorted(set(groups))).tolist():
            if groups.isin(chosen).sum() >= rehearsal.held_out * len(candidates):
                break
            chosen.add(group)
        held = candidates[groups.isin(chosen)]
    elif rehearsal.stratify:
        labels = answers.loc[candidates].agg("\n".join, axis=1)
        parts = [candidates[labels == label] for label in sorted(set(labels))]
        held = candidates[candidates.isin(np.concatenate([_share(generator, part, rehearsal) for part in parts]))]
    else:
        held = candidates[candidates.isin(_share(generator, candidates, rehearsal))]
    if held.empty or len(held) == len(train):
        raise ConfigurationError(
            f"{data.where}: rehearsal.held_out: {rehearsal.held_out:g} of {len(candidates)} rows of {rehearsal.train} "
            f"is {len(held)}",
            "Hold out more or fewer; with files, a row counts if nox -s data has downloaded its files.",
        )
    return held


def _share(generator: Any, rows: "pd.Index[int]", rehearsal: HoldOut) -> Any:
    return generator.permutation(rows)[: round(rehearsal.held_out * len(rows))]


def _ids_of(held: "pd.DataFrame", column: str, taken: Sequence[str]) -> list[str]:
    """Return the ids of the rows held out: their own, unless they have none or the test set has them, too."""
    if column in held.columns:
        own = texts(held[column]).tolist()
        if len({*own, *taken}) == len(own) + len(taken):
            return own
    if all(re.fullmatch(r"\d+", name) for name in taken):
        first = max(map(int, taken), default=0) + 1
        return [str(first + number) for number in range(len(held))]
    own = texts(held[column]).tolist() if column in held.columns else [""] * len(held)
    return [f"held-out-{number}-{name}" for number, name in enumerate(own)]


def _like_first_row(sample: "pd.DataFrame", ids: Sequence[str]) -> "pd.DataFrame":
    import numpy as np

    rows = sample.iloc[np.zeros(len(ids), dtype=int)].reset_index(drop=True)
    return rows.assign(**{str(sample.columns[0]): list(ids)})


def _in_form_of(table: "pd.DataFrame", more: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table with further rows, in its own columns and of its own types; what they lack is empty."""
    import pandas as pd

    columns = {}
    for column, dtype in table.dtypes.items():
        cells = more[column] if column in more.columns else pd.Series([None] * len(more), dtype=dtype)
        try:
            columns[column] = cells.astype(dtype).reset_index(drop=True)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"column {column} of train cannot become one of {dtype}, as in the test set: {error}",
                "Write a command instead: the two tables differ.",
            ) from error
    return pd.concat([table, pd.DataFrame(columns)], ignore_index=True)


def _solution(
    answers: "pd.DataFrame", held: "pd.Index[int]", id_column: str, public_ids: Sequence[str], ids: Sequence[str]
) -> "pd.DataFrame":
    """Return the solution: rows of the public test set, whose answers nobody knows, are ignored."""
    import pandas as pd

    placeholder = answers.iloc[[0] * len(public_ids)]
    table = pd.concat([placeholder, answers.loc[held]], ignore_index=True)
    table.insert(0, id_column, [*public_ids, *ids])
    return table.assign(**{_USAGE: ["Ignored"] * len(public_ids) + ["Public"] * len(ids)})


def _moved(rows: _Rows, held: "pd.Index[int]", id_column: str, ids: Sequence[str]) -> dict[str, str]:
    """Return where the files of the rows held out are in the test set, by where they are in train."""
    moved: dict[str, str] = {}
    if rows.files:
        for row, new_id in zip(records_of(rows.table.loc[held]), ids, strict=True):
            for source, target in rows.files.items():
                moved[file_of(source, row)] = file_of(target, {**row, id_column: new_id})
    return moved


def _write_side(
    data: RehearsalData, folder: Path, tables: "Mapping[str, pd.DataFrame]", moved: Mapping[str, str]
) -> None:
    """Write one side: tables anew, files that are moved under their new names, all others as they are."""
    for path in sorted(data.folder.rglob("*")):
        name = path.relative_to(data.folder).as_posix()
        if path.is_file() and name not in tables and name not in moved and path.name != RECORD:
            _link(path, folder / name)
    for source, target in moved.items():
        _link(data.folder / source, folder / target)
    for name, table in tables.items():
        write_table(table, folder / name)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        raise ConfigurationError(f"{target}: two files would have this name", "Correct rehearsal.files.")
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _write_settings(
    path: Path, data: RehearsalData, slug: str, title: str, columns: Sequence[str], *, own: bool
) -> None:
    """Write ``competition.toml``."""
    rehearsal = data.rehearsal
    entries: dict[str, object] = {
        "slug": slug,
        "title": title,
        "metric": rehearsal.metric,
        "id": columns[0],
        "target": columns[1:],
    }
    if own:
        entries |= {"metric": "metric.py", "greater_is_better": rehearsal.greater_is_better}
    lines = [f"{key} = {_toml(value)}" for key, value in entries.items()]
    if own and rehearsal.metric_settings:
        lines.append(f"metric_settings = {_toml(dict(rehearsal.metric_settings))}")
    lines += ["", "[limits]", "submissions_per_day = 100", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


def _toml(value: object) -> str:
    """Return a value of TOML as text: as in JSON but for tables."""
    if isinstance(value, dict):
        entries = [f"{json.dumps(key)} = {_toml(entry)}" for key, entry in value.items()]
        return f"{{ {', '.join(entries)} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)
