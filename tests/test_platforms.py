"""What six platforms ask of an image, as their owners' pages say, tried on any image: each platform is a claim."""

import re
import select
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import Container, exposed

NO_TIMEOUT = "--env=GUNICORN_CMD_ARGS=--timeout=0"  # what ADOPTING.md names for a platform that freezes
# The options that stand for each platform, under the titles of the pages that state its contract.
PLATFORMS = {
    # "Container Registry & Runtime", "HTTP Routing", "Dyno Types": any user, its PORT, 90 s between requests, 512 MB.
    "Heroku": ["--env=PORT=54321", "--user=54321", "--memory=512m"],
    # "Create a Lambda function using a container image": any user, read-only. /dev/shm is missing, as users report.
    "AWS Lambda": ["--read-only", "--tmpfs=/tmp", "--ipc=none", "--user=993:990", NO_TIMEOUT],
    # "Container runtime contract": its PORT, no CPU between requests, SIGKILL 10 s after SIGTERM.
    "Cloud Run": ["--env=PORT=9090", NO_TIMEOUT],
    # "Pod Security Standards": a user by number, no capability. Read-only is what deploy/kubernetes.yaml adds.
    "Kubernetes restricted": ["--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"],
    # "Fly Launch configuration", "Private Networking": its proxy asks internal_port, other apps ask by IPv6.
    "Fly": ["--env=GUNICORN_CMD_ARGS=--bind=[::]:{port}"],
    # "Configure a custom container for Azure App Service", "Health probes in Azure Container Apps": port 80.
    "Azure": ["--env=PORT=80"],
}


def attempt(platform, image, given):
    """Run the image as the platform does, and fail with what is lost there."""
    options = [text.format(port=exposed(image)) for text in PLATFORMS[platform]]
    port = options[0].partition("PORT=")[2]
    # No platform heeds the image's STOPSIGNAL or runs its HEALTHCHECK, whose process would be taken for a worker.
    options = [*given, "--stop-signal=TERM", "--no-healthcheck", *options]
    with Container(image, options=options, port=port) as server:
        if platform == "Kubernetes restricted":
            user = server.inspect("{{.Config.User}}") or "root"
            assert re.match(r"[1-9]\d*(:|$)", user), f"the user is {user}, and runAsNonRoot takes only a number"
        if platform in ("AWS Lambda", "Heroku") and server.inspect("{{range .Mounts}}{{.Destination}}{{end}}"):
            pytest.skip("its volume belongs to its own user")
        server.wait_for_answer()
        if platform == "Fly" and "gunicorn" in server.processes()[0]:
            server.python(f"import socket; socket.create_connection(('::1', {exposed(image)}))")
        if platform == "Heroku":
            keep(server.connect())
        if NO_TIMEOUT in options:
            freeze(server)
        server.docker("stop")  # after 10 s it is killed, and the status is 137
        assert server.inspect("{{.State.ExitCode}}") != "137", "it is killed 10 s after SIGTERM"


def keep(connection):
    connection.request("GET", "/")
    connection.getresponse().read()
    closed = not connection.sock or select.select([connection.sock], [], [], 91)[0]
    connection.close()
    assert not closed, "it closes a connection that is idle for less than 91 s"


def freeze(server):
    processes = set(server.docker("top", "-o", "pid").split())
    pause = ["docker", "pause", server.id]
    server.wait(lambda: not subprocess.run(pause, capture_output=True).returncode, "the engine to freeze it")
    time.sleep(35)  # longer than gunicorn waits for a worker
    with ThreadPoolExecutor() as clients:
        answers = [clients.submit(server.answers) for _ in range(8)]
        server.docker("unpause")
    time.sleep(3)  # gunicorn looks for workers that hang once a second
    lost = sum(not answer.result() for answer in answers)
    gone = processes.difference(server.docker("top", "-o", "pid").split())
    assert not lost and not gone, f"frozen for 35 s, it lost {lost} of 8 requests and {len(gone)} processes"


@pytest.fixture(scope="module")
def attempts(request, docker):
    """A future for each platform and image: the first three wait, all at once, and meanwhile the others take turns."""
    given = request.config.option
    images = [given.image] if given.image else [request.getfixturevalue(name) for name in ("runtime", "bare")]
    pairs = [(platform, image) for platform in PLATFORMS for image in images]
    with ThreadPoolExecutor(3 * len(images) + 1) as pool:
        yield {pair: pool.submit(attempt, *pair, given.options) for pair in pairs}


@pytest.mark.parametrize("platform", list(PLATFORMS)[::-1])
def test_holds_on(container, image, platform, attempts):
    attempts[platform, image].result()
