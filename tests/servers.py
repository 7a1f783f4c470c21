"""Servers to test: a command on this machine, an image in a container, or compose.yaml."""

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
import time

import pytest
from project import ROOT, RUN, run


class Server(contextlib.AbstractContextManager):
    """What listens on `port` of this machine."""

    slowest = 0  # seconds that the slowest start took: where the machine is busy, everything is waited for longer

    def __init__(self, port):
        self.port = port

    def __exit__(self, *_):
        self.remove()

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ended(self):
        return False

    def request(self, path="/", method="GET", body=None, headers=None):
        """Return an answer's status, headers and body; raise OSError or HTTPException when there is no whole one."""
        with contextlib.closing(self.connect()) as connection:
            connection.request(method, path, body, headers or {})
            with connection.getresponse() as answer:
                return answer.status, answer.headers, answer.read()

    def answers(self):
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.request()[0] < 500

    def wait(self, condition, what, seconds=20):
        """Return the first true value of `condition()`; fail with the log after so many seconds, or slowest starts."""
        seconds *= max(1, Server.slowest)
        deadline, pause = time.monotonic() + seconds, 0.02
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(
                    f"waited {seconds:.0f} s for {what}; the log:\n{self.log()}",
                    pytrace=False,
                )
            time.sleep(pause)
            pause = min(
                0.5, pause * 1.2
            )  # each look at a container is a process, and many wait at once
        return value

    def wait_for_answer(self):
        began = time.monotonic()
        self.wait(lambda: self.answers() or self.ended(), "an answer", 60)
        if self.ended():
            pytest.fail(
                f"ended instead of answering; the log:\n{self.log()}", pytrace=False
            )
        Server.slowest = max(Server.slowest, min(6, time.monotonic() - began))
        return self


class Process(Server):
    """A command in a folder, with its output in a file; what it started ends with it."""

    def __init__(self, command, folder, file, port, **variables):
        super().__init__(port)
        self.file = file
        with file.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | variables,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self):
        return self.file.read_text()

    def ended(self):
        return self.process.poll() is not None

    def remove(self):
        # Not SIGINT: what starts in the background of a shell ignores it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(60)


class Container(Server):
    """A container of `image`, run with options of `docker run` and a command, and `port` of it published."""

    def __init__(self, image, *command, options=(), port=None):
        super().__init__(free_port())
        publish = f"--publish=127.0.0.1:{self.port}:{port or exposed(image)}"
        self.id = run(
            "docker", "run", "--detach", publish, *options, image, *command
        ).strip()

    def inspect(self, template):
        return run("docker", "inspect", "--format", template, self.id).strip()

    def log(self):
        done = subprocess.run(
            ["docker", "logs", self.id], capture_output=True, text=True
        )
        return done.stdout + done.stderr

    def ended(self):
        return self.inspect("{{.State.Status}}") in ("exited", "dead")

    def wait_for_health(self):
        template = "{{with .State.Health}}{{.Status}}{{else}}healthy{{end}}"  # an image may have no HEALTHCHECK
        self.wait(
            lambda: self.inspect(template) == "healthy", "the container to be healthy"
        )

    def docker(self, command, *arguments):
        """Return what a docker command prints of the container."""
        return run("docker", command, self.id, *arguments)

    def python(self, code):
        """Return what `code` prints when the container's own user runs it."""
        return self.docker("exec", "python", "-c", code)

    def processes(self):
        """Return the command lines of its processes, PID 1 first, read from outside: it may have no `ps`."""
        rows = [
            line.split(None, 1)
            for line in self.docker("top", "-o", "pid,args").splitlines()[1:]
        ]
        first = self.inspect("{{.State.Pid}}")
        return [
            arguments
            for pid, arguments in sorted(rows, key=lambda row: row[0] != first)
        ]

    def remove(self):
        run("docker", "rm", "--force", "--volumes", self.id)


class Compose(Server):
    """compose.yaml with tests/compose.yaml, on a port and in a project of its own."""

    def __init__(self):
        super().__init__(free_port())
        files = {
            "COMPOSE_FILE": "compose.yaml:tests/compose.yaml",
            "COMPOSE_PROJECT_NAME": RUN,
        }
        self.environment = os.environ | files | {"PORT": str(self.port)}

    def run(self, *command):
        return run(*command, cwd=ROOT, env=self.environment)

    def compose(self, *command):
        return self.run("docker", "compose", *command)

    def replicas(self):
        return set(self.compose("ps", "--quiet", "app").split())

    def log(self):
        """Return its errors, and no answer that is as it should be."""
        lines = self.compose("logs", "--no-color").splitlines()
        return "\n".join(
            line for line in lines if '" 200 ' not in line and '" 405 ' not in line
        )

    def remove(self):
        self.compose("down", "--timeout=2", "--rmi=local", "--volumes")


def exposed(image):
    """Return the first port that an image exposes, or 8080."""
    ports = run(
        "docker", "image", "inspect", "--format={{json .Config.ExposedPorts}}", image
    )
    return (re.findall(r"\d+", ports) or ["8080"])[0]


@contextlib.contextmanager
def load(host, path="/", number=16, python=(sys.executable,)):
    """Run clients.py by the command `python`; yield a dict that has, at the end, how often each answer came."""
    answers, command = (
        {},
        [
            *python,
            "-c",
            (ROOT / "tests/clients.py").read_text(),
            host,
            path,
            str(number),
        ],
    )
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield answers
        answers |= json.loads(process.communicate()[0])


def free_port():
    """Return a port that nothing listens on, and that no client of another test is given."""
    for port in random.sample(range(20000, 30000), 100):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port
    raise OSError("no free port found")
