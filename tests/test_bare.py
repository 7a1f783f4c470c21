"""What the image from scratch has, and that it differs from runtime in nothing else than what ADOPTING.md names."""

import io
import json
import re
import tarfile

import pytest
from project import edit, members

# Of the standard library. runtime cannot import tkinter either: slim has no Tk.
LEFT_OUT = {*"curses _curses _curses_panel readline idlelib pydoc_data venv turtledemo _dbm _gdbm".split()}
IMPORT = """
import contextlib, importlib, io, sys
imported = []
for name in sorted(sys.stdlib_module_names):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(name)
        imported.append(name)
print(*imported)
"""
PROBE = """
import ctypes.util, getpass, grp, json, locale, mimetypes, os, platform, pwd
import socket, sqlite3, ssl, sys, tempfile, time, zoneinfo
from importlib import metadata
print(json.dumps({
    "locale": [locale.setlocale(locale.LC_ALL, ""), locale.getencoding(), sys.getfilesystemencoding()],
    "hosts": sorted({address[4][0] for address in socket.getaddrinfo("twice.test", 80)}),
    "network": [open("/etc/nsswitch.conf").read(), socket.getservbyname("https"), socket.getprotobyname("tcp")],
    "time zones": [len(zoneinfo.available_timezones()), time.tzname, str(zoneinfo.ZoneInfo("Europe/Paris"))],
    "certificates": [len(ssl.create_default_context().get_ca_certs()), ssl.OPENSSL_VERSION],
    "users": [getpass.getuser(), pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid()), os.path.expanduser("~")],
    "temporary files": [tempfile.gettempdir(), os.path.exists(tempfile.NamedTemporaryFile().name)],
    "MIME types": [mimetypes.guess_type("a." + ending)[0] for ending in "css js woff2 svg webp docx".split()],
    "system": [platform.platform(), platform.freedesktop_os_release(), sqlite3.sqlite_version],
    "packages": sorted(each.name for each in metadata.distributions()),
    "find_library": [ctypes.util.find_library(name) for name in ("c", "ssl", "sqlite3")],
    "native code": [ctypes.CDLL("libgcc_s.so.1")._name, __import__("markupsafe")._escape_inner.__module__],
}))
"""


@pytest.fixture
def python(docker, runtime, bare):
    """A function that runs code in both images, and returns what it prints in bare and in runtime."""
    command = ["run", "--rm", "--add-host=twice.test:192.0.2.1", "--add-host=twice.test:192.0.2.2"]
    return lambda code: [docker(*command, image, "python", "-c", code) for image in (bare, runtime)]


def test_images_declare_the_same(docker, runtime, bare):
    configs = [json.loads(docker("image", "inspect", image))[0]["Config"] for image in (runtime, bare)]
    for config in configs:
        # slim adds Python's version, and folders that bare does not have.
        config["Env"] = {each for each in config["Env"] if not re.match("PATH=|PYTHON_(VERSION|SHA256)=", each)}
    assert configs[0] == configs[1]


def test_probe_finds_the_same_in_both_images_but_find_library(python):
    seen, expected = map(json.loads, python(PROBE))
    assert seen.pop("find_library") == [None] * 3 != expected.pop("find_library")
    assert seen == expected
    assert expected["hosts"] == ["192.0.2.1", "192.0.2.2"]


def test_every_module_is_imported_but_those_left_out(python):
    in_bare, in_runtime = (set(printed.split()) for printed in python(IMPORT))
    assert in_runtime - in_bare == LEFT_OUT


def test_python_is_the_only_program_so_there_is_no_shell_and_no_setuid(bare, layers):
    found = []
    for layer in layers(bare):
        with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
            files = [file for file in archive if file.isfile() and ".so" not in file.name]
            found += [file.name for file in files if archive.extractfile(file).read(4) == b"\x7fELF"]
    assert re.fullmatch(r"usr/local/bin/python3\.\d+", *found)


def test_each_library_is_of_a_package_that_scanners_find(docker, bare, runtime, layers):
    names = [f"/{file.name}" for file in members(layers(bare)[0])]
    libraries = [name for name in names if name.startswith("/usr/lib/") and ".so." in name]
    owners = docker("run", "--rm", runtime, "dpkg-query", "--search", *libraries).splitlines()
    assert len(owners) == len(libraries) > 10
    assert {f"/var/lib/dpkg/status.d/{owner.partition(':')[0]}" for owner in owners} - {*names} == set()


# A package with files that look like a library and a module and are none, and with
# data in share/.
ODD = r"""
RUN mkdir /odd /usr/local/share/odd && cd /odd && echo data > /usr/local/share/odd/data.txt \
    && echo text > text.so && echo '{{ name }} = 1' > template.py \
    && printf '\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\003\000\267\000' > arm64.so \
    && mv /odd /usr/local/lib/python3.*/site-packages
"""


def test_odd_files_and_data_of_packages_stay(source, build, layers):
    edit(source / "Dockerfile", " AS collection\n", f" AS collection\n{ODD}\n")
    image = build("--target=bare", source)
    names = {file.name for layer in layers(image) for file in members(layer)}
    odd = {name.rpartition("/odd/")[2] for name in names if "/odd/" in name}
    assert odd == {"text.so", "template.py", "arm64.so", "data.txt"}


COMPILE = "echo 'int x;' | g++ -x c++ -shared -Wl,--no-as-needed -o /out/x.so -"


def test_library_that_only_the_apps_own_code_links_is_there(docker, source, build):
    mount = f"--volume={source}/hello_app:/out"
    docker("run", "--rm", mount, "python:3.14", "sh", "-c", COMPILE)
    image = build("--target=bare", source)
    load = "import ctypes, hello_app; ctypes.CDLL(f'{hello_app.__path__[0]}/x.so')"
    docker("run", "--rm", image, "python", "-c", load)
