"""Files of earlier runs, damaged: made again, or named; never a traceback, and never taken for whole."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from kaggle_offline.artifacts.frozen import Frozen, read_frozen
from kaggle_offline.commands.freeze import freeze
from kaggle_offline.errors import NotFrozenError
from kaggle_offline.repository.kernel_folder import KernelFolder

DAMAGE = {
    "empty": b"",
    "half": b'{"inputs": ',
    "nested without end": b"[" * 100_000,
    "a number without end": b'{"inputs": ' + b"9" * 5000 + b"}",
    "not text": b"\xff\xfe",
    "nothing": b"null",
    "a list": b"[1]",
    "an object": b"{}",
    "an object of lists": b'{"inputs": [], "files": [], "digest": [], "datasets": [], "slug": []}',
}

HOSTILE: tuple[Any, ...] = (None, True, -1, 10**400, "", "\0", "../../..", [], [[]], {}, {"a": {}})


@pytest.fixture
def frozen(script: KernelFolder) -> KernelFolder:
    freeze(script)
    return script


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(damage, marks=[] if damage in ("nested without end", "an object") else pytest.mark.nightly)
        for damage in DAMAGE
    ],
)
def test_freeze_makes_again_what_is_damaged(damage: str, frozen: KernelFolder) -> None:
    before = read_frozen(frozen)
    records = [path for path in frozen.build.rglob("*.json") if path.is_file()]
    assert len(records) > 3
    for record in records:
        record.write_bytes(DAMAGE[damage])
    with pytest.raises(NotFrozenError):
        read_frozen(frozen)
    freeze(frozen)
    assert read_frozen(frozen) == before
    json.loads((before.packages.folder / "freeze.json").read_text())


def changes(document: Any) -> Iterator[Any]:
    """Every way to put something hostile in the place of one part of a document."""
    yield from HOSTILE
    if isinstance(document, dict):
        for key, value in document.items():
            yield {name: other for name, other in document.items() if name != key}
            for change in changes(value):
                yield {**document, key: change}
    if isinstance(document, list):
        for number, value in enumerate(document):
            for change in changes(value):
                yield [*document[:number], change, *document[number + 1 :]]


def test_no_change_of_the_record_raises_anything_undocumented(frozen: KernelFolder) -> None:
    record = frozen.build / "frozen.json"
    whole = read_frozen(frozen)
    tried = 0
    for document in changes(json.loads(record.read_text())):
        record.write_text(json.dumps(document))
        tried += 1
        try:
            found = read_frozen(frozen)
        except NotFrozenError:
            continue
        assert kinds(found) == kinds(whole) or found.models is None
    assert tried > 100


def kinds(frozen: Frozen) -> list[type]:
    """The types of what a record holds."""
    datasets = [dataset for dataset in (frozen.packages, frozen.rehearsal, frozen.models) if dataset is not None]
    values: list[object] = [value for dataset in datasets for value in vars(dataset).values()]
    values += [frozen.python, frozen.source.tag, frozen.source.commit]
    return [type(value) for value in values]
