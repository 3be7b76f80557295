"""``data``: download a competition's data, and sketch them for its kernel."""

import argparse
from pathlib import Path

from kaggle_offline.competition.data import fetch_data
from kaggle_offline.competition.sketch import SKETCH, make_sketch
from kaggle_offline.competition.sources import missing_files, rehearsal_data
from kaggle_offline.delivery.preflight import entered_competition
from kaggle_offline.delivery.target import open_target
from kaggle_offline.errors import ConfigurationError
from kaggle_offline.files import write_json
from kaggle_offline.repository.kernel_folder import KernelFolder, list_competitions, read_kernel_folder
from kaggle_offline.repository.kernel_metadata import slug_of_competition


def run(options: argparse.Namespace, repository: Path) -> None:
    """Run the subcommand."""
    kernel = _kernel_of(repository, slug_of_competition(options.competition))
    slug = kernel.on_kaggle if kernel else slug_of_competition(options.competition)
    with open_target(options.target, repository) as target:
        entered_competition(target.client, slug)
        fetch_data(target.client, slug, repository / "data" / slug, only=options.only, images=options.images)
    if kernel:
        _write_sketch(kernel)


def _kernel_of(repository: Path, name: str) -> KernelFolder | None:
    """Return the kernel folder of a competition, by its own name or by the competition's slug."""
    for competition in list_competitions(repository):
        try:
            kernel = read_kernel_folder(repository, competition)
        except ConfigurationError:
            # Another competition may be broken.
            if competition == name:
                raise
            continue
        if name in (competition, kernel.on_kaggle):
            return kernel
    return None


def _write_sketch(kernel: KernelFolder) -> None:
    """Write the sketch of the data beside the kernel, if its rehearsal holds them out."""
    rehearsal = kernel.settings.rehearsal
    if isinstance(rehearsal, str):
        return
    path = kernel.folder / SKETCH
    missing = missing_files(kernel, rehearsal)
    if missing:
        print(f"  {path.name}: not written, since {', '.join(missing)} is not there")
        return
    write_json(path, make_sketch(rehearsal_data(kernel, rehearsal, kernel.data)))
    print(f"  {path.relative_to(kernel.repository)}: a sketch without a row of the data; commit it")
