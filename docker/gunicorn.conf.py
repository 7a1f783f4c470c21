"""gunicorn's settings, each with the failure that it prevents. GUNICORN_CMD_ARGS overrides them."""

import gc
import os
import sys

# Imported before the workers are forked: they share 13 of 58 MB, and on a fifth of a CPU start in 0.7 of the time.
# Each worker imports the app itself.
import flask  # noqa: F401
import gunicorn

wsgi_app = "hello_app:create_app()"

if gunicorn.version_info < (27, 0, 1):
    sys.exit(f"gunicorn {gunicorn.__version__} is installed: these settings need 27.0.1 or newer")

# Lines of many threads stay whole: where Python is unbuffered, each piece of a print is a write of its own.
for stream in filter(None, (sys.stdout, sys.stderr)):
    stream.reconfigure(line_buffering=True, write_through=False)

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

# The heartbeat is in memory: a slow write on a disk gets a healthy worker killed. AWS Lambda has no /dev/shm.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

# The control socket needs a writable home directory, and logs an error in a container that has none.
control_socket_disable = True

# Longer than a load balancer keeps an idle connection (Heroku's 90 s), or its next request meets a closed one: 502.
keepalive = 95

# Requests in flight end before `docker stop` kills, after 10 s.
graceful_timeout = 8

# gunicorn has no access log by default.
accesslog = "-"


def pre_fork(server, worker):
    """Freeze what is loaded, so that the workers share it: a garbage collection would copy 5 MB of pages into each."""
    gc.freeze()
