"""What the image from scratch has, and that it differs from runtime in nothing else than what the README names."""

import json
import re
import subprocess

import pytest
from project import ROOT, members

# Of the standard library. runtime cannot import tkinter either: slim has no Tk.
LEFT_OUT = {
    "curses",
    "_curses",
    "_curses_panel",
    "readline",
    "idlelib",
    "pydoc_data",
    "venv",
    "turtledemo",
    "_dbm",
    "_gdbm",
}
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
    "DNS": open("/etc/nsswitch.conf").read(),
    "services": [socket.getservbyname("https"), socket.getprotobyname("tcp")],
    "time zones": [len(zoneinfo.available_timezones()), time.tzname, str(zoneinfo.ZoneInfo("Europe/Paris"))],
    "certificates": [len(ssl.create_default_context().get_ca_certs()), ssl.OPENSSL_VERSION],
    "users": [getpass.getuser(), pwd.getpwuid(os.getuid()), grp.getgrgid(os.getgid()), os.path.expanduser("~")],
    "temporary files": [tempfile.gettempdir(), os.path.exists(tempfile.NamedTemporaryFile().name)],
    "MIME types": [mimetypes.guess_type("a." + ending)[0] for ending in "css js woff2 svg webp docx".split()],
    "sqlite": sqlite3.sqlite_version,
    "system": [platform.platform(), platform.freedesktop_os_release()],
    "packages": sorted(each.name for each in metadata.distributions()),
    "find_library": [ctypes.util.find_library(name) for name in ("c", "ssl", "sqlite3")],
    "libgcc_s": ctypes.CDLL("libgcc_s.so.1")._name,
    "native code": __import__("markupsafe")._escape_inner.__module__,
}))
"""


def test_images_declare_the_same(docker, runtime, bare):
    def declared(image):
        config = json.loads(docker("image", "inspect", image))[0]["Config"]
        # slim adds Python's version, and folders that bare does not have.
        of_slim = ("PATH=", "PYTHON_VERSION=", "PYTHON_SHA256=")
        config["Env"] = {each for each in config["Env"] if not each.startswith(of_slim)}
        return config

    assert declared(bare) == declared(runtime)


def test_probe_finds_the_same_in_both_images_but_find_library(docker, runtime, bare):
    hosts = ["--add-host=twice.test:192.0.2.1", "--add-host=twice.test:192.0.2.2"]
    seen, expected = (
        json.loads(docker("run", "--rm", *hosts, image, "python", "-c", PROBE)) for image in (bare, runtime)
    )
    assert seen.pop("find_library") == [None] * 3
    expected.pop("find_library")
    assert seen == expected
    assert expected["hosts"] == ["192.0.2.1", "192.0.2.2"]
    assert expected["native code"] == "markupsafe._speedups"


def test_every_module_is_imported_but_those_left_out(docker, runtime, bare):
    in_bare, in_runtime = (
        set(docker("run", "--rm", image, "python", "-c", IMPORT).split()) for image in (bare, runtime)
    )
    assert in_runtime - in_bare == LEFT_OUT


def test_python_is_the_only_program_so_there_is_no_shell_and_no_setuid(docker, bare):
    code = """
import os
for at, _, names in os.walk("/"):
    for path in (os.path.join(at, name) for name in names if not at.startswith(("/proc", "/sys", "/dev"))):
        if not os.path.islink(path) and ".so" not in path and open(path, "rb").read(4) == b"\\x7fELF":
            print(path)
"""
    assert docker("run", "--rm", "--user=0", bare, "python", "-c", code) == f"/usr/local/bin/python{VERSION}\n"


def test_each_library_is_of_a_package_that_scanners_find(docker, bare, runtime, layers):
    names = [f"/{file.name}" for file in members(layers(bare)[0])]
    libraries = [name for name in names if name.startswith("/usr/lib/") and ".so." in name]
    owners = docker("run", "--rm", runtime, "dpkg-query", "--search", *libraries).splitlines()
    assert len(owners) == len(libraries) > 10
    assert {f"/var/lib/dpkg/status.d/{owner.partition(':')[0]}" for owner in owners} - {*names} == set()


VERSION = re.search(r"python:(3\.\d+)", (ROOT / "Dockerfile").read_text())[1]
PACKAGES = f"/usr/local/lib/python{VERSION}/site-packages"
ODD = f"""
RUN mkdir -p {PACKAGES}/odd/bin && cd {PACKAGES}/odd && echo 'this is no library' > text.so \\
    && echo 'x = 1' > bin/script.py && python -m compileall -q bin && mv bin/__pycache__/*.pyc bin/script.pyc \\
    && printf '\\177ELF\\002\\001\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000\\003\\000\\267\\000' > other.so
"""


@pytest.fixture
def odd(docker, source):
    """A function that installs more in a copy, before what bare has is collected, and returns the copy."""
    dockerfile = source / "Dockerfile"

    def add(instructions):
        text = dockerfile.read_text()
        dockerfile.write_text(text.replace(" AS collection\n", f" AS collection\n{instructions}\n"))
        return source

    return add


def test_files_that_are_no_libraries_of_this_system_are_kept(odd, build, layers, serve):
    image = build(odd(ODD), "--target=bare")
    found = [file.name for layer in layers(image) for file in members(layer) if "/odd/" in file.name]
    assert {name.rpartition("/")[2] for name in found} == {"bin", "text.so", "script.pyc", "other.so"}
    serve(image)


# What the full image has and slim has not: what libpq links is missing too.
LINKED = f"""
COPY --from=dependencies /usr/lib/*-linux-gnu/libpq.so.5 {PACKAGES}/odd/
RUN echo {{!r}} > {PACKAGES}/odd/__init__.py
"""


@pytest.mark.parametrize(("code", "status"), [("import ctypes; ctypes.CDLL(__path__[0] + '/libpq.so.5')", 1), ("", 0)])
def test_missing_library_is_named_and_ends_the_build_where_it_is_needed(odd, code, status):
    folder = odd(LINKED.format(code))
    command = ["docker", "build", "--progress=plain", "--target=bare", "--no-cache-filter=collection", folder]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "/odd/libpq.so.5" in done.stderr) == (status, True), done.stderr
    assert re.search(r"odd/libpq\.so\.5:\s+libldap\S* => not found", done.stderr), done.stderr
