"""gunicorn's settings, each with the failure that it prevents, and the command that starts it.

`python -m MODULE`, with this module's name, is gunicorn with these settings, and takes gunicorn's options too.
It reads four environment variables:

PORT                 the TCP port to listen on, 1 to 65535; 8080 when not set or empty
WEB_CONCURRENCY      the number of worker processes, 1 to 1000; 2 when not set or empty
FORWARDED_ALLOW_IPS  the proxies whose X-Forwarded headers count: addresses or networks, by comma, or *
GUNICORN_CMD_ARGS    more of gunicorn's options; they override this module

A bad value ends the start with status 1 and one line on stderr that names the variable.
"""

import gc
import os
import re
import signal
import sys


def number(variable, default, highest):
    """Return the whole number in an environment variable, or `default` when it is not set or empty.

    Raises SystemExit, naming the variable, unless it is written in digits and is 1 to `highest`.
    """
    value = os.environ.get(variable) or str(default)
    if not re.fullmatch("[0-9]{1,9}", value) or not 1 <= int(value) <= highest:
        sys.exit(f"{variable}={value!r}: expected a whole number from 1 to {highest}")
    return int(value)


wsgi_app = "hello_app:create_app()"

# All interfaces: on gunicorn's default, 127.0.0.1, no published port would reach it.
bind = f"0.0.0.0:{number('PORT', default=8080, highest=65535)}"

# A fixed count: what the CPU count says is the host's, not the container's quota, and
# starts 129 workers on a 64-core host.
workers = number("WEB_CONCURRENCY", default=2, highest=1000)

# gunicorn's asgi worker, for a WSGI app: a few silent clients stop the workers that gunicorn has for one.
worker_class = f"{__package__}.worker.Worker"
asgi_lifespan = "off"

# How many requests a worker runs at once. It may hold far more connections.
threads = 8

# A socket for each worker: on a shared one, a worker that wakes first can take all the connections.
reuse_port = True


def pre_fork(server, worker):
    """Keep in common what is imported by now: a garbage collection would give each worker its own copy."""
    gc.freeze()


# The heartbeat in memory: on a disk its writes can stall, and a healthy worker is killed
# for WORKER TIMEOUT. Where there is no /dev/shm, gunicorn chooses.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None

# No control socket: it needs a writable home, and logs an error where there is none.
control_socket_disable = True

# Requests in flight end before `docker stop`, at ten seconds, kills them.
graceful_timeout = 8

# A worker is forked with the master's handlers, which would lose a SIGTERM that comes before it has
# its own: it would serve on, and hold up the stop, until graceful_timeout.
os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))

# To stdout: gunicorn has no access log by default. Errors go to stderr.
accesslog = "-"


def check_gunicorns_variables():
    """Raise SystemExit, naming the variable, for a value of gunicorn's own two that gunicorn would reject."""
    from gunicorn.config import Config

    def fail(message):
        raise ValueError(message)

    variable, expected = "FORWARDED_ALLOW_IPS", "IP addresses or networks, separated by commas, or *"
    try:
        config = Config()
        variable, expected = "GUNICORN_CMD_ARGS", "options of gunicorn"
        parser = config.parser()
        parser.error = fail
        for name, value in vars(parser.parse_args(config.get_cmd_args_from_env())).items():
            if name != "args" and value is not None:
                config.set(name, value)
    except Exception as error:
        sys.exit(f"{variable}={os.environ.get(variable)!r}: {error}; expected {expected}")


if __name__ == "__main__":
    # gunicorn reads it while it is imported, before any settings, and an empty one is a traceback.
    os.environ["WEB_CONCURRENCY"] = str(workers)
    check_gunicorns_variables()
    from gunicorn.app.wsgiapp import run

    sys.argv.insert(1, f"--config=python:{__spec__.name}")
    run()
