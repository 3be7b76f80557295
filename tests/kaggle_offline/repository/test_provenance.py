"""The origin of a submission, written as its description and read again; the tag and commit of a checkout."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaggle_offline.repository.provenance import Chain, Source, read_chain, read_source

from tests.kaggle_offline.conftest import git

WORD = st.text(st.characters(categories=["L", "N"], include_characters="._/+"), max_size=40)
NUMBER = st.integers(min_value=1, max_value=10**6)
CHAIN = st.builds(
    Chain,
    source=st.builds(Source, tag=WORD.map(lambda text: f"submit-{text}" if text else ""), commit=WORD),
    packages=NUMBER,
    models=st.none() | NUMBER,
    kernel=NUMBER,
    digest=st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}"),
)


@given(CHAIN)
def test_a_chain_survives_as_a_description(chain: Chain) -> None:
    assert read_chain(str(chain)) == chain
    assert read_chain(f" {chain}\n") == chain


@given(st.text())
def test_any_other_description_is_none(text: str) -> None:
    assert read_chain(text) is None


def test_the_tag_and_commit_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_REF_TYPE", "GITHUB_REF_NAME"):
        monkeypatch.delenv(name, raising=False)
    # The folder of the test may lie within a repository.
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert read_source(tmp_path, "small") == Source(tag="", commit="")
    git(tmp_path, "init", "--quiet")
    (tmp_path / "a").write_text("a")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "-m", "a")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert read_source(tmp_path, "small") == Source(tag="", commit=commit[:12])
    git(tmp_path, "tag", "v1")
    git(tmp_path, "tag", "submit-v1")
    (tmp_path / "untracked").touch()
    assert read_source(tmp_path, "small") == Source(tag="submit-v1", commit=commit[:12])
    git(tmp_path, "tag", "submit-leaves-v2")
    git(tmp_path, "tag", "submit-whatever")
    assert read_source(tmp_path, "small").tag == "submit-v1", "the others are not about it"
    assert read_source(tmp_path, "leaves").tag == "submit-leaves-v2"
    monkeypatch.setenv("GITHUB_REF_TYPE", "tag")
    monkeypatch.setenv("GITHUB_REF_NAME", "submit-v1")
    assert read_source(tmp_path, "small").tag == "submit-v1"
    (tmp_path / "a").write_text("b")
    assert read_source(tmp_path, "small").commit == f"{commit[:12]}+"


@pytest.mark.parametrize(
    ("path", "differs"),
    [
        ("packages/small/src/small/new.py", True),
        ("packages/small/ignored.csv", True),
        ("kernels/small/checkpoints/ignored.csv", True),
        ("requirements/small.txt", True),
        ("packages/other/src/other.py", False),
        ("packages/small/src/__pycache__/small.pyc", False),
        ("packages/small/build/lib/small.py", False),
        ("kernels/small/.ipynb_checkpoints/predict.ipynb", False),
        ("notes.txt", False),
    ],
)
def test_an_input_that_git_does_not_track_is_a_difference(path: str, differs: bool, repository: Path) -> None:
    git(repository, "init", "--quiet")
    (repository / ".gitignore").write_text("ignored.*\n")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "a")
    assert not read_source(repository, "small").commit.endswith("+")
    (repository / path).parent.mkdir(parents=True, exist_ok=True)
    (repository / path).write_text("x")
    assert read_source(repository, "small").commit.endswith("+") is differs
