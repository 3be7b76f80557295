"""Which competitions a submit tag, or a change, is about."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kaggle_offline.commands.plan import Plan, branch_point, default_branch, plan_changes, plan_tag
from kaggle_offline.errors import ConfigurationError, OfflineError, TagError
from kaggle_offline.reports.github import add_summary, give_jobs
from kaggle_offline.reports.markdown import fenced
from kaggle_offline.repository.competition_inputs import inputs_of, touched
from kaggle_offline.repository.provenance import SubmitTag, parse_tag

from tests.kaggle_offline.conftest import git

SLUG = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
TAG = st.builds(SubmitTag, competition=st.just("") | SLUG, version=st.integers(0, 999_999_999))


@given(TAG)
@example(SubmitTag(competition="a-v1", version=2))
@example(SubmitTag(competition="v1", version=2))
def test_a_tag_is_read_as_it_is_written(tag: SubmitTag) -> None:
    assert parse_tag(str(tag)) == tag


@given(st.text() | st.text("submit-v0123456789.;$( \n").map(lambda text: f"submit-{text}"))
def test_what_is_read_is_written_the_same(text: str) -> None:
    try:
        assert str(parse_tag(text)) == text
    except TagError:
        assert not re.fullmatch("submit-v[1-9][0-9]{0,8}", text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "submit",
            "submit-",
            "submit-v",
            "submit-3",
            "submit-v03",
            "submit-v-1",
            "submit-v1.2",
            "v3",
            "submit-V3",
        ),
        *("submit-v3\n", " submit-v3", "submit--v3", "submit-a-v", "submit-a-v01", "submit-v1000000000", "submit-v³"),
        *("submit-$(id)-v3", "submit-v3;id", "submit-a/b-v3", "submit-../a-v3", "submit--a-v3", "submit-é-v3"),
    ],
)
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(TagError, match="not a tag that submits") as caught:
        parse_tag(text)
    assert repr(text) in caught.value.problem
    assert "submit-v3" in caught.value.cure


def settings_of(package: str) -> str:
    lines = [f'package = "{package}"', 'image = "i"', 'checkpoints = "checkpoints"', 'output = "submission.csv"']
    return "\n".join([*lines, "[rehearsal]", 'competition = "python -m x"', ""])


def project(name: str, *requires: str) -> str:
    return f"[project]\nname = {name!r}\nversion = '1'\ndependencies = {list(requires)!r}\n"


# Two competitions share a package; the third stands alone. ``other`` is nobody's.
BEGINNING = {
    **{f"kernels/{c}/submission.toml": settings_of(p) for c, p in (("a", "pa"), ("b", "pb"), ("c", "pc"))},
    "packages/pa/pyproject.toml": project("dist-a", "numpy", "Shared_Lib>=1"),
    "packages/pb/pyproject.toml": project("dist-b", "dist-a"),
    "packages/pc/pyproject.toml": project("dist-c", "shared-lib-of-others"),
    "packages/shared/pyproject.toml": project("shared.lib"),
    "packages/other/pyproject.toml": project("other"),
    "requirements/images/i.txt": "# python: 3.12.1\n",
    "requirements/dev.txt": "",
}
FILES = {
    **{f"kernels/{c}/predict.py": {c} for c in "abc"},
    **{f"kernels/{c}/checkpoints/model.ckpt": {c} for c in "abc"},
    **{f"requirements/{c}.txt": {c} for c in "abc"},
    "packages/pa/src/x.py": {"a", "b"},
    "packages/pb/src/x.py": {"b"},
    "packages/pc/src/x.py": {"c"},
    "packages/shared/src/a file\nwith a line's end": {"a", "b"},
    "packages/other/x.py": set[str](),
    "packages/shared2/x.py": set[str](),
    "requirements/images/i.txt": {"a", "b", "c"},
    "requirements/images/j.txt": set[str](),
    "README.md": set[str](),
}

# A commit: content of the files that it writes; then the tags that are set on it, each with the next version.
STEP = st.tuples(
    st.dictionaries(st.sampled_from(sorted(FILES)), st.integers(0, 3), max_size=4),
    st.lists(st.sampled_from(["", "a", "b", "c"]), unique=True, max_size=2),
)


def commit(repository: Path, files: Mapping[str, str], message: str = "x") -> None:
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--allow-empty", "--message", message)


def begin(repository: Path) -> Path:
    repository.mkdir(parents=True, exist_ok=True)
    git(repository, "init", "--quiet", "--initial-branch", "main")
    commit(repository, BEGINNING)
    return repository


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return begin(tmp_path / "clone")


@pytest.mark.nightly
@settings(max_examples=60)
@given(st.lists(STEP, max_size=6))
def test_a_tag_means_what_has_changed_since_the_last_that_covers_it(
    steps: list[tuple[dict[str, int], list[str]]],
) -> None:
    versions = dict.fromkeys(["", "a", "b", "c"], 0)
    now: dict[str, int] = {}
    covered: dict[str, dict[str, int]] = {}
    with TemporaryDirectory() as folder:
        repository = begin(Path(folder))
        for files, tags in steps:
            now = now | files
            commit(repository, {name: str(content) for name, content in files.items()})
            for competition in tags:
                versions[competition] += 1
                git(repository, "tag", str(SubmitTag(competition=competition, version=versions[competition])))
                covered |= dict.fromkeys([competition] if competition else "abc", now)
        plan = plan_tag(repository, f"submit-v{versions[''] + 1}")
        one = plan_tag(repository, f"submit-b-v{versions['b'] + 5}")
    wanted = {
        c
        for c in "abc"
        if c not in covered or any(c in who and covered[c].get(name) != now.get(name) for name, who in FILES.items())
    }
    assert set(plan.reasons) == wanted
    assert set(plan.others) == set("abc") - wanted
    assert list(one.reasons) == ["b"]


PATH = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@given(st.frozensets(PATH), st.lists(PATH))
def test_a_changed_file_touches_the_inputs_that_it_lies_in_or_contains(
    inputs: frozenset[str], changed: list[str]
) -> None:
    def meets(path: str, file: str) -> bool:
        return f"{file}/".startswith(f"{path}/") or f"{path}/".startswith(f"{file}/")

    wanted = sorted(file for file in changed if any(meets(path, file) for path in inputs))
    assert list(touched(inputs, changed)) == wanted


def test_versions_grow_and_a_set_tag_stays_what_it_is(clone: Path) -> None:
    git(clone, "tag", "submit-v5")
    git(clone, "tag", "submit-2024")
    with pytest.raises(TagError, match="submit-v5 is set already, and versions must grow") as caught:
        plan_tag(clone, "submit-v4")
    assert caught.value.cure == "Use the next: submit-v6."
    assert set(plan_tag(clone, "submit-v5").reasons) == {"a", "b", "c"}
    assert set(plan_tag(clone, "submit-a-v1").reasons) == {"a"}
    # When two are pushed at once, each run sees the other.
    git(clone, "tag", "submit-v4")
    assert set(plan_tag(clone, "submit-v4").reasons) == {"a", "b", "c"}
    assert set(plan_tag(clone, "submit-v5").others) == {"a", "b", "c"}
    git(clone, "tag", "--delete", "submit-v4")
    commit(clone, {"kernels/a/predict.py": "1"})
    with pytest.raises(TagError, match="is set already, on"):
        plan_tag(clone, "submit-v5")
    with pytest.raises(TagError, match="versions must grow"):
        plan_tag(clone, "submit-v4")
    git(clone, "tag", "--annotate", "--message", "x", "submit-v6")
    git(clone, "checkout", "--quiet", "submit-v5")
    with pytest.raises(TagError, match="submit-v6 is set already, and versions must grow"):
        plan_tag(clone, "submit-v4")
    git(clone, "checkout", "--quiet", "main")
    # Later commits do not change what a tag has meant.
    commit(clone, {"kernels/b/predict.py": "1"})
    git(clone, "tag", "submit-v7")
    git(clone, "tag", "submit-a-v9")
    git(clone, "checkout", "--quiet", "submit-v6")
    plan = plan_tag(clone, "submit-v6")
    assert dict(plan.reasons) == {"a": "changed since submit-v5: kernels/a/predict.py"}
    assert dict(plan.others) == {"b": "as it was at submit-v5", "c": "as it was at submit-v5"}


def test_on_branches_that_do_not_know_of_each_other_the_later_tag_counts(clone: Path) -> None:
    def tag(name: str, date: str) -> None:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "tag", "-a", "-m", "x", name]
        subprocess.run(command, cwd=clone, env={"GIT_COMMITTER_DATE": f"{date} 12:00 +0000"}, check=True)

    git(clone, "checkout", "--quiet", "-b", "fix")
    commit(clone, {"kernels/a/predict.py": "fixed", "kernels/b/predict.py": "fixed"})
    git(clone, "checkout", "--quiet", "main")
    commit(clone, {"kernels/c/predict.py": "1"})
    tag("submit-v1", "2026-01-02")
    git(clone, "checkout", "--quiet", "fix")
    tag("submit-a-v1", "2026-01-03")
    tag("submit-b-v1", "2026-01-01")
    git(clone, "checkout", "--quiet", "main")
    plan = plan_tag(clone, "submit-v2")
    assert dict(plan.reasons) == {"a": "changed since submit-a-v1: kernels/a/predict.py"}


@pytest.mark.parametrize(
    ("project_file", "name"),
    [
        ("[project]\nname = 'dist-c'\ndynamic = ['dependencies']\n", "pyproject.toml"),
        ("[project]\nname = 'dist-c'\ndependencies = ['not a requirement']\n", "pyproject.toml"),
        ("[tool.poetry]\nname = 'dist-c'\n", "pyproject.toml"),
        ("[project]\nname = 'dist-c'\n[tool.poetry.dependencies]\nshared-lib = '*'\n", "pyproject.toml"),
        ("from setuptools import setup\nsetup(name='dist-c')\n", "setup.py"),
    ],
)
def test_what_only_building_would_tell_counts_as_required(clone: Path, project_file: str, name: str) -> None:
    (clone / "packages" / "pc" / "pyproject.toml").unlink()
    (clone / "packages" / "pc" / name).write_text(project_file)
    assert {"packages/pc", "packages/other", "packages/shared"} <= inputs_of(clone)["c"]
    assert "packages/other" not in inputs_of(clone)["a"]


@pytest.mark.parametrize(
    "change",
    [
        lambda shared: shared.unlink(),
        lambda shared: shared.write_text("[project"),
        lambda shared: shared.write_text(project("other-name")),
        lambda shared: (shared.unlink(), shared.with_name("setup.py").write_text("import setuptools")),
    ],
)
def test_a_package_that_has_lost_its_name_counts_for_those_that_require_it(
    clone: Path, change: Callable[[Path], object]
) -> None:
    git(clone, "tag", "submit-v1")
    change(clone / "packages" / "shared" / "pyproject.toml")
    assert set(plan_changes(clone, "HEAD").reasons) == {"a", "b"}
    commit(clone, {})
    assert set(plan_tag(clone, "submit-v2").reasons) == {"a", "b"}
    assert set(plan_changes(clone, "HEAD^1").reasons) == {"a", "b"}


def test_a_repository_may_be_a_folder_of_a_larger_one(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    clone = tmp_path / "folder"
    commit(clone, BEGINNING)
    git(clone, "tag", "submit-v1")
    commit(clone, {"packages/shared/x.py": "1"})
    assert set(plan_tag(clone, "submit-v2").reasons) == {"a", "b"}
    assert set(plan_changes(clone, "HEAD^1").reasons) == {"a", "b"}


def test_a_hook_s_variables_lead_nowhere_else(clone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    git(clone, "tag", "submit-v1")
    commit(clone, {"kernels/c/x.py": "1"})
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert set(plan_tag(clone, "submit-v2").reasons) == {"c"}


def test_a_submodule_counts(clone: Path, tmp_path: Path) -> None:
    other = begin(tmp_path / "other")
    git(clone, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other), "packages/pa/vendored")
    commit(clone, {".gitmodules": (clone / ".gitmodules").read_text() + "\tignore = all\n"})
    git(clone, "tag", "submit-v1")
    commit(clone / "packages" / "pa" / "vendored", {"x": "1"})
    assert set(plan_changes(clone, "HEAD").reasons) == {"a", "b"}
    git(clone, "add", "--force", "packages/pa/vendored")
    git(clone, "commit", "--quiet", "--message", "x")
    assert set(plan_tag(clone, "submit-v2").reasons) == {"a", "b"}


def test_a_competition_that_cannot_be_read_is_in_the_plan_when_its_folder_has_changed(clone: Path) -> None:
    git(clone, "tag", "submit-v1")
    commit(clone, {"kernels/c/submission.toml": "package ="})
    assert set(plan_tag(clone, "submit-v2").reasons) == {"c"}


@pytest.mark.parametrize("ignored", [False, True])
def test_a_tag_means_what_is_committed_whatever_lies_there(clone: Path, ignored: bool) -> None:
    git(clone, "tag", "submit-v1")
    committed = plan_tag(clone, "submit-v1")
    if ignored:
        (clone / ".git" / "info" / "exclude").write_text("kernels/new\n")
    (clone / "kernels" / "new").mkdir()
    (clone / "kernels" / "new" / "submission.toml").write_text(settings_of("pa"))
    (clone / "kernels" / "a" / "submission.toml").unlink()
    (clone / "packages" / "pb" / "pyproject.toml").write_text(project("dist-b"))
    assert plan_tag(clone, "submit-v1") == committed
    with pytest.raises(TagError, match="kernels/new not found"):
        plan_tag(clone, "submit-new-v1")
    assert set(plan_tag(clone, "submit-a-v1").reasons) == {"a"}
    # b requires it in the commit, though not in the working tree.
    (clone / "packages" / "pa" / "src").mkdir()
    (clone / "packages" / "pa" / "src" / "x.py").write_text("changed")
    git(clone, "add", "packages/pa")
    git(clone, "commit", "--quiet", "--message", "x", "packages/pa")
    assert set(plan_tag(clone, "submit-v2").reasons) == {"a", "b"}


def test_a_sparse_checkout_plans_what_is_committed(clone: Path) -> None:
    git(clone, "sparse-checkout", "set", "kernels/a", "packages")
    assert not (clone / "kernels" / "b").exists()
    assert set(plan_tag(clone, "submit-v1").reasons) == {"a", "b", "c"}


def test_changes_of_a_branch_count_committed_or_not(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "work")
    commit(clone, {"kernels/a/predict.py": "1"})
    git(clone, "checkout", "--quiet", "main")
    commit(clone, {"kernels/c/predict.py": "main's"})
    git(clone, "checkout", "--quiet", "work")
    (clone / "kernels" / "b" / "new.py").write_text("1")
    plan = plan_changes(clone, "main")
    base = branch_point(clone, "main")
    assert base == git(clone, "rev-parse", "main~1")
    assert plan.reasons == {
        "a": f"changed since {base[:12]}: kernels/a/predict.py",
        "b": f"changed since {base[:12]}: kernels/b/new.py",
    }
    assert plan.others == {"c": "not touched"}


def test_what_git_cannot_tell_is_said(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for since in ("nowhere", "--help", ""):
        with pytest.raises(ConfigurationError, match="not a commit that this branch"):
            plan_changes(clone, since)
    git(clone, "tag", "submit-v1")
    commit(clone, {"kernels/a/predict.py": "1"})
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{clone}", str(shallow))
    (tmp_path / "none" / "kernels").mkdir(parents=True)
    for folder in (shallow, tmp_path / "none"):
        with pytest.raises(OfflineError, match="without its whole history"):
            plan_tag(folder, "submit-v2")
    with pytest.raises(TagError, match="kernels/nowhere not found"):
        plan_tag(clone, "submit-nowhere-v1")
    git(clone, "branch", "--move", "work")
    with pytest.raises(ConfigurationError, match="origin/HEAD is not set, and no branch is called main"):
        default_branch(clone)
    git(clone, "branch", "main")
    assert default_branch(clone) == "main"
    assert default_branch(shallow) == "origin/" + git(shallow, "branch", "--show-current")


def test_a_clone_without_the_large_files_of_the_past_can_tell(clone: Path, tmp_path: Path) -> None:
    git(clone, "config", "uploadpack.allowFilter", "true")
    commit(clone, {"kernels/a/checkpoints/model.ckpt": "x" * 200_000})
    git(clone, "tag", "submit-v1")
    commit(clone, {"kernels/a/checkpoints/model.ckpt": "y" * 200_000, "packages/shared/pyproject.toml": "["})
    partial = tmp_path / "partial"
    git(tmp_path, "clone", "--quiet", "--filter=blob:limit=100k", f"file://{clone}", str(partial))
    git(partial, "remote", "remove", "origin")
    reasons = plan_tag(partial, "submit-v2").reasons
    assert reasons["a"] == "changed since submit-v1: kernels/a/checkpoints/model.ckpt, packages/shared/pyproject.toml"
    assert reasons["b"] == "changed since submit-v1: packages/shared/pyproject.toml"
    assert default_branch_of(tmp_path, clone) == "origin/main"


def default_branch_of(folder: Path, clone: Path) -> str:
    git(folder, "clone", "--quiet", str(clone), "again")
    return default_branch(folder / "again")


def test_a_name_that_a_person_did_not_choose_is_shown_as_it_is_not_obeyed(clone: Path) -> None:
    (clone / "kernels" / "a" / "x\n::error::boo").write_text("")
    plan = plan_changes(clone, "HEAD")
    assert "\n::error" not in str(plan)
    assert "\\n::error" in str(plan)


def test_tags_that_git_takes_and_nobody_sets_are_no_harm(clone: Path) -> None:
    blob = git(clone, "rev-parse", "HEAD:requirements/dev.txt")
    git(clone, "tag", "submit-v7", blob)
    git(clone, "tag", "submit-v8", "HEAD^{tree}")
    text = f"object {git(clone, 'rev-parse', 'HEAD')}\ntype commit\ntag submit-v1\n\nwithout a tagger\n"
    tag = subprocess.run(
        ["git", "mktag", "--no-strict"], cwd=clone, input=text, capture_output=True, text=True, check=True
    )
    git(clone, "update-ref", "refs/tags/submit-v1", tag.stdout.strip())
    assert set(plan_tag(clone, "submit-v2").others) == {"a", "b", "c"}


def test_a_plan_is_told_to_people_and_to_workflows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(
        title="submit-v2 at 1a2b", reasons={"a": "new", "long": "changed"}, others={"b": "as it was", "c": "as it was"}
    )
    assert str(plan) == "submit-v2 at 1a2b: 2 competitions\n  a     new\n  long  changed\n  as it was: b, c"
    assert plan.markdown().startswith("### submit-v2 at 1a2b: 2 competitions\n\n| competition | why |")
    output, summary = tmp_path / "output", tmp_path / "summary"
    monkeypatch.setenv("GITHUB_OUTPUT", str(output))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    give_jobs("competitions", ["a", 'b"\nc'])
    give_jobs("others", [])
    assert output.read_text() == 'competitions=["a", "b\\"\\nc"]\nothers=[]\n'
    with pytest.raises(ConfigurationError, match="257 competitions: a workflow run has at most 256 jobs"):
        give_jobs("competitions", [str(number) for number in range(257)])
    add_summary(fenced("one\n```\ntwo"))
    add_summary("next")
    assert summary.read_text() == "````\none\n```\ntwo\n````\n\nnext\n\n"


def test_a_package_may_lie_at_the_root_or_anywhere(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    workspace = '[tool.uv.workspace]\nmembers = ["libs/*"]\n'
    commit(
        tmp_path,
        {
            "pyproject.toml": project("root", "in-libs") + workspace,
            "libs/one/pyproject.toml": project("in-libs"),
            "kernels/a/submission.toml": settings_of("."),
            "kernels/b/submission.toml": settings_of("libs/one"),
        },
    )
    files = {
        "src/root/x.py": {"a"},
        "README.md": {"a"},
        "libs/one/x.py": {"a", "b"},
        "kernels/a/predict.py": {"a"},
        "kernels/b/predict.py": {"b"},
        "requirements/b.txt": {"b"},
        ".github/workflows/x.yml": set[str](),
        "build/x": set[str](),
        "data/x.csv": set[str](),
    }
    for path, competitions in files.items():
        found = {name for name, inputs in inputs_of(tmp_path).items() if touched(inputs, [path])}
        assert found == competitions, path
    git(tmp_path, "tag", "submit-v1")
    commit(tmp_path, {"libs/one/x.py": "changed"})
    assert set(plan_tag(tmp_path, "submit-v2").reasons) == {"a", "b"}


def test_a_competition_may_be_submitted_by_its_name_alone(clone: Path) -> None:
    named = settings_of("pa").replace("output =", 'submit = "named"\noutput =')
    commit(clone, {"kernels/a/submission.toml": named})
    plan = plan_tag(clone, "submit-v1")
    assert set(plan.reasons) == {"b", "c"}
    assert plan.others == {"a": "only a tag with its name submits it"}
    assert set(plan_tag(clone, "submit-a-v1").reasons) == {"a"}
    assert "a" in plan_changes(clone, "HEAD^").reasons
