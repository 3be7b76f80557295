"""A rehearsal on the competition's own data: some rows of train become the hidden test set."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaggle_offline.competition.data_folder import data_files
from kaggle_offline.competition.patterns import fields_of, file_of, is_pattern, patterns_of, read_pattern
from kaggle_offline.competition.tables import read_table, records_of, texts, write_table
from kaggle_offline.environment import command
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
        sample: the name of the sample submission; an empty text if the data have none.
        rehearsal: which rows are held out, and the metric.
        where: the file with these settings, for messages.
    """

    folder: Path
    sample: str
    rehearsal: HoldOut
    where: str


@dataclass(frozen=True, kw_only=True)
class _Split:
    """The rows of the data whose files are here, and those of train that are held out.

    Attributes:
        train: all rows of train, those held out among them.
        test: the public test set.
        sample: the sample submission, a row for each of ``test``.
        answers: the submission's columns for each row of train.
        held: the rows held out.
        ids: their ids in the hidden test set.
        notices: what was left out, a line each.
    """

    train: "pd.DataFrame"
    test: "pd.DataFrame"
    sample: "pd.DataFrame"
    answers: "pd.DataFrame"
    held: "pd.Index[int]"
    ids: list[str]
    notices: list[str]

    @property
    def id_column(self) -> str:
        """The name of the id column."""
        return str(self.sample.columns[0])

    @property
    def held_rows(self) -> "pd.DataFrame":
        """The rows held out, with their new ids."""
        rows = self.train.loc[self.held].copy()
        rows[self.id_column] = self.ids
        return rows


def write_rehearsal(data: RehearsalData, slug: str, title: str, metric: Path | None, folder: Path) -> list[str]:
    """Write the competition folder that the local Kaggle hosts; the same data give the same rows.

    ``public/`` are the data as they are. In ``hidden/`` the test set has the public rows, which do not count, and after
    them the rows held out, with the columns, ids and file names of the test set; train lacks them there. Rows whose
    files are not in the data are left out on both sides.

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
    split = _split(data)
    folder.mkdir(parents=True, exist_ok=True)
    solution = _solution(split)
    if metric is not None:
        # It is called for each leaderboard.
        private = solution.index[len(split.sample) + 1 :: 2]
        solution.loc[private, _USAGE] = "Private"
        shutil.copyfile(metric, folder / "metric.py")
    write_table(solution, folder / "solution.csv")

    public: dict[str, pd.DataFrame] = {}
    hidden: dict[str, pd.DataFrame] = {}
    if data.sample:
        public[data.sample] = split.sample
        hidden[data.sample] = _in_form_of(split.sample, _like_first_row(split))
    if rehearsal.test:
        public[rehearsal.test] = split.test
        hidden[rehearsal.test] = _in_form_of(split.test, split.held_rows)
    if not is_pattern(rehearsal.train):
        public[rehearsal.train] = split.train
        hidden[rehearsal.train] = split.train.drop(index=split.held)
    if not split.notices:
        public = {}
    _write_side(data, folder / "public", public, {})
    _write_side(data, folder / "hidden", hidden, _moved(data, split))
    columns = [str(column) for column in split.sample.columns]
    _write_settings(folder / "competition.toml", data, slug, title, columns, own=metric is not None)
    count = f"{len(split.held)} rows held out of {rehearsal.train}, after {len(split.sample)} public ones"
    return [f"hidden test set: {count}", *split.notices]


def _split(data: RehearsalData) -> _Split:
    """Read the tables, and choose the rows that are held out.

    Raises:
        ConfigurationError: the data and the settings do not fit.
    """
    rehearsal, notices = data.rehearsal, []
    train = _read_train(data)
    sample = read_sample(data)
    test = sample.iloc[:, :1]
    if rehearsal.test:
        test = read_table(data.folder / rehearsal.test)
    if len(test) != len(sample) or sample.empty:
        raise ConfigurationError(
            f"{data.where}: rehearsal.test: {rehearsal.test or data.sample} has {len(test)} rows, and {data.sample} "
            f"{len(sample)}",
            "Only a sample with a row for each row of test is understood; write a command instead.",
        )
    files = patterns_of(rehearsal)
    shown, kept = _with_files(data, test, files.values()), _with_files(data, train, files)
    for rows, table, name in ((shown, test, "the public test set"), (kept, train, rehearsal.train)):
        if len(rows) < len(table):
            notices.append(f"{len(table) - len(rows)} of {len(table)} rows of {name} have no file here")
    if shown.empty:
        raise ConfigurationError(
            f"{data.folder}: no row of the public test set has its files there",
            f"Correct rehearsal.files, or download more: {command('data', 'COMPETITION')}",
        )
    train, test, sample = train.loc[kept], test.loc[shown], sample.loc[shown]
    answers = _answers(data, train, sample)
    held = _held_out(data, train, answers)
    ids = _ids_of(train.loc[held], sample)
    return _Split(train=train, test=test, sample=sample, answers=answers, held=held, ids=ids, notices=notices)


def read_sample(data: RehearsalData) -> "pd.DataFrame":
    """Return the sample submission, or else a table with the test set's ids and an empty cell for each target.

    Raises:
        ConfigurationError: a table is not there, or the test set has no such id.
    """
    if data.sample:
        return read_table(data.folder / data.sample)
    rehearsal = data.rehearsal
    test = read_table(data.folder / rehearsal.test)
    if rehearsal.id not in test.columns:
        raise ConfigurationError(
            f"{data.where}: rehearsal.id: {rehearsal.test} has no column {rehearsal.id}",
            f"Its columns are {', '.join(map(str, test.columns[:20]))}.",
        )
    return test[[rehearsal.id]].assign(**dict.fromkeys(rehearsal.target, ""))


def _read_train(data: RehearsalData) -> "pd.DataFrame":
    """Return the rows of train: of a table, or of the names of files.

    Raises:
        ConfigurationError: train is not there, a column is missing, or rows share a file.
    """
    rehearsal = data.rehearsal
    if is_pattern(rehearsal.train):
        train = read_pattern(data.folder, rehearsal.train)
        if train.empty:
            raise ConfigurationError(f"{data.folder}: no file is named as in {rehearsal.train}", "Correct the pattern.")
    else:
        train = read_table(data.folder / rehearsal.train)
    columns = list(rehearsal.target)
    if rehearsal.group:
        columns.append(rehearsal.group)
    for pattern in patterns_of(rehearsal):
        columns += sorted(fields_of(pattern))
    for column in columns:
        if column not in train.columns:
            raise ConfigurationError(
                f"{data.where}: rehearsal: {rehearsal.train} has no column {column}",
                f"Its columns are {', '.join(map(str, train.columns[:20]))}.",
            )
    for pattern in patterns_of(rehearsal):
        if train.duplicated(subset=sorted(fields_of(pattern))).any():
            raise ConfigurationError(
                f"{data.where}: rehearsal.files: several rows of {rehearsal.train} have the same {pattern}",
                "Only one row for each file is understood; write a command instead.",
            )
    return train


def _answers(data: RehearsalData, train: "pd.DataFrame", sample: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns of the submission for each row of train.

    The target's columns are those of the sample, or one column of another name, or one whose values name the sample's
    columns.

    Raises:
        ConfigurationError: they are none of these.
    """
    import pandas as pd

    wanted, target = [str(column) for column in sample.columns[1:]], list(data.rehearsal.target)
    if _USAGE in wanted:
        raise ConfigurationError(
            f"{data.sample}: a column called {_USAGE}, which a solution has for itself", "Write a command instead."
        )
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
        f"Name columns of {data.rehearsal.train} that are those of the sample, or one column whose values are; "
        "else write a command.",
    )


