"""Build an image again and say whether it is the same: python3 deploy/verify.py IMAGE

IMAGE is a name in a registry or the path of an OCI archive; the checkout is that of its version. The status is 0 when
the image is the same, 1 when it differs, 2 when neither can be said. Nothing of the image is run.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parent.parent
INSPECT = ["docker", "buildx", "imagetools", "inspect"]
PLAIN = ["--provenance=false", "--sbom=false"]


class Different(Exception):
    """The first difference."""


def run(*command, **options):
    """Return what `command` prints; raise ValueError with the last line of its errors when its status is not 0."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        raise ValueError((done.stderr.strip() or f"{command[0]} failed").splitlines()[-1])
    return done.stdout


class Archive:
    """An image in a folder of the OCI image layout, such as an unpacked archive."""

    def __init__(self, folder):
        self.folder, self.where = folder, f"oci-layout://{folder}"
        entries = json.loads((folder / "index.json").read_bytes())["manifests"]
        if len(entries) != 1 or (folder / "manifest.json").exists():
            raise ValueError("the archive has more than one image or index, and each could be the one that runs")
        self.digest = entries[0]["digest"]

    def path(self, digest):
        """Return the path of a blob."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def read(self, digest):
        """Return the JSON of a blob."""
        return json.loads(self.path(digest).read_bytes())

    def provenance(self, manifest, system):
        """Return the predicate of a manifest's provenance, or {}."""
        attached = [
            self.read(layer["digest"])["predicate"]
            for entry in self.read(self.digest)["manifests"]
            if entry.get("annotations", {}).get("vnd.docker.reference.digest") == manifest
            for layer in self.read(entry["digest"])["layers"]
        ]
        return next((predicate for predicate in attached if "buildDefinition" in predicate), {})


class Registry:
    """An image in a registry, read with the account of `docker login`."""

    def __init__(self, name):
        self.name = name.partition("@")[0]
        self.where = f"docker-image://{self.name}"
        self.digest = "sha256:" + hashlib.sha256(run(*INSPECT, "--raw", name).encode()).hexdigest()

    def read(self, digest):
        """Return the JSON of a manifest."""
        return json.loads(run(*INSPECT, "--raw", f"{self.name}@{digest}"))

    def provenance(self, manifest, system):
        """Return the predicate of a system's provenance, or {}."""
        found = json.loads(run(*INSPECT, "--format={{json .Provenance}}", f"{self.name}@{self.digest}")) or {}
        return found.get(system, found).get("SLSA", {})


def unpack(image, digest, folder):
    """Have BuildKit fetch an image and undo its compression; return its configuration and the paths of its layers."""
    output = f"--output=type=oci,dest={folder},tar=false,compression=uncompressed,force-compression=true"
    context = f"--build-context=image={image.where}@{digest}"
    run("docker", "buildx", "build", *PLAIN, output, context, "-", input="FROM image\n")
    copy = Archive(folder)
    manifest = copy.read(copy.digest)
    return copy.read(manifest["config"]["digest"]), [copy.path(layer["digest"]) for layer in manifest["layers"]]


def files(layer):
    """Return what a layer says of each file, by name; a folder's ends with a slash."""
    with tarfile.open(layer) as archive:
        return {
            file.name + "/" * file.isdir(): {
                "content": file.isreg() and hashlib.sha256(archive.extractfile(file).read()).hexdigest(),
                "mode": oct(file.mode),
                "owner": f"{file.uid}:{file.gid}",
                "date": file.mtime,
                "type": file.type.decode(),
                "link": file.linkname,
                "attributes": file.pax_headers,
            }
            for file in archive
        }


def first(built, image, path=""):
    """Return the first key in which two dicts of dicts differ, and how, or None."""
    if built is None or image is None:
        return f"{path} is {'added' if built is None else 'missing'}"
    if not isinstance(built, dict) or not isinstance(image, dict):
        return None if built == image else f"{path} is {image}, not {built}"
    # A RECORD, or the date of a folder, only repeats which other file differs.
    keys = sorted(built.keys() | image.keys(), key=lambda key: (key.endswith(("/RECORD", "/")), key))
    return next(filter(None, (first(built.get(key), image.get(key), f"{path} {key}") for key in keys)), None)


def compare(built, image):
    """Raise Different when two unpacked images differ: layer by layer, then their configurations."""
    (config, layers), (other, others) = built, image
    # The history is compared of a layer that differs: another BuildKit writes the same instruction in other words.
    steps, other_steps = (
        [step for step in each.pop("history") if not step.get("empty_layer")] for each in (config, other)
    )
    for number in range(max(len(layers), len(others))):
        step = (steps[number:] or other_steps[number:])[0]
        # What is built here has the date 0, as the configuration has.
        kind = "layer" if step["created"] == config["created"] else "base layer"
        made = f"{kind} {number + 1} ({textwrap.shorten(step['created_by'], 80)})"
        if number >= min(len(layers), len(others)):
            raise Different(f"{made} is {'added' if number >= len(layers) else 'missing'}")
        if layers[number].name != others[number].name:
            if step["created_by"] != (by := other_steps[number]["created_by"]):
                raise Different(f"{made} is made by another step: {textwrap.shorten(by, 80)}")
            how = first(files(layers[number]), files(others[number])) or " the order of its files"
            raise Different(f"{made}:{how}")
    if how := first(config, other):
        raise Different(f"configuration:{how}")


