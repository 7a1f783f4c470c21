"""gunicorn's settings, each with the failure that it prevents. GUNICORN_CMD_ARGS overrides them."""

import gc
import os
import sys

# Imported before the workers are forked: they share its memory, and start sooner. The app is imported by each worker.
import flask  # noqa: F401

wsgi_app = "hello_app:create_app()"

# All interfaces: on gunicorn's default, 127.0.0.1, no published port reaches it.
port = os.environ.get("PORT") or "8080"
if not (port.isdecimal() and 1 <= int(port) <= 65535):
    sys.exit(f"PORT={port!r}: expected a whole number from 1 to 65535")
bind = f"0.0.0.0:{port}"

# Processes: each uses one core. A fixed number, because the CPU count is the host's and not the container's quota.
workers = int(os.environ.get("WEB_CONCURRENCY", 2))
if workers < 1:
    sys.exit(f"WEB_CONCURRENCY={workers}: expected a whole number from 1")

# Requests that a worker runs at once, streams included; the next ones wait. 16 answer twice as many requests a second
# as 8 where each waits for a database, for 1 MB more.
threads = 16

# In memory: on a disk, a slow write of the heartbeat gets a healthy worker killed.
worker_tmp_dir = "/dev/shm"

# It needs a writable home directory, and logs an error where a container runs as any user, or read-only.
control_socket_disable = True

# Longer than a load balancer keeps an idle connection (60 s), which otherwise sends a request into a closed one: 502.
keepalive = 75

# Requests in flight end before `docker stop` kills, after 10 s.
graceful_timeout = 8

# gunicorn has no access log by default.
accesslog = "-"


def pre_fork(server, worker):
    """Leave what is loaded by now to be shared: a garbage collection would copy its pages into each worker."""
    gc.freeze()
