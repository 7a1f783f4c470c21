import os
import sys
import tomllib
import zipfile
from email import message_from_bytes

import pytest
from servers import ROOT, run

NAME = f"hello_app-{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"


def build(source, out):
    """Build the wheel of the tree `source` as the stage `application` does, and return its path in `out`."""
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
    run(*command, env=os.environ | {"SOURCE_DATE_EPOCH": "315532800"})
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


def test_name_says_any_python_3_on_any_platform(wheel):
    assert wheel.name == f"{NAME}-py3-none-any.whl"


def test_holds_the_package_its_license_and_metadata_and_nothing_else(wheel):
    assert set(zipfile.ZipFile(wheel).namelist()) == {
        "hello_app/__init__.py",
        f"{NAME}.dist-info/METADATA",
        f"{NAME}.dist-info/RECORD",
        f"{NAME}.dist-info/WHEEL",
        f"{NAME}.dist-info/licenses/LICENSE",
    }


def test_metadata_is_full(wheel):
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_bytes(archive.read(f"{NAME}.dist-info/METADATA"))
    assert metadata["Name"] == "hello_app"
    assert "Hello world!" in metadata["Summary"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Requires-Dist") == ["flask", "gunicorn >=27.0.1"]
