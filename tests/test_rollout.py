"""deploy/rollout.sh: what is lost when replicas are replaced, stopped or killed."""

import contextlib
import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from features import FORM, form
from servers import load
from shell import ROOT, run


@contextlib.contextmanager
def every_request_answered(server):
    with load(f"127.0.0.1:{server.port}") as answers:
        yield
    log = f"{answers}\n{server.log()}"
    assert answers.keys() == {"GET 200", "POST 405"}, log
    assert min(answers.values()) > 500, log


def rollout(server, *arguments, **variables):
    """Start a rollout, with other variables than those of the replicas."""
    # Under nohup a shell could not trap HUP.
    return subprocess.Popen(
        ["env", "--default-signal=HUP", "deploy/rollout.sh", *arguments],
        cwd=ROOT,
        env=server.environment | variables,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def check(process, status, message=""):
    """Wait for a rollout to end with a status and this message; return its output."""
    _, output = process.communicate()
    assert process.returncode == status and message in output, output
    return output


def up(server):
    server.compose("up", "--detach", "--no-deps", "--wait", "app")


def begin_rollout(server, **variables):
    """Start a rollout, and return when it waits for its new replicas."""
    before = server.replicas()
    # Otherwise a busy machine would see them when the rollout has ended.
    running = rollout(server, APP="features:slow()", **variables)
    # It first builds, and waits up to 30 s for a reload of the proxy.
    server.wait(lambda: server.replicas() - before, "a new replica", 300)
    return running


def images(server):
    template = "--format={{.Image}}"
    return set(run("docker", "inspect", template, *server.replicas()).split())


def test_rollout_loses_no_request(compose):
    before = compose.replicas()
    upload = "/upload?seconds=29", "POST", form(b"a"), FORM
    with ThreadPoolExecutor(1) as pool, every_request_answered(compose):
        long = pool.submit(compose.request, *upload)
        check(rollout(compose), 0, "Rollout done")
    after = compose.replicas()
    assert long.result()[0] == 200
    assert len(after) == len(before) and not after & before


def test_image_before_the_last_rollout_comes_back_by_the_line_that_it_printed(compose):
    before = images(compose)
    output = check(rollout(compose, TARGET="bare"), 0, "The way back: ")
    assert images(compose) != before
    compose.run(*output.partition("The way back: ")[2].split())
    assert images(compose) == before


def test_rollout_after_a_build_is_done_though_the_old_image_is_gone(compose):
    compose.compose("build", "app")
    check(rollout(compose), 0, "the new replicas are serving. No way back: ")


def test_image_that_does_not_start_is_undone(compose):
    before = compose.replicas()
    with every_request_answered(compose):
        # gunicorn listens before it finds that it has no app.
        process = rollout(compose, APP="features:none", TARGET="bare")
        log = check(process, 1, "Rollout undone")
    assert "Failed to find attribute 'none'" in log
    assert compose.replicas() == before
    up(compose)
    assert compose.replicas() == before, "it has another image than before"


def test_build_that_fails_leaves_the_proxy_as_it_is(compose):
    """A reload would end connections that last longer than 30 s."""
    processes = "docker top $(docker compose ps --quiet proxy) -o pid"
    before = compose.run("sh", "-c", processes)
    check(rollout(compose, TARGET="none"), 1)
    assert compose.run("sh", "-c", processes) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["TERM", "HUP"])
def test_rollout_that_is_interrupted_again_and_again_is_undone(compose, number):
    before = compose.replicas()
    running = begin_rollout(compose)

    def ended():
        running.send_signal(number)
        return running.poll() is not None  # 0 is an end too, which the check refuses

    compose.wait(ended, "its end", 300)
    check(running, 1, "Rollout undone")
    assert compose.replicas() == before


def test_rollout_that_cannot_stop_the_old_replicas_says_so(compose, tmp_path):
    """All of them serve then."""
    wrapper = tmp_path / "docker"
    docker = shutil.which("docker")
    wrapper.write_text(f'#!/bin/sh\n[ "$1" != stop ] && exec {docker} "$@"\n')
    wrapper.chmod(0o755)
    before = compose.replicas()
    running = rollout(compose, PATH=f"{tmp_path}:{os.environ['PATH']}")
    check(running, 1, "Half done: old and new replicas are serving.")
    assert before < compose.replicas()
    up(compose)  # as many as before


def test_rollout_whose_reader_goes_is_finished(compose):
    before = compose.replicas()
    running = begin_rollout(compose)
    running.stderr.close()
    assert running.wait() == 0
    assert not compose.replicas() & before


def test_killed_rollout_is_no_outage_and_the_next_one_says_how_to_recover(compose):
    before = compose.replicas()
    first = begin_rollout(compose, TARGET="bare")
    recover = check(rollout(compose), 1, "Another rollout is running")
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    up(compose)
    assert not compose.replicas() & before  # those to which the proxy is pinned
    # nginx may need a request or two to find that those have gone.
    compose.wait_for_answer()
    compose.run("sh", "-c", recover.splitlines()[-1])
    compose.wait_for_answer()
    assert len(compose.replicas()) == len(before)
    check(rollout(compose), 0)


def test_rollout_without_a_replica_is_refused(compose):
    compose.compose("stop", "app")
    try:
        check(rollout(compose), 1, "No replica is running")
    finally:
        up(compose)


@pytest.mark.parametrize("arguments", [["--help"], ["a", "b"]])
def test_wrong_arguments_are_refused(compose, arguments):
    check(rollout(compose, *arguments), 2, "Usage: deploy/rollout.sh [IMAGE]")


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
