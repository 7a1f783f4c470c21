"""deploy/kubernetes.yaml on a real cluster: kubectl's current one, and only where KUBE_CONTEXT names it too."""

import json
import os
import shlex
import subprocess

import pytest
from project import ROOT, RUN, run, some

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
# Clients until standard input ends. Half POST. Half keep a connection for 3 s: preStop gives a proxy 5 s to leave it.
CLIENTS = """
import concurrent.futures, http.client, json, sys, threading, time
asked, lost, over = [], [], threading.Event()
def client(number, until=0):
    while not over.is_set():
        if number % 4 < 2 or time.monotonic() > until:
            connection, until = http.client.HTTPConnection("hello", timeout=60), time.monotonic() + 3
        try:
            connection.request(["GET", "POST"][number % 2], sys.argv[2], b"x")
            with connection.getresponse() as answer:
                assert (answer.status, answer.read()) == (200, b""), answer.status
        except Exception as error:
            lost.append(f"client {number}: {error!r}")
            until = 0
        asked.append(number)
with concurrent.futures.ThreadPoolExecutor(int(sys.argv[1])) as pool:
    pool.map(client, range(int(sys.argv[1])))
    sys.stdin.read()
    over.set()
print(json.dumps([len(asked), lost]))
"""


@pytest.fixture(scope="module")
def kubectl(docker, image):
    """kubectl's command for a namespace of its own, where the manifest runs the image, and clients beside it."""
    if not (named := os.environ.get("KUBE_CONTEXT")):
        pytest.skip("no cluster for tests: KUBE_CONTEXT has to be the name of kubectl's current context")
    assert run("kubectl", "config", "current-context").strip() == named, "KUBE_CONTEXT is not the current context"
    docker("build", "--provenance=false", f"--tag={image}-slow", "-", input=DOCKERFILE.format(image))
    run(*os.environ.get("KUBE_LOAD", "kind load docker-image").split(), f"{image}-slow")
    kubectl = ["kubectl", f"--context={named}", f"--namespace={RUN}"]
    text = (ROOT / "deploy/kubernetes.yaml").read_text().replace("library/hello:latest", f"library/{image}-slow")
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
def test_no_request_is_lost(kubectl, event):
    clients = ["240", "/1.0"] if event == "busy" else ["16", "/0.01"]
    command = [*kubectl, "exec", "--stdin", "deployment/clients", "--", "python", "-c", CLIENTS, *clients]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        run("bash", "-c", f'set -euo pipefail; k() {{ {shlex.join(kubectl)} "$@"; }}; {EVENTS[event]}')
        asked, lost = json.loads(process.communicate()[0])
    assert asked > 100 and not lost, f"{len(lost)} of {asked}: {some(lost)}"
    counts = run(*kubectl, "get", "pod", "--output=jsonpath={.items[*].status.containerStatuses[*].restartCount}")
    assert not any(map(int, counts.split())), f"containers started again: {counts}"
