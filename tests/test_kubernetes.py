"""deploy/kubernetes.yaml in Podman, and on the cluster that KUBE_CONTEXT names."""

import functools
import os
import shutil
import subprocess
import time

import pytest
from servers import Server, free_port, load
from shell import ROOT, RUN, edit, require, run

MANIFEST = ROOT / "deploy/kubernetes.yaml"
# hello and a path that takes its time. Its import takes LATE seconds.
SLOW = """FROM {}
COPY <<EOF /slow.py
import hello_app, os, time
time.sleep(int(os.environ.get("LATE", 0)))
app = hello_app.create_app()
def slow(seconds):
    time.sleep(seconds)
    return ""
app.add_url_rule("/<float:seconds>", view_func=slow, methods=["GET", "POST"])
EOF
CMD ["gunicorn", "--config=/etc/gunicorn.conf.py", "slow:app"]
"""


@pytest.fixture
def pod(image, tmp_path):
    """The manifest's pod in Podman, on a port of this machine."""
    require(shutil.which("podman"), "podman is not installed")
    name = f"docker.io/library/{image}"
    server, manifest = Server(free_port()), tmp_path / "kubernetes.yaml"
    shutil.copy(MANIFEST, manifest)
    edit(manifest, "docker.io/library/hello:latest", name)
    port = "containerPort: 8080"
    edit(manifest, port, f"{port}, hostPort: {server.port}")
    run("sh", "-c", f"docker save {image} | podman load --quiet")
    try:
        run("podman", "kube", "play", manifest)
        server.id = run("podman", "ps", "--quiet", f"--filter=ancestor={name}").strip()
        server.log = lambda: run("sh", "-c", f"podman logs {server.id} 2>&1")
        yield server
    finally:
        subprocess.run(["podman", "kube", "down", manifest], capture_output=True)
        run("podman", "rmi", "--force", name)


def test_manifest_runs_in_podman_and_stops_with_status_0(pod):
    assert pod.wait_for_answer().request()[::2] == (200, b"Hello world!")
    run("podman", "stop", "--time=10", pod.id)
    status = run("podman", "inspect", "--format={{.State.ExitCode}}", pod.id)
    assert status == "0\n", pod.log()


def settle(kubectl):
    """Wait until all pods are ready and none is ending: the next event starts anew."""
    kubectl("rollout", "status", "deployment/hello", "--timeout=300s")
    ending = "{.items[?(@.metadata.deletionTimestamp)].metadata.name}"
    for name in kubectl("get", "pod", f"--output=jsonpath={ending}").split():
        kubectl("wait", "--for=delete", f"pod/{name}", "--timeout=60s")


def update(kubectl):
    kubectl("rollout", "restart", "deployment/hello")
    settle(kubectl)


def deleted_pod(kubectl):
    pods = kubectl("get", "pod", "--selector=app=hello", "--output=name").split()
    kubectl("delete", pods[0])
    settle(kubectl)


def drain(kubectl):
    name = "--output=jsonpath={.items[0].spec.nodeName}"
    node = kubectl("get", "pod", "--selector=app=hello", name)
    options = ["--pod-selector=app=hello", "--delete-emptydir-data", "--timeout=180s"]
    try:
        kubectl("drain", node, *options)
        settle(kubectl)
    finally:
        kubectl("uncordon", node)


def broken_release(kubectl):
    kubectl("set", "env", "deployment/hello", "PORT=no")
    with pytest.raises(pytest.fail.Exception):
        kubectl("rollout", "status", "deployment/hello", "--timeout=30s")
    kubectl("rollout", "undo", "deployment/hello")
    settle(kubectl)


def start_of_60_seconds(kubectl):
    variables = ["LATE=60", "GUNICORN_CMD_ARGS=--timeout=90"]
    kubectl("set", "env", "deployment/hello", *variables)
    settle(kubectl)


def busy_minute(_):
    time.sleep(60)


EVENTS = [update, deleted_pod, drain, broken_release, start_of_60_seconds, busy_minute]
# A namespace of this run's own, and its image in place of hello.
KUSTOMIZATION = """
resources: [kubernetes.yaml, clients.yaml]
namespace: {}
images: [{{name: docker.io/library/hello, newName: docker.io/library/{}, newTag: {}}}]
"""


@pytest.fixture(scope="module")
def kubectl(docker, image, tmp_path_factory):
    """kubectl for a namespace that has the manifest's objects and a pod for clients."""
    if not (context := os.environ.get("KUBE_CONTEXT")):
        pytest.skip("no cluster: KUBE_CONTEXT names one of kubectl's contexts")
    slow = f"{image}-slow"
    docker("build", "--provenance=false", "--tag", slow, "-", input=SLOW.format(image))
    run(*os.environ.get("KUBE_LOAD", "kind load docker-image").split(), slow)
    overlay = tmp_path_factory.mktemp("overlay")
    shutil.copy(MANIFEST, overlay)
    shutil.copy(ROOT / "tests/clients.yaml", overlay)
    text = KUSTOMIZATION.format(RUN, *slow.split(":"))
    (overlay / "kustomization.yaml").write_text(text)
    kubectl = functools.partial(
        run, "kubectl", "--context", context, "--namespace", RUN
    )
    try:
        kubectl("apply", "--kustomize", overlay)
        # The HorizontalPodAutoscaler makes the second.
        ready = "--for=jsonpath={.status.readyReplicas}=2"
        kubectl("wait", "deployment/hello", ready, "--timeout=180s")
        kubectl("wait", "pod/clients", "--for=condition=Ready", "--timeout=60s")
        yield kubectl
    finally:
        kubectl("delete", "namespace", RUN)
        docker("image", "rm", slow)


@pytest.mark.parametrize("event", EVENTS)
def test_no_request_is_lost_on_a_cluster(kubectl, event):
    clients = ["/1.0", 240] if event is busy_minute else ["/0.01", 16]
    python = [*kubectl.args, "exec", "--stdin", "clients", "--", "python"]
    with load("hello", *clients, python=python) as answers:
        event(kubectl)
    assert answers.keys() == {"GET 200", "POST 200"}, answers
    assert sum(answers.values()) > 100, answers
    counts = "{.items[*].status.containerStatuses[*].restartCount}"
    counts = kubectl("get", "pod", f"--output=jsonpath={counts}")
    assert set(counts.split()) == {"0"}, f"containers started again: {counts}"
