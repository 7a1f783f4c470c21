"""deploy/rollout.sh: what is lost when replicas are replaced, taken back, stopped or killed."""

import contextlib
import http.client
import os
import signal
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from project import ROOT, run


@contextlib.contextmanager
def loaded(server, *methods):
    """Send requests of each method on four kept connections; yield their statuses and failures, counted by method."""
    over, counts = threading.Event(), {method: Counter() for method in methods}

    def load(method):
        with contextlib.closing(server.connect()) as connection:
            while not over.is_set():
                try:
                    connection.request(method, "/")
                    with connection.getresponse() as answer:
                        answer.read()
                        counts[method][answer.status] += 1
                except (OSError, http.client.HTTPException) as error:
                    counts[method][repr(error)] += 1
                    connection.close()

    with ThreadPoolExecutor() as clients:
        clients.map(load, methods * 4)
        try:
            yield counts
        finally:
            over.set()


def rollout(server, **variables):
    """Start a rollout, with other variables than those of the replicas."""
    environment = os.environ | server.variables | variables
    return subprocess.Popen(
        ["deploy/rollout.sh"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def check(process, status, *messages):
    """Wait for a rollout, which ends with a status and says these; return its last line."""
    _, said = process.communicate()
    assert (process.returncode, [text for text in messages if text not in said]) == (status, []), said
    return said.splitlines()[-1]


def test_rollout_loses_no_request(compose):
    before = compose.replicas()
    with loaded(compose, "GET", "POST") as counts:
        compose.run("deploy/rollout.sh")
        compose.wait(lambda: all(sum(c.values()) >= 2000 for c in counts.values()), "2,000 requests each", 60)
    after = compose.replicas()
    assert len(after) == len(before) and not after & before
    assert [*counts["GET"]] == [200] and [*counts["POST"]] == [405], f"{counts}\n{compose.log()}"


def test_image_that_does_not_start_is_taken_back(compose):
    before = compose.replicas()
    with loaded(compose, "GET", "POST") as counts:
        wrong = rollout(compose, WEB_CONCURRENCY="0", TARGET="bare")
        check(wrong, 1, "Taken back", "WEB_CONCURRENCY=0: expected a whole number from 1")
    assert compose.replicas() == before
    compose.compose("up", "--detach", "--no-deps", "--wait", "app")
    assert compose.replicas() == before, "docker compose up has another image than before"
    assert [*counts["GET"]] == [200] and [*counts["POST"]] == [405], f"{counts}\n{compose.log()}"


def locked(server):
    return "rollout" in server.compose("exec", "proxy", "ls", "/tmp")


def test_rollout_that_is_interrupted_again_and_again_is_taken_back(compose):
    before = compose.replicas()
    running = rollout(compose)
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    compose.wait(lambda: running.terminate() or running.poll(), "the rollout to end", 60)
    check(running, 1, "Taken back")
    assert compose.replicas() == before and not locked(compose)


def test_second_rollout_is_refused_and_says_how_to_recover_a_killed_one(compose):
    before = compose.replicas()
    first = rollout(compose, TARGET="bare")
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    recover = check(rollout(compose), 1, "Another rollout runs")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    compose.run("sh", "-c", recover)
    compose.wait_for_answer()
    assert len(compose.replicas()) == len(before) and not locked(compose)
    check(rollout(compose), 0)


def test_rollout_without_a_replica_is_refused(compose):
    compose.compose("stop", "app")
    try:
        check(rollout(compose), 1, "No replica runs")
    finally:
        compose.compose("up", "--detach", "--no-deps", "--wait", "app")


def test_killed_replica_loses_what_it_was_answering_and_no_more(compose):
    replica = compose.replicas().pop()
    with loaded(compose, "GET") as counts:
        run("docker", "kill", replica)
        try:
            compose.wait(lambda: counts["GET"][200] > 1000, "1,000 answers")
        finally:
            run("docker", "start", replica)
    assert counts["GET"].total() - counts["GET"][200] <= 4, f"{counts}\n{compose.log()}"  # one for each client
