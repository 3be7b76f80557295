"""The examination of a competition: all checks, and their findings."""

from pathlib import Path

from kaggle_offline.artifacts.render import read_notebook
from kaggle_offline.doctor.code_checks import CODE_CHECKS
from kaggle_offline.doctor.data_checks import DATA_CHECKS
from kaggle_offline.doctor.metadata_checks import METADATA_CHECKS
from kaggle_offline.doctor.project_checks import PROJECT_CHECKS
from kaggle_offline.doctor.served_checks import SERVED_CHECKS
from kaggle_offline.doctor.subject import Code, Finding, Subject, finding_of
from kaggle_offline.errors import OfflineError
from kaggle_offline.repository.image_manifest import read_image_manifest
from kaggle_offline.repository.kernel_folder import read_kernel_folder
from kaggle_offline.repository.packages import package_files, source_root


def examine(repository: Path, competition: str) -> list[Finding]:
    """Return all findings of a competition; a file that cannot be read is the only one, and ends the examination.

    Raises:
        UnknownCompetitionError: competition not found.
    """
    try:
        kernel = read_kernel_folder(repository, competition)
        image = read_image_manifest(kernel.image)
        notebook = read_notebook(kernel.code)
    except OfflineError as error:
        if not (repository / "kernels" / competition).is_dir():
            raise
        return [finding_of(repository, error)]
    code = kernel.code.relative_to(repository).as_posix()
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cells.append(Code(where=code, text=cell.source, tags=tuple(cell.metadata.get("tags", ()))))
    root = source_root(kernel.package)
    modules = []
    for path in package_files(kernel.package, repository).values():
        if path.suffix == ".py" and path.is_relative_to(root):
            module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text(encoding="utf-8", errors="replace")
            modules.append(Code(where=path.relative_to(repository).as_posix(), text=text, module=module))
    subject = Subject(kernel=kernel, image=image, cells=tuple(cells), modules=tuple(modules))
    found: list[Finding] = []
    for check in _CHECKS:
        try:
            found += check(subject)
        except OfflineError as error:
            found.append(finding_of(repository, error))
    # The same path may stand in many cells.
    return _without_ignored(subject, list(dict.fromkeys(found)))


def _without_ignored(subject: Subject, found: list[Finding]) -> list[Finding]:
    """Return the findings that ``[doctor.ignore]`` does not name; a name of none is a finding."""
    ignored = subject.kernel.settings.ignored
    kept = list(found)
    for text in ignored:
        rest = [finding for finding in kept if text not in finding.problem]
        if len(rest) == len(kept):
            rest.append(Finding(f"{subject.settings}: doctor.ignore: no finding has {text!r}", "Remove the line."))
        kept = rest
    return kept


# An error that a check raises is its finding.
_CHECKS = (*METADATA_CHECKS, *CODE_CHECKS, *DATA_CHECKS, *SERVED_CHECKS, *PROJECT_CHECKS)
