"""Hard-coded paths of inputs are found and rewritten, and nothing else is."""

import ast

import pytest
from kaggle_offline.code.input_paths import input_paths, with_inputs_found


@pytest.mark.parametrize(
    ("code", "instead"),
    [
        ("'/kaggle/input/apples/train.csv'", "f\"{find_input('apples')}/train.csv\""),
        ("'/kaggle/input/apples'", "f\"{find_input('apples')}\""),
        ("'../input/apples/'", "f\"{find_input('apples')}/\""),
        ("'../../input/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/competitions/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/datasets/somebody/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/notebooks/somebody/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/models/google/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/c/apples/x'", "f\"{find_input('apples')}/x\""),
        ("'/kaggle/input/apples/{}.csv'", "f\"{find_input('apples')}/{{}}.csv\""),
        ("f'/kaggle/input/apples/{name}.csv'", "f'{find_input(\"apples\")}/{name}.csv'"),
        ('f"../input/apples/{name}.csv"', "f\"{find_input('apples')}/{name}.csv\""),
        ("'cp /kaggle/input/apples/x .'", ""),
        ("f'{root}/kaggle/input/apples'", ""),
        ("r'/kaggle/input/apples/' f'{x}'", ""),
    ],
)
def test_a_path_is_found_and_said_otherwise(code: str, instead: str) -> None:
    line = f"x = open({code})"
    (found,) = input_paths(line)
    assert (found.slug, found.text, found.instead) == ("apples", code, instead)
    replaced = with_inputs_found(line)
    assert replaced == (f"x = open({instead})" if instead else line)
    ast.parse(replaced)


@pytest.mark.parametrize(
    "code",
    [
        "'../input/train.csv'",
        "'../input/apples*/x'",
        "f'../input/apples{n}/x'",
        "'/kaggle/input/apples.zip'",
        "'../input/'",
        "Path('/kaggle/input') / slug",
        "'../input/%s/x' % slug",
    ],
)
def test_a_slug_that_does_not_stand_there_whole_is_none(code: str) -> None:
    (found,) = input_paths(f"x = {code}")
    assert (found.slug, found.instead) == ("", "")
    assert with_inputs_found(f"x = {code}") == f"x = {code}"


@pytest.mark.parametrize(
    "code",
    ["os.walk('/kaggle/input')", "glob('/kaggle/input/**/x')", "'/kaggle/working/x'", '"""../input/apples"""', "1"],
)
def test_what_searches_or_is_prose_is_no_hard_coded_path(code: str) -> None:
    assert input_paths(code) == []
