#!/usr/local/bin/python -ISB
"""Exit with 0 if the app answers with anything but a server error. A plain socket: http.client imports far more."""

import os
import socket
import sys

with socket.create_connection(("127.0.0.1", int(os.environ.get("PORT") or 8080)), timeout=2) as probe:
    probe.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
    status = int(probe.makefile("rb").readline().split()[1])
    sys.exit(not 200 <= status < 500)