def _with_files(data: RehearsalData, table: "pd.DataFrame", patterns: Iterable[str]) -> "pd.Index[int]":
    """Return the rows whose files are here; rows of a table without a pattern's columns need no file."""
    needed = [pattern for pattern in patterns if fields_of(pattern) <= set(map(str, table.columns))]
    if not needed:
        return table.index
    keep = []
    for row in records_of(table[sorted(set[str]().union(*map(fields_of, needed)))]):
        keep.append(all((data.folder / file_of(pattern, row)).is_file() for pattern in needed))
    return table.index[keep]


def _held_out(data: RehearsalData, train: "pd.DataFrame", answers: "pd.DataFrame") -> "pd.Index[int]":
    """Return the rows that are held out, in their order.

    Raises:
        ConfigurationError: the settings hold out no row, or every row.
    """
    import numpy as np

    rehearsal = data.rehearsal
    generator = np.random.default_rng(0)
    if rehearsal.group:
        chosen = _share_of_groups(generator, texts(train[rehearsal.group]), rehearsal.held_out)
    elif rehearsal.stratify:
        # By the labels' own order, which no run changes.
        labels = answers.reset_index(drop=True).groupby(list(answers.columns), sort=True).indices
        parts = [_share(generator, np.sort(labels[label]), rehearsal.held_out) for label in sorted(labels, key=str)]
        chosen = np.concatenate([*parts, np.array([], dtype=int)])
    else:
        chosen = _share(generator, np.arange(len(train)), rehearsal.held_out)
    if not len(chosen) or len(chosen) == len(train):
        raise ConfigurationError(
            f"{data.where}: rehearsal.held_out: {rehearsal.held_out:g} of {len(train)} rows of {rehearsal.train} "
            f"is {len(chosen)}",
            f"Hold out more or fewer; with files, a row counts if {command('data')} has downloaded its files.",
        )
    held: pd.Index[int] = train.index[np.sort(chosen)]
    return held


