"""What `make test-image` prints in place of pytest: a line for each claim."""

import re

import pytest

said = set()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Print what became of a claim in one line, in the words of its test's name."""
    report = yield
    if report.when == "call" or not report.passed:
        parameters = [str(value) for name, value in item.callspec.params.items() if name != "image"]
        claim = " ".join([item.originalname.removeprefix("test_").replace("_", " "), *parameters])
        why = "" if report.passed else reason(call.excinfo.value)
        held = "holds" if report.passed else "does not apply: " if report.skipped else "does not hold: "
        if report.when == "setup" and why in said:
            held, why = "does not apply: ", "as above"
        print(f"{claim}: {held}{why}", flush=True)
        said.add(why)
    return report


def reason(error):
    """Return in one line what an error says: its first line and, of a log, the last that names an error."""
    first, *rest = [line for line in str(error).splitlines() if line] or [type(error).__name__]
    named = [line for line in rest if re.match(r"[\w.]*(Error|Exception|Exit)\b", line)]
    return " ".join([first, *(named or [line for line in rest if "[ERROR]" in line] or rest)[-1:]])
