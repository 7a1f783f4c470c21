"""What the image from scratch has, and that it lacks only what ADOPTING.md names."""

import json
import re

import pytest
from images import all_files, inspect, read_files, read_layers
from shell import edit

# Of the standard library. runtime cannot import tkinter either: slim has no Tk.
LEFT_OUT = {"curses", "_curses", "_curses_panel", "readline", "idlelib", "pydoc_data"}
LEFT_OUT |= {"venv", "turtledemo", "_dbm", "_gdbm"}
IMPORT = """
import contextlib, importlib, io, sys
imported = []
for name in sorted(sys.stdlib_module_names):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        importlib.import_module(name)
        imported.append(name)
print(*imported)
"""
# What an app can ask the system, under the name of the kind.
PROBE = """
import ctypes.util, getpass, grp, json, locale, os, platform, pwd, socket, ssl, time
import zoneinfo
from importlib import metadata

addresses = socket.getaddrinfo("twice.test", 80)
print(json.dumps({
    "locale": locale.setlocale(locale.LC_ALL, ""),
    "hosts": sorted({address[4][0] for address in addresses}),
    "name services": open("/etc/nsswitch.conf").read(),
    "ports": [socket.getservbyname("https"), socket.getprotobyname("tcp")],
    "time zones": [len(zoneinfo.available_timezones()), time.tzname],
    "time zone": str(zoneinfo.ZoneInfo("Europe/Paris")),
    "certificates": len(ssl.create_default_context().get_ca_certs()),
    "user": [getpass.getuser(), pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid())],
    "system": platform.freedesktop_os_release(),
    "packages": sorted(package.name for package in metadata.distributions()),
    "libgcc_s, for the end of threads": ctypes.CDLL("libgcc_s.so.1")._name,
    "find_library": [ctypes.util.find_library(name) for name in ("c", "ssl")],
}))
"""


@pytest.fixture
def python(docker, runtime, bare):
    """A function that returns what code prints in bare and in runtime."""
    hosts = [f"--add-host=twice.test:192.0.2.{number}" for number in (1, 2)]
    command = ["run", "--rm", *hosts]
    images = (bare, runtime)
    return lambda code: [
        docker(*command, name, "python", "-c", code) for name in images
    ]


def test_images_declare_the_same(runtime, bare):
    configs = [inspect(image)["Config"] for image in (runtime, bare)]
    # slim adds Python's version, and folders that bare does not have.
    slims = re.compile("PATH=|PYTHON_(VERSION|SHA256)=")
    for config in configs:
        config["Env"] = [line for line in config["Env"] if not slims.match(line)]
    assert configs[0] == configs[1]


def test_an_app_sees_the_same_system_in_both_images_but_for_find_library(python):
    in_bare, in_runtime = map(json.loads, python(PROBE))
    assert in_bare.pop("find_library") == [None, None]
    assert None not in in_runtime.pop("find_library")
    assert in_bare == in_runtime
    assert in_runtime["hosts"] == ["192.0.2.1", "192.0.2.2"]


def test_every_module_is_imported_but_those_left_out(python):
    in_bare, in_runtime = (set(names.split()) for names in python(IMPORT))
    assert in_runtime - in_bare == LEFT_OUT


def test_python_is_the_only_program_so_there_is_no_shell_and_no_setuid(bare):
    programs = [
        name
        for name, content in all_files(bare)
        if content and content.startswith(b"\x7fELF") and ".so" not in name
    ]
    assert re.fullmatch(r"usr/local/bin/python3\.\d+", *programs)


def test_each_library_is_of_a_package_that_scanners_find(docker, bare, runtime):
    names = {f"/{name}" for name in read_files(read_layers(bare)[0])}
    libraries = [name for name in names if re.match(r"/usr/lib/.*\.so\.", name)]
    search = ["dpkg-query", "--search", *libraries]
    owners = docker("run", "--rm", runtime, *search).splitlines()
    assert len(owners) == len(libraries) > 10
    packages = {owner.partition(":")[0] for owner in owners}
    assert {f"/var/lib/dpkg/status.d/{package}" for package in packages} <= names


# A package with files that look like a library and a module and are none, and with
# data in share/.
ODD = r"""
RUN mkdir /usr/local/share/odd /usr/local/lib/python3.14/site-packages/odd \
    && cd /usr/local/lib/python3.14/site-packages/odd \
    && touch /usr/local/share/odd/data.txt text.so \
    && echo '{{ name }} = 1' > template.py
"""


def test_odd_files_and_data_of_packages_stay(source, build):
    edit(source / "Dockerfile", " AS collection\n", f" AS collection\n{ODD}\n")
    names = [name for name, _ in all_files(build("--target=bare", source))]
    odd = {name.rpartition("/odd/")[2] for name in names if "/odd/" in name}
    assert odd == {"text.so", "template.py", "data.txt"}


COMPILE = "echo 'int x;' | g++ -x c++ -shared -Wl,--no-as-needed -o /out/x.so -"


def test_library_that_only_the_apps_own_code_links_is_there(docker, source, build):
    mount = f"--volume={source}/hello_app:/out"
    docker("run", "--rm", mount, "python:3.14", "sh", "-c", COMPILE)
    image = build("--target=bare", source)
    load = "import ctypes, hello_app; ctypes.CDLL(f'{hello_app.__path__[0]}/x.so')"
    docker("run", "--rm", image, "python", "-c", load)
