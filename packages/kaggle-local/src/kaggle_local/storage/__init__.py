"""The storage of the local Kaggle: records in SQLite, files in folders beside it.

::

    kaggle.db, secret                the records, and the key that signs links to downloads
    uploads/<token>                  uploaded files
    blobs/<first two>/<sha256>       every content once; all below are links to it
    datasets/<owner>/<slug>/<version>/
    models/<owner>/<model>/<framework>/<variation>/<version>/
    kernels/<owner>/<slug>/<version>/       output/, log.json, limits.json and the executed notebook
    submissions/<ref>/               the file handed in, log.json of the rerun on the hidden test set
    bundles/                         archives made for downloads
    images/, image.json              environments (see image.py), and which one new versions of kernels run in
    drafts/                          files that are being written
    lock                             held by the one process that may use it
"""

import fcntl
import hmac
import secrets
from pathlib import Path
from typing import TextIO

from kaggle_local.errors import StorageError
from kaggle_local.runs.image import image_folder
from kaggle_local.storage.bundles import Bundles
from kaggle_local.storage.database import Database
from kaggle_local.storage.files import Files, remove_tree, size_of
from kaggle_local.storage.images import Images
from kaggle_local.storage.kernels import Input, Kernels, KernelVersion
from kaggle_local.storage.resources import Content, Kind, Resource, Resources, Version
from kaggle_local.storage.submissions import FileSource, KernelSource, Submission, Submissions
from kaggle_local.storage.uploads import Upload, Uploads

__all__ = [
    "Content",
    "FileSource",
    "Input",
    "KernelSource",
    "KernelVersion",
    "Kind",
    "Resource",
    "Storage",
    "Submission",
    "Upload",
    "Version",
    "remove_tree",
    "require_storage",
    "reset",
]


# The content of the lock's file, so that no other folder is taken for a storage.
_MARK = "The storage of a local Kaggle.\n"

# Names that may lie in a folder before it becomes a storage, and that a reset leaves.
_IMAGES = ("images", "image.json")


class Storage:
    """Everything below one folder, for one process at a time.

    Raises:
        StorageError: another process uses the folder, or it is damaged, or of another version.
        OSError: the disk is full.
    """

    def __init__(self, root: Path) -> None:
        # Runs work in folders of their own.
        root = root.absolute()
        self.root = root
        self._lock_file = _lock(root)
        try:
            database = Database(root / "kaggle.db")
        except (StorageError, OSError):
            self._lock_file.close()
            raise
        self._database = database
        self.files = Files(root)
        self.bundles = Bundles(self.files)
        self.uploads = Uploads(database, root / "uploads")
        self.resources = Resources(database, self.files)
        self.images = Images(root)
        self.kernels = Kernels(database, self.files, self.images)
        self.submissions = Submissions(database, root / "submissions")
        self._secret = _secret(root / "secret")

    def signature(self, path: str) -> str:
        """Return the signature that makes a path of the storage one that may be downloaded; nobody else can know it."""
        return hmac.new(self._secret, path.encode(errors="surrogatepass"), "sha256").hexdigest()[:32]

    def close(self) -> None:
        """Release the folder."""
        self._database.close()
        self._lock_file.close()

    def collect_garbage(self) -> int:
        """Delete unused files; return the number of bytes that became free.

        These are archives made for downloads, forgotten uploads, deleted resources, and images that neither are in
        use nor were when the latest version of a kernel was pushed.
        """
        waiting: set[str] = set()
        for version in self.resources.unprocessed():
            waiting.update(token for _, token in version.content)
        for submission in self.submissions.pending():
            if isinstance(submission.source, FileSource):
                waiting.add(submission.source.token)
        freed = self.bundles.drop() + self.uploads.drop_old(waiting)
        self.resources.drop_orphans()
        self.kernels.drop_orphans()
        images = self.images.folder
        specs = [self.images.in_use(), *(version.image for version in self.kernels.all())]
        needed = {image_folder(spec, images) for spec in specs}
        # Images that other storages share stay.
        folders = [] if images.is_symlink() else list(images.iterdir())
        for folder in folders:
            if folder not in needed:
                freed += size_of(folder)
                remove_tree(folder)
        return freed + self.files.drop_unused_blobs()


def reset(root: Path, *, images: bool) -> None:
    """Empty a storage; the images, which take minutes to build, only if told so.

    Raises:
        StorageError: the folder is in use, or not a storage.
    """
    require_storage(root)
    lock = _lock(root)
    try:
        for path in root.iterdir():
            if path.name == "lock" or (path.name in _IMAGES and not images):
                continue
            if path.is_dir() and not path.is_symlink():
                remove_tree(path)
            else:
                path.unlink()
    finally:
        lock.close()


def require_storage(root: Path) -> None:
    """Check that a folder is a storage.

    Raises:
        StorageError: it is not.
    """
    if not _is_storage(root):
        raise StorageError(f"{root}: not the storage of a local Kaggle", "Name one with --storage.")


def _is_storage(root: Path) -> bool:
    lock = root / "lock"
    return (root / "kaggle.db").is_file() or (lock.is_file() and lock.read_text(errors="replace") == _MARK)


def _secret(path: Path) -> bytes:
    """Return a storage's own secret, for good: a download may be resumed after a restart."""
    if not path.exists():
        draft = path.with_suffix(".draft")
        draft.touch(0o600)
        draft.write_bytes(secrets.token_bytes(32))
        draft.replace(path)
    return path.read_bytes()


def _lock(root: Path) -> TextIO:
    """Return the storage's lock, held by this process until it is closed; makes a storage of an empty folder.

    Raises:
        StorageError: another process has it, or the folder holds other files or cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not _is_storage(root) and any(path.name not in _IMAGES for path in root.iterdir()):
            raise StorageError(f"{root}: holds other files than a local Kaggle's", "Choose an empty folder.")
        lock_file = (root / "lock").open("a+")
    except OSError as error:
        raise StorageError(f"{root}: {error.strerror}", "Choose a folder that can be written to.") from error
    try:
        fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock_file.close()
        raise StorageError(
            f"{root}: in use by another local Kaggle",
            "Stop `kaggle-local serve`, or wait for the other command to end; then try again.",
        ) from None
    lock_file.truncate(0)
    lock_file.write(_MARK)
    lock_file.flush()
    for name in ("images", "submissions"):
        (root / name).mkdir(exist_ok=True)
    return lock_file
