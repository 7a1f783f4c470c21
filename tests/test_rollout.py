"""deploy/rollout.sh: what is lost when replicas are replaced, taken back, stopped or killed."""

import contextlib
import http.client
import os
import subprocess
import threading
from collections import Counter

from project import ROOT, run


@contextlib.contextmanager
def loaded(server, *methods):
    """Send requests of each method on four kept connections; yield their statuses and failures, counted by method."""
    done, counts = threading.Event(), {method: Counter() for method in methods}

    def load(method):
        connection = server.connect()
        while not done.is_set():
            try:
                connection.request(method, "/")
                with connection.getresponse() as answer:
                    answer.read()
                    counts[method][answer.status] += 1
            except (OSError, http.client.HTTPException) as error:
                counts[method][repr(error)] += 1
                connection.close()
        connection.close()

    clients = [threading.Thread(target=load, args=[method]) for method in methods for _ in range(4)]
    for client in clients:
        client.start()
    try:
        yield counts
    finally:
        done.set()
        for client in clients:
            client.join()


def rollout(server, **variables):
    """Start a rollout, with other variables than those of the replicas."""
    environment = os.environ | server.variables | variables
    return subprocess.Popen(["deploy/rollout.sh"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def result(process):
    """Wait for a rollout; return its status and its errors."""
    _, said = process.communicate()
    return process.returncode, said


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
        status, said = result(rollout(compose, WEB_CONCURRENCY="0", TARGET="bare"))
    assert (status, "Taken back" in said, compose.replicas()) == (1, True, before), said
    assert "WEB_CONCURRENCY=0: expected a whole number from 1" in said  # the reason
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
    status, said = result(running)
    assert (status, "Taken back" in said, compose.replicas()) == (1, True, before), said
    assert not locked(compose)


def test_second_rollout_is_refused_while_one_runs(compose):
    first = rollout(compose)
    compose.wait(lambda: locked(compose), "the first rollout's lock")
    status, said = result(rollout(compose))
    assert (status, "Another rollout runs" in said) == (1, True), said
    status, said = result(first)
    assert status == 0, said
    assert not locked(compose)


def test_rollout_without_a_replica_is_refused(compose):
    compose.compose("stop", "app")
    try:
        status, said = result(rollout(compose))
        assert (status, "No replica runs" in said) == (1, True), said
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
    lost = counts["GET"].total() - counts["GET"][200]
    assert lost <= 4, f"{counts}\n{compose.log()}"  # one for each client


def test_proxy_that_starts_again_finds_the_replicas(compose):
    compose.compose("restart", "proxy")
    compose.wait_for_answer()
    assert compose.request()[0] == 200, compose.log()
