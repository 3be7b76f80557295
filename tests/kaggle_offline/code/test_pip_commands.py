"""Lines of pip are read as a shell would read them."""

import pytest
from kaggle_offline.code.pip_commands import pip_installs, without_pip


@pytest.mark.parametrize(
    ("line", "requirements", "other"),
    [
        ("!pip install timm", ("timm",), ()),
        ("  %pip install -q timm==1.0.26", ("timm==1.0.26",), ()),
        ("!pip3 install 'a[b]>=1,<2' c", ("a[b]<2,>=1", "c"), ()),
        ("!python3 -m pip install --no-deps a", ("a",), ()),
        ("!{sys.executable} -m pip install a", ("a",), ()),
        ("!uv pip install a", ("a",), ()),
        ("!pip install --no-index --find-links /kaggle/input/wheels a", ("a",), ()),
        ("!pip install /kaggle/input/wheels/a.whl", (), ("/kaggle/input/wheels/a.whl",)),
        ("!pip install a 2>/dev/null && echo b", ("a",), ()),
        ("!pip install a > /dev/null; pip list", ("a",), ()),
        ("!pip install a # and b", ("a",), ()),
        ("!pip install 'a; python_version < \"4\"' && echo b", ('a; python_version < "4"',), ()),
        ("!pip install --root-user-action ignore --python-version 3.11 a", ("a",), ()),
        ("!pip install -r list.txt a", ("a",), ("list.txt",)),
        # A shell would not take this either.
        ("!pip install 'a b", ("b",), ("'a",)),
    ],
)
def test_pip_lines_are_read(line: str, requirements: tuple[str, ...], other: tuple[str, ...]) -> None:
    (found,) = pip_installs(f"import x\n{line}\nprint()")
    assert (found.line, found.requirements, found.other) == (2, requirements, other)
    assert pip_installs(without_pip(line)) == []


@pytest.mark.parametrize("line", ["# !pip install a", "pip = 'pip install a'", "!pip list", "!ls pip install"])
def test_what_only_looks_like_one_is_none(line: str) -> None:
    assert pip_installs(line) == []
    assert without_pip(line) == line
