"""deploy/kubernetes.yaml on a real cluster: kubectl's current one, and only where KUBE_CONTEXT names it too."""

import json
import os
import shlex
import subprocess

import pytest
from project import ROOT, RUN, run, some

# hello and a path that takes its time, as three images.
DOCKERFILE = """FROM {}
COPY <<EOF /slow.py
import time
from hello_app import create_app
app = create_app()
app.add_url_rule("/<float:seconds>", "slow", lambda seconds: time.sleep(seconds) or "", methods=["GET", "POST"])
EOF
ENV GUNICORN_CMD_ARGS=--config=/etc/gunicorn.conf.py
CMD {}
"""
COMMANDS = {
    "good": ["gunicorn", "slow:app"],
    "broken": ["gunicorn", "nothing:app"],
    "late": ["python", "-c", "import os, time; time.sleep(60); os.execlp('gunicorn', 'gunicorn', 'slow:app')"],
}
# What happens to it, in bash.
STATUS = "k rollout status deployment/hello --timeout=300s"
EVENTS = {
    "rolling update": f"k rollout restart deployment/hello; {STATUS}",
    "deleted pod": f"k delete $(k get pod --selector=app=hello --output=name | head -n 1); {STATUS}",
    "drain": f"""node=$(k get pod --selector=app=hello --output=jsonpath='{{.items[0].spec.nodeName}}')
        trap 'k uncordon $node' EXIT
        k drain $node --pod-selector=app=hello --delete-emptydir-data --timeout=180s; {STATUS}""",
    "broken image": f"""k set image deployment/hello hello=$IMAGE-broken
        if k rollout status deployment/hello --timeout=30s; then echo 'the broken image is served'; exit 1; fi
        k rollout undo deployment/hello; {STATUS}""",
    "start of 60 s": f"k set image deployment/hello hello=$IMAGE-late; {STATUS}",
    "busy": "sleep 60",
}
# Clients that ask until standard input ends, half of them by POST and half on kept connections. They keep one for 3 s,
# as a proxy leaves those to a pod that ends: preStop gives it 5 s.
CLIENTS = """
import http.client, json, sys, threading, time
asked, lost, over = [], [], threading.Event()
def client(number):
    until = 0
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
threads = [threading.Thread(target=client, args=[number]) for number in range(int(sys.argv[1]))]
for thread in threads: thread.start()
sys.stdin.read()
over.set()
for thread in threads: thread.join()
print(json.dumps([len(asked), lost]))
"""


@pytest.fixture(scope="module")
def kubectl(docker, image):
    """kubectl's command for a namespace of its own, where the manifest runs the image, and clients beside it."""
    if not (named := os.environ.get("KUBE_CONTEXT")):
        pytest.skip("no cluster for tests: KUBE_CONTEXT has to be the name of kubectl's current context")
    current = run("kubectl", "config", "current-context").strip()
    assert current == named, f"KUBE_CONTEXT is {named}, and kubectl's current context is {current}"
    for name, command in COMMANDS.items():
        dockerfile = DOCKERFILE.format(image, json.dumps(command))
        docker("build", "--provenance=false", f"--tag={image}-{name}", "-", input=dockerfile)
        run(*os.environ.get("KUBE_LOAD", "kind load docker-image").split(), f"{image}-{name}")
    kubectl = ["kubectl", f"--context={named}", f"--namespace={RUN}"]
    text = (ROOT / "deploy/kubernetes.yaml").read_text().replace("library/hello:latest", f"library/{image}-good")
    text = text.replace("namespace: hello", f"namespace: {RUN}").replace("hello, labels", f"{RUN}, labels")
    clients = text.split("---")[1].replace("{name: hello,", "{name: clients,").replace("app: hello", "app: clients")
    try:
        run(*kubectl, "apply", "--filename=-", input=f"{text}---{clients}")
        run(*kubectl, "rollout", "status", "deployment/clients", "--timeout=180s")
        # The HorizontalPodAutoscaler makes the second.
        run(*kubectl, "wait", "deployment/hello", "--for=jsonpath={.status.readyReplicas}=2", "--timeout=180s")
        yield kubectl
    finally:
        run(*kubectl, "delete", "namespace", RUN)
        docker("image", "rm", *(f"{image}-{name}" for name in COMMANDS))


@pytest.mark.parametrize("event", EVENTS)
def test_no_request_is_lost(kubectl, image, event):
    clients = ["240", "/1.0"] if event == "busy" else ["16", "/0.01"]
    command = [*kubectl, "exec", "--stdin", "deployment/clients", "--", "python", "-c", CLIENTS, *clients]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        happen = f'set -euo pipefail; k() {{ {shlex.join(kubectl)} "$@"; }}; {EVENTS[event]}'
        run("bash", "-c", happen, env=os.environ | {"IMAGE": f"docker.io/library/{image}"})
        asked, lost = json.loads(process.communicate()[0])
    assert asked > 100 and not lost, f"{len(lost)} of {asked}: {some(lost)}"
    counts = run(*kubectl, "get", "pod", "--output=jsonpath={.items[*].status.containerStatuses[*].restartCount}")
    assert event == "broken image" or not any(map(int, counts.split())), f"containers started again: {counts}"
