"""deploy/rollout.sh: what is lost when replicas are replaced, taken back, stopped or killed."""

import contextlib
import os
import signal
import subprocess
import time

from project import ROOT, run
from servers import load


@contextlib.contextmanager
def every_request_answered(server):
    with load(f"127.0.0.1:{server.port}") as answers:
        yield
    assert answers.keys() == {"GET 200", "POST 405"} and min(answers.values()) > 500, f"{answers}\n{server.log()}"


def rollout(server, **variables):
    """Start a rollout, with other variables than those of the replicas."""
    command, environment = ["deploy/rollout.sh"], server.environment | variables
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def check(process, status, *messages):
    """Wait for a rollout, which ends with a status and says these; return its last line."""
    _, said = process.communicate()
    assert (process.returncode, [text for text in messages if text not in said]) == (status, []), said
    return said.splitlines()[-1]


def test_rollout_loses_no_request(compose):
    before = compose.replicas()
    with every_request_answered(compose):
        check(rollout(compose), 0, "Replaced")
    after = compose.replicas()
    assert len(after) == len(before) and not after & before


def test_image_that_does_not_start_is_taken_back(compose):
    before = compose.replicas()
    with every_request_answered(compose):
        # gunicorn listens before it finds that it has no app.
        check(rollout(compose, APP="features:none", TARGET="bare"), 1, "Taken back", "Failed to find attribute 'none'")
    assert compose.replicas() == before
    compose.compose("up", "--detach", "--no-deps", "--wait", "app")
    assert compose.replicas() == before, "docker compose up has another image than before"


def test_rollout_that_is_interrupted_again_and_again_is_taken_back(compose):
    before = compose.replicas()
    running = rollout(compose)
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    compose.wait(lambda: running.terminate() or running.poll(), "the rollout to end", 60)
    check(running, 1, "Taken back")
    assert compose.replicas() == before


def test_second_rollout_is_refused_and_says_how_to_recover_a_killed_one(compose):
    before = compose.replicas()
    first = rollout(compose, TARGET="bare")
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    recover = check(rollout(compose), 1, "Another rollout runs")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    compose.run("sh", "-c", recover)
    compose.wait_for_answer()
    assert len(compose.replicas()) == len(before)
    check(rollout(compose), 0)


def test_rollout_without_a_replica_is_refused(compose):
    compose.compose("stop", "app")
    try:
        check(rollout(compose), 1, "No replica runs")
    finally:
        compose.compose("up", "--detach", "--no-deps", "--wait", "app")


def test_killed_replica_loses_what_it_was_answering_and_no_more(compose):
    replica = compose.replicas().pop()
    with load(f"127.0.0.1:{compose.port}") as answers:
        run("docker", "kill", replica)
        time.sleep(5)
        run("docker", "start", replica)
    lost = sum(count for answer, count in answers.items() if answer not in ("GET 200", "POST 405"))
    assert lost <= 16 and answers["GET 200"] > 100, f"{answers}\n{compose.log()}"  # one for each client
