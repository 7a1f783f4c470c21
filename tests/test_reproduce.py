"""`make reproduce`: the same source gives the same bytes, whatever folder holds it, and nothing sets the clock.

The images' digests are those of a release of the commit for this platform, where nothing is uncommitted.
"""

import json
import os

import pytest
from project import ROOT, RUN, commit, run

SOURCE = "Dockerfile .dockerignore .gitattributes LICENSE pyproject.toml requirements docker hello_app"
# The stages that both images have are built anew once for both.
ANEW = {"runtime": "--no-cache", "bare": "--no-cache-filter=collection,bare"}


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Two copies with other names, dates and umasks, of which one is a checkout with CRLF line endings."""
    folder = tmp_path_factory.mktemp("reproduce")
    one, other = folder / "one", folder / "another folder"
    one.mkdir()
    run("cp", "-r", *SOURCE.split(), one, cwd=ROOT)
    commit(one)
    run("git", "clone", "--quiet", "--config=core.autocrlf=true", one, other)
    for copy, umask, date in (one, 0o022, 1e9), (other, 0o077, 2e9):
        for path in copy.rglob("*"):
            path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
            os.utime(path, (date, date))
    return [one, other]


@pytest.mark.parametrize("target", ANEW)
def test_image_is_the_same(docker, copies, target):
    for copy in copies:
        output = f"type=oci,dest={copy / target},tar=false"
        run(ROOT / "release/build", copy, target, output, ANEW[target], "--provenance=false", "--sbom=false")
    indexes = [json.loads((copy / target / "index.json").read_bytes()) for copy in copies]
    one, other = (index["manifests"][0]["digest"] for index in indexes)
    print(target, one, other, sep="\n  ")
    assert one == other


def test_changed_static_file_is_not_304_after_a_release_and_an_unchanged_one_is(docker, source, serve, tmp_path):
    """Werkzeug's ETag is of date, size and path, and a browser that has the file sends it."""
    static = source / "hello_app/static"
    static.mkdir()
    # RUN, because the cache would give the dates of a build that had the same files.
    (static / "same.css").write_text(f"a {RUN}")
    tags = []
    for number, content in enumerate("bcc"):
        (static / "changed.css").write_text(f"{content} {RUN}")
        name = f"{RUN}:release-{number}"
        if number < 2:
            output = f"type=oci,name={name},dest={tmp_path / 'image.tar'}"
            run(ROOT / "release/build", source, "bare", output, "--provenance=false")
            docker("load", "--quiet", f"--input={tmp_path / 'image.tar'}")
        else:  # a plain build
            docker("build", "--target=bare", f"--tag={name}", source)
        server = serve(name)
        tags.append([server.request(f"/static/{file}.css")[1]["ETag"] for file in ("same", "changed")])
        docker("image", "rm", "--force", name)
    (same, changed), *others = tags
    assert all(other[0] == same and other[1] != changed for other in others), tags
    assert others[0] == others[1], tags
