"""Servers to test: a command on this machine, a container, or compose.yaml."""

import contextlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from images import inspect
from shell import ROOT, RUN, run


class Server(contextlib.AbstractContextManager):
    """What listens on `port` of this machine."""

    path = "/"  # make test-image names another one, for an app that has no such page

    def __init__(self, port):
        self.port = port

    def __exit__(self, *_):
        self.remove()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ended(self):
        return False

    def request(self, path=None, method="GET", body=None, headers=None):
        """Return the status, headers and body of an answer.

        Raise OSError or HTTPException when there is no whole one.
        """
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path or self.path, body, headers or {})
            with connection.getresponse() as answer:
                return answer.status, answer.headers, answer.read()

    def answers(self):
        """Return whether it answers, and not a proxy that does not reach the app."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request()[0] not in (502, 504)

    def wait(self, condition, event, seconds=30):
        """Return the first true value of `condition()`.

        Fail if the server ends before, or at the limit.
        """
        deadline, pause, ended = time.monotonic() + seconds, 0.02, False
        while not (value := condition()):
            if ended or time.monotonic() > deadline:
                reason = "it ended" if ended else f"{seconds} s went by"
                message = f"{reason} before {event}; the log:\n{self.log()}"
                pytest.fail(message, pytrace=False)
            time.sleep(pause)
            pause = min(0.5, pause * 1.2)  # a look at a container costs a process
            ended = self.ended()  # before the last look at the condition
        return value

    def wait_for_answer(self):
        self.wait(self.answers, "an answer", 120)
        return self


class Process(Server):
    """A command in a folder; what it starts ends with it."""

    def __init__(self, command, folder, port, **variables):
        super().__init__(port)
        self.output = tempfile.NamedTemporaryFile()
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | variables,
            stdout=self.output,
            stderr=self.output,
            start_new_session=True,
        )

    def log(self):
        return Path(self.output.name).read_text()

    def ended(self):
        return self.process.poll() is not None

    def remove(self):
        # Not SIGINT: what starts in the background of a shell ignores it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)
        self.output.close()


class Container(Server):
    """A container of `image`, with options of `docker run` and a command.

    `port` of it, or the first that the image exposes, or 8080, is published.
    """

    def __init__(self, image, *command, options=(), port=None):
        super().__init__(free_port())
        exposed = inspect(image)["Config"].get("ExposedPorts") or ["8080/tcp"]
        publish = f"--publish=127.0.0.1:{self.port}:{port or min(exposed)}"
        started = run("docker", "run", "--detach", publish, *options, image, *command)
        self.id = started.strip()

    def inspect(self, template):
        return run("docker", "inspect", "--format", template, self.id).strip()

    def log(self):
        command = ["docker", "logs", self.id]
        done = subprocess.run(command, capture_output=True, text=True)
        return done.stdout + done.stderr

    def ended(self):
        return self.inspect("{{.State.Status}}") in ("exited", "dead")

    def wait_for_health(self):
        # An image may have no HEALTHCHECK.
        template = "{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}"
        self.wait(lambda: self.inspect(template) == "healthy", "it was healthy", 60)

    def docker(self, command, *arguments):
        """Return what a docker command prints of the container."""
        return run("docker", command, self.id, *arguments)

    def python(self, code):
        """Return what `code` prints when the container's own user runs it."""
        return self.docker("exec", "python", "-c", code)

    def processes(self):
        """Return the command lines of its processes, PID 1 first.

        They are read from outside, because the image may have no `ps`.
        """
        table = self.docker("top", "-o", "pid,args").splitlines()[1:]
        commands = dict(line.split(None, 1) for line in table)
        first = self.inspect("{{.State.Pid}}")
        return [commands.pop(first), *commands.values()]

    def remove(self):
        run("docker", "rm", "--force", "--volumes", self.id)


class Compose(Server):
    """compose.yaml with tests/compose.yaml, on a port and in a project of its own."""

    def __init__(self):
        super().__init__(free_port())
        self.environment = os.environ | {
            "COMPOSE_FILE": "compose.yaml:tests/compose.yaml",
            "COMPOSE_PROJECT_NAME": RUN,
            "PORT": str(self.port),
        }

    def run(self, *command):
        return run(*command, cwd=ROOT, env=self.environment)

    def compose(self, *command):
        return self.run("docker", "compose", *command)

    def replicas(self):
        return set(self.compose("ps", "--quiet", "app").split())

    def log(self):
        """Return its log without the answers that are as they should be."""
        lines = self.compose("logs", "--no-color").splitlines()
        return "\n".join(line for line in lines if not re.search('" (200|405) ', line))

    def remove(self):
        self.compose("down", "--timeout=2", "--rmi=local", "--volumes")


@contextlib.contextmanager
def load(host, path="/", number=16, python=(sys.executable,)):
    """Run clients.py by the command `python`.

    Yield a dict that has, at the end, how often each answer came.
    """
    code = (ROOT / "tests/clients.py").read_text()
    command, answers = [*python, "-c", code, host, path, str(number)], {}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        process.stdout.readline()  # otherwise the event could be over before
        yield answers
        answers |= json.loads(process.communicate()[0])


def free_port():
    """Return a port that nothing listens on, and that no client of another test has."""
    for port in random.sample(range(20000, 30000), 100):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port
    raise OSError("no free port")
