"""docker/probe.py calls an app alive when it answers, whatever it answers but a server error."""

import os
import socket
import subprocess
import sys
import threading

import pytest
from project import ROOT


@pytest.mark.parametrize(
    ("answer", "alive"),
    [
        (b"HTTP/1.0 204 No Content\r\n\r\n", True),
        (b"HTTP/1.0 404 Not Found\r\n\r\n", True),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\n", False),
        (b"", False),
        (None, False),
    ],
)
def test_probe(answer, alive):
    """None never answers; the others are sent, and the connection is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection = listener.accept()[0]
            assert connection.recv(1000).startswith(b"GET /healthz HTTP/1.0\r\n")
            connection.sendall(answer or b"")
            if answer is None:
                connection.recv(1)  # until the probe gives up
            connection.close()

        server = threading.Thread(target=serve)
        server.start()
        environment = os.environ | {"PORT": str(listener.getsockname()[1])}
        done = subprocess.run([sys.executable, ROOT / "docker/probe.py"], env=environment, capture_output=True)
        server.join()
    assert (done.returncode == 0) is alive