def given(name, folder):
    """Return the image that a name is of: an archive, unpacked into `folder`, or one in a registry."""
    if not Path(name).is_file() and not name.startswith((".", "/")):
        return Registry(name)
    if not tarfile.is_tarfile(name):  # raises when there is no such file
        raise ValueError("it is no archive")
    folder.mkdir()
    run("tar", "--extract", "--directory", folder, "--file", name)
    return Archive(folder)


def claims(image, system):
    """Return what an image for a system says of itself: its digest, and by its provenance target and base images."""
    entries = image.read(image.digest).get("manifests", [])
    found = [each["digest"] for each in entries if "{os}/{architecture}".format(**each["platform"]) == system]
    if len(found) > 1:
        raise ValueError(f"the image has {len(found)} manifests for {system}")
    if not found or not (definition := image.provenance(found[0], system).get("buildDefinition")):
        raise ValueError(f"the image has no SLSA 1 provenance for {system}, which would name its base images")
    bases = {}
    for each in definition["resolvedDependencies"]:
        if each["uri"].startswith("pkg:docker/"):
            name = unquote(each["uri"].removeprefix("pkg:docker/").partition("?")[0]).replace("@", ":")
            # It is written into a Dockerfile below.
            bases[name] = "sha256:" + re.fullmatch("[0-9a-f]{64}", each["digest"]["sha256"])[0]
    return found[0], definition["externalParameters"]["request"]["args"].get("target"), bases


def verify(name, folder):
    """Return in which way an image is the same; raise Different, or another error when that cannot be said."""
    if not name:
        raise ValueError("name an image in a registry, or the file of an OCI archive: make verify IMAGE=...")
    image = given(name, folder / "archive")
    system = run("docker", "version", "--format={{.Server.Os}}/{{.Server.Arch}}").strip()
    digest, target, bases = claims(image, system)
    unpacked = unpack(image, digest, folder / "image")

    revision = (unpacked[0]["config"].get("Labels") or {}).get("org.opencontainers.image.revision")
    if revision != (head := run("git", "rev-parse", "HEAD", cwd=ROOT).strip()):
        raise ValueError(f"the image is of revision {revision}, and the checkout of {head}")
    source = folder / "source"
    run("git", "clone", "--quiet", ROOT, source)
    dockerfile = (source / "Dockerfile").read_text()
    if target not in re.findall(r"^FROM .* AS (\S+)", dockerfile, re.MULTILINE):
        raise ValueError(f"the image is of target {target}, which the Dockerfile does not have")
    # A provenance may name any base image: only those that the source names count, from where it names them.
    if strange := sorted(bases.keys() - set(re.findall(r"^FROM ([^\s@]+:[^\s@]+)", dockerfile, re.MULTILINE))):
        raise Different(f"base image {strange[0]}, which the Dockerfile does not name")
    # Not --build-context: with that, an older BuildKit dates the files of the base image too.
    for base in bases:
        dockerfile = re.sub(rf"(?m)^FROM {re.escape(base)}(?=\s)", rf"\g<0>@{bases[base]}", dockerfile)
    (source / "Dockerfile").write_text(dockerfile)
    output = f"type=oci,dest={folder / 'built'},tar=false"
    run(source / "deploy/image", source, target, output, f"--platform={system}", *PLAIN)
    built = Archive(folder / "built")
    compare(unpack(built, built.digest, folder / "unpacked"), unpacked)

    on = ", ".join(f"{base}@{bases[base]}" for base in bases)
    same = f"{digest} is {target} of {revision}, built on {on}"
    if built.digest == digest:
        return f"The same to the byte: {same}"
    # What they name has been compared.
    manifests = [{**each, "layers": "", "config": ""} for each in (built.read(built.digest), image.read(digest))]
    if how := first(*manifests):
        raise Different(f"manifest:{how}")
    other = f"compressed or described otherwise, as by another BuildKit ({built.digest} here)"
    return f"The same files and configuration, {other}: {same}"


if __name__ == "__main__":
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(verify("".join(sys.argv[1:]), Path(folder)))
    except Exception as reason:  # of any type, as the image's JSON may be anything
        said = "Different" if isinstance(reason, Different) else "Cannot verify"
        # The image's own words must not write to the terminal what they like.
        print(f"{said}: {re.sub(r'[^ -~]', '?', str(reason))}", file=sys.stderr)
        sys.exit(1 if said == "Different" else 2)
