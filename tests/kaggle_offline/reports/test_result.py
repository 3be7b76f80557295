"""``result.json``: entries that are not whole are left out."""

import json
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from jsonschema import Draft202012Validator
from kaggle_offline.reports.result import Result, read_result, update_result

from tests.kaggle_offline.reports.test_pages import RESULT

SCHEMA = json.loads((resources.files("kaggle_offline.reports") / "result.schema.json").read_text())


@pytest.mark.parametrize("entry", [None, [], 3, {}, {"ref": "one"}, "text", {"version": "one"}])
@pytest.mark.parametrize("name", ["packages", "kernel", "run", "submission", "seconds"])
def test_a_result_that_is_not_whole_is_left_out(name: str, entry: object, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"target": "local", name: entry}))
    assert read_result(tmp_path) == Result(target="local")
    (tmp_path / "result.json").write_bytes(b"\xff")
    assert read_result(tmp_path) == Result()


def test_the_schema_describes_what_is_written(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    entries = {entry.name: getattr(RESULT, entry.name) for entry in fields(RESULT) if entry.name != "seconds"}
    update_result(tmp_path, seconds=RESULT.seconds, **entries)
    document = json.loads((tmp_path / "result.json").read_text())
    assert list(Draft202012Validator(SCHEMA).iter_errors(document)) == []
    # Nothing may be written that it does not describe.
    document["run"]["speed"] = 1
    assert list(Draft202012Validator(SCHEMA).iter_errors(document)) != []


def described(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference, or one of several schemas, says of an object."""
    if "$ref" in schema:
        return described(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    for each in schema.get("anyOf", ()):
        if "properties" in each:
            return described(each)
    return schema


def differences(kind: Any, schema: dict[str, Any]) -> list[str]:
    """Return the fields of a dataclass, and of those in it, that its schema does not have, or the other way round."""
    properties = described(schema)["properties"]
    found = sorted({field.name for field in fields(kind)} ^ set(properties))
    for name, hint in get_type_hints(kind).items():
        for inner in (hint, *get_args(hint)):
            if is_dataclass(inner) and described(properties[name]).get("type") == "object":
                found += differences(inner, properties[name])
    return found


def test_the_schema_has_every_field_and_no_other() -> None:
    assert differences(Result, SCHEMA) == []
