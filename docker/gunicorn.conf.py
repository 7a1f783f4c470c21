"""gunicorn's settings, with their reasons.

GUNICORN_CMD_ARGS overrides them.
"""

import contextlib
import gc
import logging
import os
import socket
import sys
import threading

# Imported before the workers are forked, so they share its memory and start faster.
# Each worker imports the app itself.
import flask  # noqa: F401
import gunicorn

wsgi_app = "hello_app:create_app()"

if gunicorn.version_info < (27, 0, 1):
    sys.exit(f"gunicorn {gunicorn.__version__}: these settings need 27.0.1 or newer")

# Unbuffered Python writes each argument of a print() separately, so lines of several
# threads mix. Buffer whole lines.
for stream in filter(None, (sys.stdout, sys.stderr)):
    stream.reconfigure(line_buffering=True, write_through=False)


class LastingLogger(logging.Logger):
    """A logger that dictConfig and fileConfig leave on: they disable all by default."""

    disabled = property(lambda self: False, lambda self, value: None)


for name in "gunicorn.error", "gunicorn.access":
    logging.getLogger(name).__class__ = LastingLogger

# All interfaces: on gunicorn's default, 127.0.0.1, no published port reaches it.
port = os.environ.get("PORT") or "8080"
if not (port.isdecimal() and 1 <= int(port) <= 65535):
    sys.exit(f"PORT={port!r}: expected a whole number from 1 to 65535")
bind = f"0.0.0.0:{port}"

# Processes: each uses one core. A fixed number, because the CPU count is the host's and
# not the container's quota.
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
if workers < 1:
    sys.exit(f"WEB_CONCURRENCY={workers}: expected a whole number from 1")

# Requests that a worker runs at once, including streams; more requests wait. With a
# slow database, 16 threads serve twice as many requests as 8.
threads = 16

# The heartbeat is in memory: a slow write on a disk gets a healthy worker killed. AWS
# Lambda has no /dev/shm.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# The control socket needs a writable home directory, and logs an error in a container
# that has none.
control_socket_disable = True

# Longer than a load balancer keeps an idle connection (Heroku's 90 s), otherwise it
# sends a request to a closed connection: 502. deploy/nginx.conf has the same.
keepalive = 95

# `docker stop` kills after 10 s.
graceful_timeout = 8

# gunicorn has no access log by default.
accesslog = "-"


def pre_fork(server, worker):
    """Keep loaded objects out of garbage collection, so the workers share them."""
    gc.freeze()


def post_request(worker, req, environ, resp):
    """Read what the app left of an upload, at most 64 MB, for at most 5 s.

    If gunicorn closes a connection before that, the client loses the answer.
    """
    if not {"CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING"} & environ.keys():
        return
    # A limit of the socket would begin again with each byte.
    timer = threading.Timer(5, stop_reading, [environ["gunicorn.socket"]])
    timer.start()
    with contextlib.suppress(Exception):  # the client has gone
        for _ in range(1024):
            if not req.body.read(65536):
                break
    timer.cancel()


def stop_reading(connection):
    with contextlib.suppress(OSError):  # the client has gone
        connection.shutdown(socket.SHUT_RD)
