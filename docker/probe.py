#!/usr/local/bin/python -ISB
"""Exit with 0 if the app answers with anything but a server error.

A plain socket: http.client imports far more.
"""

import os
import socket
import sys

address = "127.0.0.1", int(os.environ.get("PORT") or 8080)
path = os.environ.get("SCRIPT_NAME", "") + "/healthz"
with socket.create_connection(address, timeout=2) as connection:
    connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    status = int(connection.makefile("rb").readline().split()[1])
    sys.exit(not 200 <= status < 500)
