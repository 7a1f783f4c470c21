"""deploy/kubernetes.yaml, run by Podman."""

import shutil
import subprocess

from project import ROOT, missing, run
from servers import Server, free_port

NAME = "hello-pod-0-hello"


class Pod(Server):
    def log(self):
        done = subprocess.run(["podman", "logs", NAME], capture_output=True, text=True)
        return done.stdout + done.stderr


def test_manifest_runs_and_stops_with_status_0(image, tmp_path):
    if not shutil.which("podman"):
        missing("no podman")
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
