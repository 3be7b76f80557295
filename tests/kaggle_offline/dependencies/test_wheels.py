"""Wheels: read, or named as none."""

import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.dependencies.wheels import read_wheel
from kaggle_offline.errors import BuildError

from tests.kaggle_offline.conftest import anything


@anything
@given(
    lines=st.lists(
        st.sampled_from(
            [b"Name: a", b"Version: 1", b"Requires-Dist: b>=1", b"Requires-Dist: b; extra == 'c'", b"Name:"]
        )
        | st.binary(max_size=20),
        max_size=5,
    ),
    damage=st.integers(-400, 400),
)
def test_no_wheel_raises_anything_undocumented(tmp_path: Path, lines: list[bytes], damage: int) -> None:
    path = tmp_path / "a-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a-1.dist-info/METADATA", b"\n".join(lines))
    content = bytearray(path.read_bytes())
    if 0 < damage < len(content):
        content[damage] ^= 255
    path.write_bytes(content)
    try:
        assert read_wheel(path).name
    except BuildError as error:
        assert str(path) in error.problem  # noqa: PT017 - some can be read
