"""The server: the API over HTTP on loopback, and everything behind it, for as long as it is open."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from kaggle_local.behaviour import Behaviour
from kaggle_local.competition import Competition, load_competition
from kaggle_local.errors import ServerError
from kaggle_local.faults import Faults
from kaggle_local.http.application import application
from kaggle_local.image import Image, ImageSpec, build_image, image_folder, is_whole
from kaggle_local.sandbox import find_bwrap
from kaggle_local.scoring import metric_of
from kaggle_local.services.security import token_of
from kaggle_local.storage import Storage, require_storage
from kaggle_local.worker import Worker

USERNAME = "kaggler"


class LocalKaggle:
    """A Kaggle that is open: where it is, and what its host may do beyond the API.

    Attributes:
        url: its address, such as ``http://127.0.0.1:41234``.
        token: a token that the official client can use.
        tokens: tokens that are known beside ``local-<username>``, and whose they are.
        faults: what is to go wrong.
    """

    def __init__(self, root: Path, behaviour: Behaviour, tokens: Mapping[str, str]) -> None:
        self.storage = Storage(root)
        self.behaviour = behaviour
        self.tokens = tokens
        self.token = token_of(USERNAME)
        self.url = ""
        self.faults = Faults()
        self.worker = Worker(self.storage, behaviour, self.faults)

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables that point the official command line and kagglehub here, in a process of their own."""
        proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy"), self.url)
        return {
            "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
            "KAGGLE_API_TOKEN": self.token,
            **proxy,
            "NO_PROXY": "",
            "no_proxy": "",
        }

    def host(self, folder: Path) -> Competition:
        """Host a competition folder under its slug.

        Raises:
            CompetitionError: the folder is not one, or its metric is not known.
        """
        competition = load_competition(folder)
        metric_of(competition)
        self.storage.submissions.host(competition.slug, competition.folder)
        return competition

    def has_image(self, spec: ImageSpec) -> bool:
        """Whether the image has been built."""
        return is_whole(image_folder(spec, self.storage.images.folder))

    def set_image(self, spec: ImageSpec) -> Image:
        """Build the image that versions of kernels run in which are pushed from now on, also after a restart.

        A version that is there keeps its own, in which it is rerun, too.

        Raises:
            ImageError: it cannot be built.
            SandboxError: this machine cannot isolate kernels.
        """
        find_bwrap()
        image = build_image(spec, self.storage.images.folder)
        self.storage.images.use(spec)
        return image

    @property
    def image_is_set(self) -> bool:
        """Whether an image was ever set."""
        return self.storage.images.is_set

    def close(self) -> None:
        """Stop all work and release the storage."""
        self.worker.close()
        self.storage.close()


def collect_garbage(root: Path) -> int:
    """Drop what a storage does not need; return the bytes that are free now.

    Raises:
        StorageError: the storage is in use, or is none.
    """
    require_storage(root)
    storage = Storage(root)
    try:
        return storage.collect_garbage()
    finally:
        storage.close()


@contextmanager
def serve(
    root: Path, *, port: int = 0, behaviour: Behaviour | None = None, tokens: Mapping[str, str] | None = None
) -> Iterator[LocalKaggle]:
    """Open the local Kaggle whose storage is ``root``, until the block ends.

    Args:
        root: the storage, created if need be.
        port: on 127.0.0.1; 0 takes a free one.
        behaviour: how it behaves; by default like Kaggle, without the waiting.
        tokens: whose a token is, for tokens beside ``local-<username>``.

    Raises:
        StorageError: another process uses the storage.
        ServerError: the port is not to be had.
    """
    kaggle = LocalKaggle(root, behaviour or Behaviour(), tokens or {})
    try:
        with _listen(port) as listener:
            kaggle.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            config = uvicorn.Config(
                application(kaggle), log_level="error", lifespan="off", access_log=False, timeout_graceful_shutdown=1
            )
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],), name="kaggle-local", daemon=True)
            thread.start()
            while not server.started and thread.is_alive():
                time.sleep(0.005)
            try:
                yield kaggle
            finally:
                server.should_exit = True
                thread.join()
    finally:
        kaggle.close()


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        raise ServerError(f"port {port}: {error}", "Choose another.") from error
