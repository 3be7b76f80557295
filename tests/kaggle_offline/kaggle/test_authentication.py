"""A request ends, however its answer drips."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from kaggle_offline.kaggle.authentication import TimedAdapter

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"


@contextlib.contextmanager
def dripping(head: bytes, drop: bytes) -> Iterator[str]:
    """A server that answers at once with ``head``, then with a ``drop`` every 50 ms for ever."""
    over = threading.Event()

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)
                while not over.wait(0.05):
                    connection.sendall(drop)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    ("head", "drop"), [(HEAD, b"x"), (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), (b"HTTP/1.1 200 OK\r\nX: ", b"y")]
)
@pytest.mark.parametrize("timeout", [None, 0.5])
def test_a_dripping_answer_ends(head: bytes, drop: bytes, timeout: float | None) -> None:
    with requests.Session() as session, dripping(head, drop) as url:
        session.mount("http://", TimedAdapter(0.5))
        with pytest.raises(requests.RequestException):
            session.get(url, timeout=timeout)


def test_a_whole_answer_is_as_ever() -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"
    with requests.Session() as session, dripping(answer, b"") as url:
        session.mount("http://", TimedAdapter(5))
        response = session.get(url)
        assert (response.status_code, response.text) == (404, "gone")


def test_a_refused_connection_is_said_as_ever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with requests.Session() as session:
        session.mount("http://", TimedAdapter(5))
        with pytest.raises(requests.ConnectionError):
            session.get(f"http://127.0.0.1:{port}")
