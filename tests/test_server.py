import os
import signal
import subprocess
from threading import Thread

import pytest
from conftest import BAD_SETTINGS, EXCHANGES, check_answer, check_refusal, free_port, run, wait_until


@pytest.mark.parametrize(("method", "path", "status", "headers", "body"), EXCHANGES)
def test_answer(gunicorn, method, path, status, headers, body):
    check_answer(gunicorn().request(method, path), status, headers, body)


def test_serves_the_installed_wheel(python, tmp_path):
    where = run(python, "-c", "import hello_app; print(hello_app.__file__)", cwd=tmp_path).stdout
    assert "site-packages" in where


@pytest.mark.parametrize(
    ("variable", "value", "setting"),
    [
        ("PORT", "9999", "bind = ['0.0.0.0:9999']"),
        ("PORT", "", "bind = ['0.0.0.0:8080']"),
        ("WEB_CONCURRENCY", "3", "workers = 3"),
        ("WEB_CONCURRENCY", "", "workers = 2"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8", "forwarded_allow_ips = ['10.0.0.0/8']"),
        ("GUNICORN_CMD_ARGS", "--workers=5 --max-requests 7", "workers = 5"),
        ("GUNICORN_CMD_ARGS", "", "workers = 2"),
    ],
)
def test_setting(python, tmp_path, variable, value, setting):
    environment = os.environ | {variable: value}
    printed = run(python, "-m", "hello_app.server", "--print-config", cwd=tmp_path, env=environment).stdout
    name, _, expected = setting.partition(" = ")
    settings = dict(map(str.strip, line.split("=", 1)) for line in printed.splitlines() if "=" in line)
    assert settings[name] == expected


@pytest.mark.parametrize(("variable", "value", "expected"), BAD_SETTINGS)
def test_bad_setting_ends_the_start_with_one_line(python, tmp_path, variable, value, expected):
    done = subprocess.run(
        [python, "-m", "hello_app.server"],
        cwd=tmp_path,
        env=os.environ | {"PORT": str(free_port())} | {variable: value},
        capture_output=True,
        text=True,
        timeout=30,
    )
    check_refusal(done, variable, value, expected)


@pytest.mark.parametrize(("variable", "value", "expected"), BAD_SETTINGS[:4])
def test_bad_port_ends_gunicorn_with_these_settings(python, tmp_path, variable, value, expected):
    done = subprocess.run(
        [python.parent / "gunicorn", "--config", "python:hello_app.server"],
        cwd=tmp_path,
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        timeout=30,
    )
    check_refusal(done, variable, value, expected)


SLOW = """
import pathlib, time

def app(environ, start_response):
    pathlib.Path("started").touch()
    while not pathlib.Path("finish").exists():
        time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "4")])
    return [b"done"]
"""


def test_sigterm_lets_a_slow_request_finish(gunicorn, tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    server = gunicorn("slow:app")
    answers = []
    request = Thread(target=lambda: answers.append(server.request()))
    request.start()
    wait_until((tmp_path / "started").exists, "the request to reach the app")
    server.process.send_signal(signal.SIGTERM)
    wait_until(lambda: "Handling signal: term" in server.log.read_text(), "the signal to reach gunicorn")
    (tmp_path / "finish").touch()
    request.join()
    assert answers[0][2] == b"done"
    assert server.process.wait(20) == 0


def test_log_has_one_line_for_a_request(gunicorn):
    server = gunicorn()
    server.request(path="/?once")
    wait_until(lambda: "/?once" in server.log.read_text(), "the line")
    lines = [line for line in server.log.read_text().splitlines() if "/?once" in line]
    assert len(lines) == 1
    assert lines[0].endswith('"GET /?once HTTP/1.1" 200 12 "-" "-"')
