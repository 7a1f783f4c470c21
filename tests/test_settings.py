"""What docker/gunicorn.conf.py sets, as gunicorn itself reads it."""

import os
import subprocess
import sys

import pytest
from servers import ROOT, SETTINGS, run

GUNICORN = [sys.executable, "-m", "gunicorn", "--config", SETTINGS]


def print_config(**variables):
    command = [*GUNICORN, *([] if os.path.isdir("/dev/shm") else ["--worker-tmp-dir=/tmp"]), "--print-config"]
    printed = run(*command, env=os.environ | variables, cwd=ROOT)
    return dict(map(str.strip, line.split("=", 1)) for line in printed.splitlines() if "=" in line)


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        ("PORT", "9999", "bind", "['0.0.0.0:9999']"),
        ("PORT", "", "bind", "['0.0.0.0:8080']"),
        ("WEB_CONCURRENCY", "3", "workers", "3"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.0/8", "forwarded_allow_ips", "['10.0.0.0/8']"),
        ("GUNICORN_CMD_ARGS", "--workers=5 --max-requests 7", "workers", "5"),
        ("GUNICORN_CMD_ARGS", "", "workers", "2"),
        ("GUNICORN_CMD_ARGS", "--bind=[::]:8080", "bind", "['[::]:8080']"),
    ],
)
def test_variable(variable, value, setting, expected):
    assert print_config(**{variable: value})[setting] == expected


def test_every_name_in_the_file_is_a_setting_of_gunicorn():
    """gunicorn ignores a name that it does not know."""
    from gunicorn.config import KNOWN_SETTINGS

    names = {}
    exec(compile(SETTINGS.read_text(), SETTINGS, "exec"), names)
    # Its imports and what it computes aside.
    unknown = names.keys() - {setting.name for setting in KNOWN_SETTINGS}
    assert {name for name in unknown if not name.startswith("__")} == {"flask", "gc", "os", "port", "sys"}


def test_idle_connection_is_kept_longer_than_a_load_balancer_keeps_it():
    assert int(print_config()["keepalive"]) > 60


def test_requests_end_before_docker_stop_kills():
    assert int(print_config()["graceful_timeout"]) < 10


@pytest.mark.parametrize("setting", ["PORT=x", "PORT=0", "PORT=99999", "PORT=-1", "WEB_CONCURRENCY=0"])
def test_bad_value_ends_the_start_with_one_line(setting):
    variable, value = setting.split("=")
    variables = os.environ | {variable: value}
    done = subprocess.run(GUNICORN, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{variable}=")
    assert "expected a whole number from 1" in done.stderr
    assert len(done.stderr.splitlines()) == 1
