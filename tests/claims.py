"""What `make test-image` prints in place of pytest: a line for each claim."""

import re

import pytest

from adopt import pointer

# What an app can break by itself. The other claims are about the pattern's files.
APP = {
    "test_paths_are_answered",
    "test_HEAD_is_answered_as_GET_without_a_body",
    "test_docker_stop_is_graceful",
    "test_runs_hardened_without_an_error_in_the_log",
    "test_holds_on",
}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print what became of a claim, and stop where the app does not answer."""
    report = yield
    if report.when == "call" or not report.passed:
        print(f"{claim(item)}: {outcome(item, report, call.excinfo)}", flush=True)
    first = report.when == "setup" or item.originalname == "test_paths_are_answered"
    if report.failed and first:
        item.session.shouldstop = "the app does not answer"
    return report


def pytest_collectreport(report):
    """Print why there is no claim."""
    if report.failed:
        print(report.longrepr, flush=True)


def claim(item):
    """Return a claim in the words of its test's name."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    values = [value for name, value in parameters.items() if name != "image"]
    name = item.originalname.removeprefix("test_").replace("_", " ")
    return " ".join([name, *values])


def outcome(item, report, excinfo):
    """Return whether a claim holds, and if not, whom it concerns and why."""
    if report.passed:
        return "holds"
    if report.skipped:
        return f"does not apply: {reason(excinfo.value)}"
    concerns = "app" if item.originalname in APP else "pattern"
    return f"does not hold ({concerns}): {reason(excinfo.value)}"


def reason(error):
    """Return an error in one line, with the line of ADOPTING.md that has its text.

    Of a log behind its first line, this takes the last line that names an error.
    """
    first, *log = [line for line in str(error).splitlines() if line] or [repr(error)]
    error_line = re.compile(r"[\w.]*(Error|Exception|Exit)\b|docker: |unknown flag")
    named = [line for line in log if error_line.match(line)]
    named = named or [line for line in log if "[ERROR]" in line] or log
    text = " ".join([first, *named[-1:]])
    return text + pointer(text)
