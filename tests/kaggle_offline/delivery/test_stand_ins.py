"""A rehearsal says which inputs it lacks, and takes folders in their place."""

import json

import pytest
from kaggle_offline.commands.push import push
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import ConfigurationError, RehearsalError
from kaggle_offline.repository.kernel_folder import KernelFolder, read_kernel_folder

from tests.kaggle_offline.conftest import change_metadata

SOURCES = {
    "dataset_sources": ["someone/weights"],
    "kernel_sources": ["someone/training"],
    "model_sources": ["qwen-lm/qwen2.5/PyTorch/7b/3"],
}
PLACES = {
    "someone/weights": "datasets/someone/weights",
    "someone/training": "notebooks/someone/training",
    "qwen-lm/qwen2.5/PyTorch/7b/3": "models/qwen-lm/qwen2.5/pytorch/7b/3",
}
READ = """\

# %%
for place in {places}:
    print("found", (Path("/kaggle/input") / place / "sub" / "x.txt").read_text())
"""


def named(kernel: KernelFolder, inputs: dict[str, str]) -> KernelFolder:
    """The competition with these inputs, and a kernel that prints them."""
    change_metadata(kernel.repository, **SOURCES)
    settings = kernel.folder / "submission.toml"
    lines = [f"{json.dumps(source)} = {json.dumps(folder)}" for source, folder in inputs.items()]
    settings.write_text("\n".join([settings.read_text(), "[rehearsal.inputs]", *lines, ""]))
    code = kernel.folder / "predict.py"
    code.write_text(code.read_text() + READ.format(places=list(PLACES.values())))
    return read_kernel_folder(kernel.repository, "small")


def go(kernel: KernelFolder) -> None:
    with open_target("local", kernel.repository) as target:
        push(kernel, target)


def test_inputs_that_the_local_kaggle_lacks_are_named_at_once(script: KernelFolder) -> None:
    kernel = named(script, {})
    with pytest.raises(RehearsalError) as refusal:
        go(kernel)
    assert refusal.value.problem == (
        "kernel-metadata.json names inputs that the local Kaggle does not have: "
        "dataset someone/weights, kernel someone/training, model qwen-lm/qwen2.5/PyTorch/7b/3"
    )
    assert refusal.value.cure.endswith('[rehearsal.inputs] "someone/weights" = "data/…"')


def test_folders_stand_in_for_datasets_models_and_outputs_of_kernels(
    script: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {}
    for number, source in enumerate(PLACES):
        folder = script.repository / "data" / str(number) / "sub"
        folder.mkdir(parents=True)
        (folder / "x.txt").write_text(source)
        inputs[source] = f"data/{number}"
    kernel = named(script, inputs)
    go(kernel)
    output = capsys.readouterr().out
    for source in PLACES:
        assert f"found {source}" in output

    # Nothing has changed, so nothing runs; a changed file does run it again, and is the user's own still.
    go(kernel)
    assert "found" not in capsys.readouterr().out
    file = script.repository / "data" / "2" / "sub" / "x.txt"
    file.write_text("changed")
    go(kernel)
    assert "found changed" in capsys.readouterr().out

    # Without its line in the settings, a folder stands in no more.
    settings = kernel.folder / "submission.toml"
    settings.write_text(settings.read_text().partition("[rehearsal.inputs]")[0])
    with pytest.raises(RehearsalError, match=f"dataset {next(iter(PLACES))}, kernel .*, model "):
        go(read_kernel_folder(kernel.repository, "small"))


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"someone/weights": "data/nowhere"}, "someone/weights: .*data/nowhere: not a folder"),
        ({"someone/other": "packages"}, "someone/other: not among the sources of kernel-metadata.json"),
    ],
)
def test_an_input_that_cannot_be_is_named(inputs: dict[str, str], problem: str, script: KernelFolder) -> None:
    with pytest.raises(ConfigurationError, match=f"rehearsal.inputs: {problem}"):
        go(named(script, inputs))


def test_an_input_that_was_pushed_is_not_replaced(script: KernelFolder) -> None:
    folder = script.repository / "data"
    folder.mkdir()
    (folder / "x.txt").write_text("x")
    own = {"kernel_sources": ["kaggler/small-kernel"]}
    go(script)
    change_metadata(script.repository, **own)
    settings = script.folder / "submission.toml"
    settings.write_text(f'{settings.read_text()}\n[rehearsal.inputs]\n"kaggler/small-kernel" = "data"\n')
    with pytest.raises(RehearsalError, match="kaggler/small-kernel: pushed to the local Kaggle"):
        go(read_kernel_folder(script.repository, "small"))


def test_two_versions_and_two_kinds_of_one_name_stand_side_by_side(
    script: KernelFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = {"dataset_sources": ["a/foo-bar"], "kernel_sources": ["a/foo-bar"]}
    sources["model_sources"] = ["a/m/PyTorch/7b/1", "a/m/PyTorch/7b/2"]
    places = ["datasets/a/foo-bar", "notebooks/a/foo-bar", "models/a/m/pytorch/7b/1", "models/a/m/pytorch/7b/2"]
    lines = []
    for number, source in enumerate(("a/foo-bar", *sources["model_sources"])):
        folder = script.repository / "data" / str(number) / "sub"
        folder.mkdir(parents=True)
        (folder / "x.txt").write_text(source)
        (folder / "gone").symlink_to(folder / "nowhere")
        lines.append(f'"{source}" = "data/{number}"')
    change_metadata(script.repository, **sources)
    settings = script.folder / "submission.toml"
    settings.write_text("\n".join([settings.read_text(), "[rehearsal.inputs]", *lines, ""]))
    script.code.write_text(script.code.read_text() + READ.format(places=places))
    go(read_kernel_folder(script.repository, "small"))
    output = capsys.readouterr().out
    assert output.count("found a/foo-bar") == 2
    assert "found a/m/PyTorch/7b/1" in output
    assert "found a/m/PyTorch/7b/2" in output


@pytest.mark.parametrize(("key", "source"), [("kernel_sources", "foo"), ("dataset_sources", "../../x")])
def test_a_source_that_names_nothing_is_named(key: str, source: str, script: KernelFolder) -> None:
    change_metadata(script.repository, **{key: [source]})
    with pytest.raises(ConfigurationError, match=f"{key}: '{source}' names none"):
        go(read_kernel_folder(script.repository, "small"))
