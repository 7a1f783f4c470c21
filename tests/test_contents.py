"""The contract of what an image contains: each test is a claim, and says in one line what breaks it."""

import io
import re
import tarfile

import pytest
from project import members, some


@pytest.fixture(scope="module")
def user(config, archive):
    """The numbers of the user and its group, and its line of /etc/passwd if it has one."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        has_users = "etc/passwd" in tar.getnames()
        lines = tar.extractfile("etc/passwd").read().decode().splitlines() if has_users else []
    name, _, group = (config["User"] or "0:0").partition(":")
    found = next((line.split(":") for line in lines if name in line.split(":")[0:3:2]), None)
    numbers = found[2:4] if found else [name, group if group.isdigit() else "0"]
    return int(numbers[0]), int(group if group.isdigit() else numbers[1]), found


def test_user_is_numeric_and_not_root(config):
    user = config["User"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), f"USER is {user!r}, expected numbers as in 10001:10001"


def test_user_has_a_name(user):
    assert user[2], f"user {user[0]} is not in /etc/passwd"


def test_user_can_write_to_tmp_and_its_volumes_alone(container, files, user):
    assert user[0], "root can write everywhere"
    mounted = container.inspect("{{range .Mounts}}{{.Destination}} {{end}}").split()
    allowed = {"tmp", *(each.strip("/") for each in mounted)}

    def is_writable(file):
        bits = 0o002 | (0o020 if file.gid == user[1] else 0)
        return not file.issym() and (file.uid == user[0] or file.mode & bits)

    found = [file.name for file in files if is_writable(file) and file.name not in allowed]
    assert not found, some(found)


# Wheels, pip and caches; tools; what the build reads, but packages may have modules of these names.
LEFT = r"(.*/)?(.*\.whl|pip|pip[3-][^/]*|ensurepip|\.cache)|.*bin/(cc|gcc|g\+\+|cpp|ld|as|make|git|curl|wget)"
LEFT += r"|(?!.*site-packages/)(.*/)?(pyproject\.toml|Dockerfile|bytecode\.py|collect\.sh|dates\.py)"


def test_nothing_of_the_build_is_left(files):
    found = [file.name for file in files if re.fullmatch(LEFT, file.name)]
    assert not found, some(found)


def test_no_layer_has_a_secret_or_a_repository(layers, image):
    found = [file.name for layer in layers(image) for file in members(layer)]
    found = [name for name in found if name.rpartition("/")[2] in (".env", ".git", "id_rsa", ".netrc", "pip.conf")]
    assert not found, some(found)
