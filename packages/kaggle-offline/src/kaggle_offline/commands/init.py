"""``init``: begin a competition in any Git repository, with workflows that submit it."""

import argparse
import json
from pathlib import Path

from kaggle_offline.commands import new
from kaggle_offline.environment import command
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.repository.kernel_metadata import slug_of_competition
from kaggle_offline.repository.packages import ROOT, finds_packages, module_of, package_folders
from kaggle_offline.scaffold.repository_files import PLACEHOLDER, ignore, write_workflows


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    if not options.package and not options.code:
        options.package = _only_package(repository)
    # A mistake in the options is found before anything is written.
    names, profile = new.begin(options, repository)
    slug = slug_of_competition(options.competition)
    if ignore(repository, ["/build/", "/.kaggle-local/", f"/data/{slug}/"]):
        print("  .gitignore")
    for path, is_new in write_workflows(repository):
        note = "" if is_new else ": there already, left as it is"
        print(f"  {path}{note}")
        if PLACEHOLDER in (repository / path).read_text(encoding="utf-8"):
            print(f"  {path}: write the repository and the commit of kaggle-offline's release into it")
    if options.package == ROOT and finds_packages(repository):
        print(f"  pyproject.toml: add {_found_alone(repository)}, or setuptools takes kernels/ for a package, too")
    new.finish(names, profile, repository)


def _only_package(repository: Path) -> str:
    """Return the path of the repository's package; empty if it has no package.

    Raises:
        ConfigurationError: there are several.
    """
    paths = [folder.relative_to(repository).as_posix() for folder in package_folders(repository)]
    if len(paths) > 1:
        again = command("init", "COMPETITION --package PATH")
        raise ConfigurationError(f"{repository}: several packages: {', '.join(paths)}", f"Choose one: {again}")
    return paths[0] if paths else ""


def _found_alone(repository: Path) -> str:
    """Return the setting with which setuptools finds the repository's own packages, and no others."""
    module = module_of(repository)
    if (repository / f"{module}.py").is_file():
        return f"[tool.setuptools] py-modules = {json.dumps([module])}"
    key, names = "include", [f"{module}*"]
    if not module:
        key, names = "exclude", ["kernels*", "requirements*", "data*"]
    return f"[tool.setuptools.packages.find] {key} = {json.dumps(names)}"
