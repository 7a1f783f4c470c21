"""docker/probe.py calls an app alive when it answers, whatever it answers but a server error."""

import contextlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest
from servers import ROOT


def probe(port):
    """Return whether the probe finds the server on `port` alive."""
    command = [sys.executable, ROOT / "docker/probe.py"]
    return (
        subprocess.run(command, env=os.environ | {"PORT": str(port)}, capture_output=True, timeout=10).returncode == 0
    )


@pytest.mark.parametrize(
    ("status", "alive"), [(200, True), (204, True), (302, True), (400, True), (404, True), (500, False), (503, False)]
)
def test_status(status, alive):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/healthz" else 500)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        assert probe(server.server_port) is alive


def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not probe(port)


@pytest.mark.parametrize("answer", [None, b"", b"garbage\r\n"])
def test_no_answer(answer):
    """None never answers; the others are sent, and the connection is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as stack:

        def serve():
            connection = stack.enter_context(listener.accept()[0])
            if answer is not None:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve).start()
        assert not probe(listener.getsockname()[1])
