"""deploy/kubernetes.yaml in Podman, and on a real cluster: kubectl's current one, where KUBE_CONTEXT names it too."""

import os
import shlex
import shutil
import subprocess

import pytest
from project import ROOT, RUN, missing, run
from servers import Server, free_port, load

MANIFEST = (ROOT / "deploy/kubernetes.yaml").read_text()
# hello and a path that takes its time. It starts LATE seconds late.
DOCKERFILE = """FROM {}
COPY <<EOF /slow.py
import hello_app, time
app = hello_app.create_app()
app.add_url_rule("/<float:seconds>", "slow", lambda seconds: time.sleep(seconds) or "", methods=["GET", "POST"])
EOF
ENV GUNICORN_CMD_ARGS=--config=/etc/gunicorn.conf.py LATE=0
CMD ["python", "-c", "import os, time; time.sleep(int(os.getenv('LATE'))); os.execlp('gunicorn', '-', 'slow:app')"]
"""
# What happens to it, in bash. A pod that ends is asked until it has gone, and the next event cannot be about it.
STATUS = """k rollout status deployment/hello --timeout=300s
    while [[ $(k get pod --output=jsonpath='{.items[*].metadata.deletionTimestamp}') ]]; do sleep 1; done"""
EVENTS = {
    "rolling update": f"k rollout restart deployment/hello; {STATUS}",
    "deleted pod": f"k delete $(k get pod --selector=app=hello --output=name | head -n 1); {STATUS}",
    "drain": f"""node=$(k get pod --selector=app=hello --output=jsonpath='{{.items[0].spec.nodeName}}')
        trap 'k uncordon $node' EXIT
        k drain $node --pod-selector=app=hello --delete-emptydir-data --timeout=180s; {STATUS}""",
    "broken release": f"""k set env deployment/hello PORT=no; k rollout status deployment/hello --timeout=30s && exit 1
        k rollout undo deployment/hello; {STATUS}""",
    "start of 60 s": f"k set env deployment/hello LATE=60; {STATUS}",
    "busy": "sleep 60",
}


def test_manifest_runs_in_podman_and_stops_with_status_0(image, tmp_path):
    if not shutil.which("podman"):
        missing("no podman")
    pod, manifest, container = Server(free_port()), tmp_path / "kubernetes.yaml", "hello-pod-0-hello"
    pod.log = lambda: run("sh", "-c", f"podman logs {container} 2>&1")
    text = MANIFEST.replace("library/hello:latest", f"library/{image}")
    manifest.write_text(text.replace("containerPort: 8080", f"containerPort: 8080, hostPort: {pod.port}"))
    run("sh", "-c", f"docker save {image} | podman load --quiet")
    try:
        run("podman", "kube", "play", manifest)
        assert pod.wait_for_answer().request()[::2] == (200, b"Hello world!")
        run("podman", "stop", "--time=10", container)
        assert run("podman", "inspect", "--format={{.State.ExitCode}}", container) == "0\n", pod.log()
    finally:
        subprocess.run(["podman", "kube", "down", manifest], capture_output=True)
        run("podman", "rmi", "--force", f"docker.io/library/{image}")


@pytest.fixture(scope="module")
def kubectl(docker, image):
    """kubectl's command for a namespace of its own, where the manifest runs the image, and clients beside it."""
    if not (named := os.environ.get("KUBE_CONTEXT")):
        pytest.skip("no cluster for tests: KUBE_CONTEXT has to be the name of kubectl's current context")
    assert run("kubectl", "config", "current-context").strip() == named, "KUBE_CONTEXT is not the current context"
    docker("build", "--provenance=false", f"--tag={image}-slow", "-", input=DOCKERFILE.format(image))
    run(*os.environ.get("KUBE_LOAD", "kind load docker-image").split(), f"{image}-slow")
    kubectl = ["kubectl", f"--context={named}", f"--namespace={RUN}"]
    text = MANIFEST.replace("library/hello:latest", f"library/{image}-slow")
    text = text.replace("namespace: hello", f"namespace: {RUN}").replace("hello, labels", f"{RUN}, labels")
    clients = text.split("---")[1].replace("{name: hello,", "{name: clients,").replace("app: hello", "app: clients")
    try:
        run(*kubectl, "apply", "--filename=-", input=f"{text}---{clients}")
        # The HorizontalPodAutoscaler makes the second.
        run(*kubectl, "wait", "deployment/hello", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=180s")
        yield kubectl
    finally:
        run(*kubectl, "delete", "namespace", RUN)
        docker("image", "rm", f"{image}-slow")


@pytest.mark.parametrize("event", EVENTS)
def test_no_request_is_lost_on_a_cluster(kubectl, event):
    clients = ["/1.0", 240] if event == "busy" else ["/0.01", 16]
    where = [*kubectl, "exec", "--stdin", "deployment/clients", "--", "python"]
    with load("hello", *clients, python=where) as answers:
        run("bash", "-c", f'set -euo pipefail; k() {{ {shlex.join(kubectl)} "$@"; }}; {EVENTS[event]}')
    assert answers.keys() == {"GET 200", "POST 200"} and sum(answers.values()) > 100, answers
    counts = run(*kubectl, "get", "pod", "--output=jsonpath={.items[*].status.containerStatuses[*].restartCount}")
    assert not any(map(int, counts.split())), f"containers started again: {counts}"