def _share(generator: Any, rows: Any, share: float) -> Any:
    return generator.permutation(rows)[: round(share * len(rows))]


def _share_of_groups(generator: Any, groups: "pd.Series[str]", share: float) -> Any:
    """Return the rows of as many whole groups as make up the share, at least."""
    import numpy as np

    rows_of = groups.reset_index(drop=True).groupby(groups.to_numpy(), sort=True).indices
    names = generator.permutation(sorted(map(str, rows_of))).tolist()
    before = np.cumsum([0, *(len(rows_of[name]) for name in names)])[:-1]
    chosen = [rows_of[name] for name, count in zip(names, before, strict=True) if count < share * len(groups)]
    return np.concatenate([*chosen, np.array([], dtype=int)])


def _ids_of(held: "pd.DataFrame", sample: "pd.DataFrame") -> list[str]:
    """Return the ids of the rows held out: their own, unless they have none or the test set has them, too."""
    column = str(sample.columns[0])
    taken, own = texts(sample[column]).tolist(), [""] * len(held)
    if column in held.columns:
        own = texts(held[column]).tolist()
        if len({*own, *taken}) == len(own) + len(taken):
            return own
    if all(re.fullmatch(r"\d+", name) for name in taken):
        first, width = max(map(int, taken)) + 1, min(map(len, taken))
        return [f"{first + number:0{width}}" for number in range(len(held))]
    return [f"held-out-{number}-{name}" for number, name in enumerate(own)]


def _like_first_row(split: _Split) -> "pd.DataFrame":
    """Return a row of the sample for each row held out."""
    rows = split.sample.iloc[[0] * len(split.ids)].reset_index(drop=True)
    rows[split.id_column] = split.ids
    return rows


def _in_form_of(table: "pd.DataFrame", more: "pd.DataFrame") -> "pd.DataFrame":
    """Return a table with further rows, in its own columns and of its own types; what they lack is empty.

    Raises:
        ConfigurationError: a column of train has other types of cells than that of the test set.
    """
    import pandas as pd

    columns = {}
    for column, dtype in table.dtypes.items():
        cells = pd.Series([None] * len(more), dtype=dtype)
        if column in more.columns:
            cells = more[column]
        try:
            columns[column] = cells.astype(dtype).reset_index(drop=True)
        except (ValueError, TypeError) as error:
            raise ConfigurationError(
                f"column {column} of train cannot become one of {dtype}, as in the test set: {error}",
                "Write a command instead: the two tables differ.",
            ) from error
    return pd.concat([table, pd.DataFrame(columns)], ignore_index=True)


def _solution(split: _Split) -> "pd.DataFrame":
    """Return the solution: rows of the public test set, whose answers nobody knows, are ignored."""
    import pandas as pd

    public_ids = texts(split.sample[split.id_column]).tolist()
    placeholder = split.answers.iloc[[0] * len(public_ids)]
    table = pd.concat([placeholder, split.answers.loc[split.held]], ignore_index=True)
    table.insert(0, split.id_column, [*public_ids, *split.ids])
    table[_USAGE] = ["Ignored"] * len(public_ids) + ["Public"] * len(split.ids)
    return table


def _moved(data: RehearsalData, split: _Split) -> dict[str, str]:
    """Return where the files of the rows held out are in the test set, by where they are in train."""
    moved: dict[str, str] = {}
    files = patterns_of(data.rehearsal)
    if files:
        for row, new_id in zip(records_of(split.train.loc[split.held]), split.ids, strict=True):
            for source, target in files.items():
                moved[file_of(source, row)] = file_of(target, {**row, split.id_column: new_id})
    return moved


def _write_side(
    data: RehearsalData, folder: Path, tables: "Mapping[str, pd.DataFrame]", moved: Mapping[str, str]
) -> None:
    """Write one side: tables anew, files that are moved under their new names, all others as they are."""
    for path in data_files(data.folder):
        name = path.relative_to(data.folder).as_posix()
        if name not in tables and name not in moved:
            _link(path, folder / name)
    for source, target in moved.items():
        _link(data.folder / source, folder / target)
    for name, table in tables.items():
        # A link to the data would be written through.
        (folder / name).unlink(missing_ok=True)
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
    if rehearsal.gateway:
        entries["gateway"] = rehearsal.gateway
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
