import os
import zipfile
from email import message_from_bytes

from conftest import build_wheel, copy_source


def read(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        return archive.read(name)


def test_name_says_any_python_3_on_any_platform(wheel):
    assert wheel.name == "hello_app-1.0.0-py3-none-any.whl"


def test_holds_the_package_its_license_and_metadata_and_nothing_else(wheel):
    assert set(zipfile.ZipFile(wheel).namelist()) == {
        "hello_app/__init__.py",
        "hello_app/server.py",
        "hello_app/worker.py",
        "hello_app-1.0.0.dist-info/METADATA",
        "hello_app-1.0.0.dist-info/RECORD",
        "hello_app-1.0.0.dist-info/WHEEL",
        "hello_app-1.0.0.dist-info/licenses/LICENSE",
    }


def test_metadata_is_full(wheel):
    metadata = message_from_bytes(read(wheel, "hello_app-1.0.0.dist-info/METADATA"))
    assert metadata["Name"] == "hello_app"
    assert metadata["Version"] == "1.0.0"
    assert "Hello world!" in metadata["Summary"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata.get_all("Requires-Dist") == ["flask", "gunicorn >=27.0.1"]


def test_same_bytes_from_another_clone(wheel, tmp_path):
    clone = copy_source(tmp_path / "another clone")
    for path in clone.rglob("*"):
        os.utime(path, (1e9, 1e9))
        path.chmod(path.stat().st_mode & ~0o077)
    assert build_wheel(clone, tmp_path / "out").read_bytes() == wheel.read_bytes()
