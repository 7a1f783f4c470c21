"""deploy/rollout.sh: what is lost when replicas are replaced, stopped or killed."""

import contextlib
import os
import signal
import subprocess

import pytest
from servers import load
from shell import ROOT, run


@contextlib.contextmanager
def every_request_answered(server):
    with load(f"127.0.0.1:{server.port}") as answers:
        yield
    log = f"{answers}\n{server.log()}"
    assert answers.keys() == {"GET 200", "POST 405"} and min(answers.values()) > 500, (
        log
    )


def rollout(server, *arguments, **variables):
    """Start a rollout, with other variables than those of the replicas."""
    return subprocess.Popen(
        ["deploy/rollout.sh", *arguments],
        cwd=ROOT,
        env=server.environment | variables,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def check(process, status, *messages):
    """Wait for a rollout to end with a status and these messages; return the last."""
    _, output = process.communicate()
    missing = [message for message in messages if message not in output]
    assert (process.returncode, missing) == (status, []), output
    return output.splitlines()[-1]


def images(server):
    return set(
        run("docker", "inspect", "--format={{.Image}}", *server.replicas()).split()
    )


def test_rollout_loses_no_request(compose):
    before = compose.replicas()
    with every_request_answered(compose):
        check(rollout(compose), 0, "Rollout done")
    after = compose.replicas()
    assert len(after) == len(before) and not after & before


def test_image_before_the_last_rollout_comes_back_by_the_line_that_it_printed(compose):
    before = images(compose)
    output = check(rollout(compose, TARGET="bare"), 0, "The way back: ")
    assert images(compose) != before
    compose.run(*output.partition("The way back: ")[2].split())
    assert images(compose) == before


def test_rollout_after_a_build_is_done_though_the_old_image_is_gone(compose):
    compose.compose("build", "app")
    check(rollout(compose), 0, "Rollout done")


def test_image_that_does_not_start_is_undone(compose):
    before = compose.replicas()
    with every_request_answered(compose):
        # gunicorn listens before it finds that it has no app.
        process = rollout(compose, APP="features:none", TARGET="bare")
        check(process, 1, "Rollout undone", "Failed to find attribute 'none'")
    assert compose.replicas() == before
    compose.compose("up", "--detach", "--no-deps", "--wait", "app")
    assert compose.replicas() == before, (
        "docker compose up has another image than before"
    )


def test_build_that_fails_leaves_the_proxy_as_it_is(compose):
    """A reload would end connections that last longer than 30 s."""
    processes = "docker top $(docker compose ps --quiet proxy) -o pid"
    before = compose.run("sh", "-c", processes)
    check(rollout(compose, TARGET="none"), 1)
    assert compose.run("sh", "-c", processes) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_rollout_that_is_interrupted_again_and_again_is_undone(compose, number):
    before = compose.replicas()
    running = rollout(compose)
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    compose.wait(lambda: running.send_signal(number) or running.poll(), "the end", 60)
    check(running, 1, "Rollout undone")
    assert compose.replicas() == before


def test_rollout_whose_reader_goes_is_finished(compose):
    before = compose.replicas()
    running = rollout(compose)
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    running.stderr.close()
    assert running.wait() == 0
    assert not compose.replicas() & before
    check(rollout(compose), 0)


def test_killed_rollout_is_no_outage_and_the_next_one_says_how_to_recover(compose):
    before = compose.replicas()
    first = rollout(compose, TARGET="bare")
    compose.wait(lambda: len(compose.replicas()) > len(before), "a new replica")
    recover = check(rollout(compose), 1, "Another rollout is running")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    compose.compose("up", "--detach", "--no-deps", "--wait", "app")
    assert not compose.replicas() & before  # those to which the proxy is pinned
    # nginx may need a request or two to find that those have gone.
    compose.wait_for_answer()
    assert compose.request()[0] == 200
    compose.run("sh", "-c", recover)
    compose.wait_for_answer()
    assert len(compose.replicas()) == len(before)
    check(rollout(compose), 0)


def test_rollout_without_a_replica_is_refused(compose):
    compose.compose("stop", "app")
    try:
        check(rollout(compose), 1, "No replica is running")
    finally:
        compose.compose("up", "--detach", "--no-deps", "--wait", "app")


def test_killed_replica_loses_what_it_was_answering_and_no_more(compose):
    replica = compose.replicas().pop()
    with load(f"127.0.0.1:{compose.port}") as answers:
        run("docker", "kill", replica)
        assert [compose.request()[0] for _ in range(100)] == [200] * 100
        run("docker", "start", replica)
    lost = answers.copy()
    served = lost.pop("GET 200") + lost.pop("POST 405")
    # One for each client.
    assert sum(lost.values()) <= 16 and served > 100, f"{answers}\n{compose.log()}"
