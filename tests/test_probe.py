"""docker/probe.py calls an app alive when it answers, whatever it answers but a server error."""

import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from project import ROOT


@pytest.mark.parametrize(("status", "alive"), [(204, True), (404, True), (500, False), (None, False)])
def test_probe(status, alive):
    """None: the server never answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status if self.path == "/healthz" else 500)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        if status:
            Thread(target=server.handle_request).start()
        environment = os.environ | {"PORT": str(server.server_port)}
        done = subprocess.run([sys.executable, ROOT / "docker/probe.py"], env=environment, capture_output=True)
    assert (done.returncode == 0) is alive
