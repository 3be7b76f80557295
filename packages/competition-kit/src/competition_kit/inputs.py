"""Where a kernel's inputs are mounted."""

from pathlib import Path

_ROOT = Path("/kaggle/input")

# Kaggle mounts in one of two ways, and a kernel cannot tell beforehand in which.
_PLACES = ("{}", "datasets/*/{}", "competitions/{}", "notebooks/*/{}", "models/*/{}")


def find_input(slug: str, root: Path = _ROOT) -> Path:
    """Return the folder of one of the kernel's inputs, under either of Kaggle's mount layouts.

    That is a competition, a dataset, another kernel's output, or a model (framework, variation and version are
    folders in it). If `push` publishes checkpoints as a model, their slug stands for the folder of the version.

    Args:
        slug: the last part of what its page's address has.
        root: where inputs are mounted.

    Raises:
        FileNotFoundError: no input has that name; the message lists the names.
    """
    for place in _PLACES:
        for path in sorted(root.glob(place.format("*"))):
            # Kaggle mounts some competitions with capitals that their addresses do not need.
            if path.name.casefold() == slug.casefold() and path.is_dir():
                # A kernel pins the version, so there is one.
                return next(path.glob("other/checkpoints/*"), path)
    names: set[str] = set()
    for place in _PLACES:
        names.update(path.name for path in root.glob(place.format("*")))
    raise FileNotFoundError(f"{slug} is not among this kernel's inputs: {', '.join(sorted(names)) or 'none'}")
