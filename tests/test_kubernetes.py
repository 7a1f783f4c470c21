"""deploy/kubernetes.yaml, run by Podman, and what an IPv6-only cluster asks of an image."""

import os
import shutil
import subprocess

import pytest
from project import ROOT, run
from servers import Server, free_port

NAME = "hello-pod-0-hello"


class Pod(Server):
    def log(self):
        done = subprocess.run(["podman", "logs", NAME], capture_output=True, text=True)
        return done.stdout + done.stderr


def test_manifest_runs_and_stops_with_status_0(image, tmp_path):
    if not shutil.which("podman"):
        assert not os.environ.get("REQUIRE_DOCKER"), "REQUIRE_DOCKER is set, and there is no podman"
        pytest.skip("no podman")
    saved = subprocess.run(["docker", "save", image], capture_output=True, check=True).stdout
    subprocess.run(["podman", "load", "--quiet"], input=saved, capture_output=True, check=True)
    pod, manifest = Pod(free_port()), tmp_path / "kubernetes.yaml"
    text = (ROOT / "deploy/kubernetes.yaml").read_text().replace("library/hello:latest", f"library/{image}")
    manifest.write_text(text.replace("containerPort: 8080", f"containerPort: 8080, hostPort: {pod.port}"))
    try:
        run("podman", "kube", "play", manifest)
        pod.wait_for_answer()
        assert pod.request()[::2] == (200, b"Hello world!")
        run("podman", "stop", "--time=10", NAME)
        assert run("podman", "inspect", "--format={{.State.ExitCode}}", NAME) == "0\n", pod.log()
    finally:
        subprocess.run(["podman", "kube", "down", manifest], capture_output=True)
        subprocess.run(["podman", "rmi", "--force", f"docker.io/library/{image}"], capture_output=True)


def test_ipv6_is_served_beside_ipv4(image, serve, hardened):
    server = serve(image, options=[*hardened, "--env=GUNICORN_CMD_ARGS=--bind=[::]:8080"])
    asked = 'import socket; s = socket.create_connection(("::1", 8080)); s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")'
    assert server.python(f"{asked}; print(s.recv(99)[9:12])") == "b'200'\n", server.log()
    server.wait(lambda: server.health() == "healthy", "the probe to reach it too")
