"""The server: the API over HTTP on loopback, and everything behind it, for as long as it is open."""

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from kaggle_local.behaviour import Behaviour
from kaggle_local.errors import ServerError
from kaggle_local.http.application import application
from kaggle_local.local_kaggle import LocalKaggle
from kaggle_local.storage import Storage, require_storage


def collect_garbage(root: Path) -> int:
    """Delete a storage's unused files; return the number of bytes that became free.

    Raises:
        StorageError: the folder is in use, or not a storage.
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
        ServerError: the port is not available.
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
