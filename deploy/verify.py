"""Build an image again and say whether it is the same: python3 deploy/verify.py IMAGE

IMAGE is a name in a registry or the path of an OCI archive; the checkout is that of its version. The status is 0 when
the image is the same, 1 when it differs, 2 when neither can be said. Nothing of the image is run. It may be written to
be read in one way here and in another by Docker: what a release does not have is refused, and every digest is checked.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import textwrap
from itertools import zip_longest
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).parent.parent
PLAIN = ["--provenance=false", "--sbom=false"]
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
TARGETS = ("runtime", "bare")
SYSTEMS = [
    {"os": "linux", "architecture": "amd64"},
    {"os": "linux", "architecture": "arm64"},
    {"os": "linux", "architecture": "arm64", "variant": "v8"},
]


class Different(Exception):
    """The first difference."""


def run(*command, **options):
    """Return what `command` prints; raise ValueError with the last line of its errors when its status is not 0."""
    done = subprocess.run(list(map(str, command)), capture_output=True, **options)
    if done.returncode:
        said = done.stderr.decode().strip() or f"{command[0]} failed"
        raise ValueError(said.splitlines()[-1].removeprefix("ERROR: "))
    return done.stdout


def inspect(*arguments):
    """Return what a registry answers."""
    try:
        return run("docker", "buildx", "imagetools", "inspect", *arguments, timeout=60)
    except subprocess.TimeoutExpired:
        raise ValueError("the registry has not answered in 60 s") from None


def sha256(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def parse(data):
    """Return the value of a JSON text; Docker takes keys that differ in case alone for one."""

    def unique(pairs):
        if len({key.casefold() for key, _ in pairs}) < len(pairs):
            raise ValueError("its JSON has a key twice")
        return dict(pairs)

    return json.loads(data, object_pairs_hook=unique)


def only(found, *keys):
    """Return a dict; raise ValueError where it has other keys than these."""
    if strange := sorted(found.keys() - set(keys)):
        raise ValueError(f"its JSON has a key that a release does not have: {strange[0]}")
    return found


class Image:
    """Blobs by digest, and the digest of the first one, which leads to the others."""

    def read(self, digest):
        """Return the JSON of a blob."""
        if not re.fullmatch("sha256:[0-9a-f]{64}", digest) or sha256(data := self.blob(digest)) != digest:
            raise ValueError(f"{digest} is not the digest of what it names")
        return parse(data)

    def choose(self, digest):
        """Read a manifest and its configuration, and of that the layers' digests and the steps that made them."""
        self.manifest = only(self.read(digest), "schemaVersion", "mediaType", "config", "layers", "annotations")
        for each in [self.manifest["config"], *self.manifest["layers"]]:
            only(each, "mediaType", "digest", "size", "annotations")
        if strange := [each for each in self.manifest["layers"] if not each["mediaType"].startswith(LAYER)]:
            raise ValueError(f"its manifest has a layer of type {strange[0]['mediaType']}")
        self.config = self.read(self.manifest["config"]["digest"])
        self.layers = self.config.pop("rootfs")["diff_ids"]
        if len(self.layers) != len(self.manifest["layers"]):
            raise ValueError("its manifest has another number of layers than its configuration")
        # Not compared, because another BuildKit writes the same instruction in other words.
        self.steps = [each["created_by"] for each in self.config.pop("history", []) if not each.get("empty_layer")]

    def step(self, number):
        """Return the instruction that made a layer, as the history has it."""
        return textwrap.shorten(self.steps[number], 80) if number < len(self.steps) else "an unknown step"


class Layout(Image):
    """An image in a folder of the OCI image layout."""

    def __init__(self, folder):
        self.folder = folder
        if not (folder / "index.json").is_file():
            raise ValueError("the archive has no index.json")
        index = only(parse((folder / "index.json").read_bytes()), "schemaVersion", "mediaType", "manifests")
        if len(index["manifests"]) != 1:
            raise ValueError(f"the archive has {len(index['manifests'])} images, and each could be the one that runs")
        self.digest = index["manifests"][0]["digest"]

    def blob(self, digest):
        return (self.folder / "blobs" / digest.replace(":", "/")).read_bytes()

    def predicates(self, digest, _):
        """Return the predicates of an attestation."""
        return [self.read(layer["digest"])["predicate"] for layer in self.read(digest)["layers"]]


class Registry(Image):
    """An image in a registry, read with the account of `docker login`."""

    def __init__(self, name):
        self.name, _, digest = name.partition("@")
        self.digest = sha256(inspect("--raw", "--", name))
        if digest not in ("", self.digest):
            raise ValueError(f"the registry gives {self.digest} for it")

    def blob(self, digest):
        return inspect("--raw", "--", f"{self.name}@{digest}")

    def predicates(self, _, system):
        """Return the predicate of a system's provenance, alone in a list, as no blob of that kind can be read."""
        found = parse(inspect("--format={{json .Provenance}}", "--", f"{self.name}@{self.digest}")) or {}
        return [found.get(system, found).get("SLSA", {})]


def unpack(name, folder):
    """Return the image of an archive, unpacked into a folder; raise ValueError where Docker could read another one.

    So it may have nothing but plain members, one after the other, each with the one way to write its header.
    """
    with open(name, "rb") as archive:
        while (header := archive.read(512)).strip(b"\0"):
            try:
                member = tarfile.TarInfo.frombuf(header, "ascii", "strict")
            except (tarfile.TarError, UnicodeError):
                raise ValueError("it is no OCI archive, or not as a release has it") from None
            exact, parts = member.tobuf(tarfile.USTAR_FORMAT), (slice(0, 148), slice(156, 329), slice(345, 512))
            path, data = folder / member.name, archive.read(member.size)
            if (
                not re.fullmatch(r"oci-layout|index\.json|blobs(/sha256(/[0-9a-f]{64})?)?", member.name)
                or member.type not in (tarfile.REGTYPE, tarfile.DIRTYPE)
                or (member.isdir() and member.size)
                # All but the checksum, and the numbers of a device, which Go writes otherwise.
                or [header[each] for each in parts] != [exact[each] for each in parts]
                or not re.fullmatch(rb"[0-7]{6}\0 ", header[148:156])
                or path.exists()
            ):
                raise ValueError(f"the archive has a member that a release does not have: {member.name}")
            if path.parent.name == "sha256" and sha256(data) != f"sha256:{path.name}":
                raise ValueError(f"{path.name} is not the digest of what it names")
            archive.read(-member.size % 512)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if member.isdir() else path.write_bytes(data)
        if archive.read().strip(b"\0"):
            raise ValueError("the archive goes on after its end")
    return Layout(folder)


def claims(image, system):
    """Return the digest of the image's manifest for a system; and of its provenance the target and the base images."""
    index = image.read(image.digest)
    if "manifests" not in index:
        raise ValueError("the image is no index with a provenance, which would name its base images")
    found, attestations = [], []
    for entry in only(index, "schemaVersion", "mediaType", "manifests", "annotations")["manifests"]:
        only(entry, "mediaType", "digest", "size", "platform", "annotations", "artifactType")
        if entry["mediaType"] != MANIFEST:
            raise ValueError(f"its index has an entry of type {entry['mediaType']}")
        if entry["platform"] in SYSTEMS:
            found += [entry["digest"]] * (f"linux/{entry['platform']['architecture']}" == system)
        elif entry["platform"] == {"os": "unknown", "architecture": "unknown"}:
            attestations.append(entry)
        else:
            raise ValueError(f"its index has an entry for {entry['platform']}")
    if len(found) != 1:
        raise ValueError(f"the image has {len(found)} manifests for {system}")
    predicates = [
        predicate
        for entry in attestations
        if entry["annotations"]["vnd.docker.reference.digest"] == found[0]
        for predicate in image.predicates(entry["digest"], system)
    ]
    definition = next((each["buildDefinition"] for each in predicates if "buildDefinition" in each), None)
    if not definition:
        raise ValueError(f"the image has no SLSA 1 provenance for {system}, which would name its base images")
    bases = {}
    for each in definition["resolvedDependencies"]:
        if each["uri"].startswith("pkg:docker/"):
            name = unquote(each["uri"].removeprefix("pkg:docker/").partition("?")[0]).replace("@", ":")
            bases[name] = "sha256:" + each["digest"]["sha256"]
    return found[0], definition["externalParameters"]["request"]["args"].get("target"), bases


def first(built, image, path=""):
    """Return the first key in which two dicts of dicts differ, and how."""
    if isinstance(built, dict) and isinstance(image, dict):
        for key in sorted(built.keys() | image.keys()):
            if built.get(key) != image.get(key):
                return first(built.get(key), image.get(key), f"{path} {key}")
    return f"{path} is {image}, not {built}"


def compare(built, image):
    """Raise Different when two images differ in a layer, in their configurations or in their manifests."""
    for number, (one, other) in enumerate(zip_longest(built.layers, image.layers)):
        if one != other:
            layer = f"layer {number + 1} ({(built if one else image).step(number)})"
            how = f"is {other}, not {one}" if one and other else "is missing" if one else "is added"
            raise Different(f"{layer} {how}")
    if built.config != image.config:
        raise Different(f"configuration:{first(built.config, image.config)}")
    manifests = [{**each.manifest, "layers": "", "config": ""} for each in (built, image)]
    if manifests[0] != manifests[1]:
        raise Different(f"manifest:{first(*manifests)}")


def verify(name, folder):
    """Return in which way an image is the same; raise Different, or another error when that cannot be said."""
    if not name:
        raise ValueError("name an image in a registry, or the file of an OCI archive: make verify IMAGE=...")
    is_file = Path(name).is_file() or name.startswith((".", "/")) or name.endswith(".tar")
    image = unpack(name, folder / "archive") if is_file else Registry(name)
    system = run("docker", "version", "--format={{.Server.Os}}/{{.Server.Arch}}").decode().strip()
    digest, target, bases = claims(image, system)
    image.choose(digest)

    revision = (image.config["config"].get("Labels") or {}).get("org.opencontainers.image.revision")
    if revision != (head := run("git", "rev-parse", "HEAD", cwd=ROOT).decode().strip()):
        raise ValueError(f"the image is of revision {revision}, and the checkout of {head}")
    if target not in TARGETS:
        raise ValueError(f"the image is of target {target}, and a release is {' or '.join(TARGETS)}")
    source = folder / "source"
    run("git", "clone", "--quiet", ROOT, source)
    dockerfile = (source / "Dockerfile").read_text()
    # A provenance may name any base image: those that the source names count, from where it names them.
    named = set(re.findall(r"^FROM ([^\s@]+:[^\s@]+)", dockerfile, re.MULTILINE))
    if strange := sorted(bases.keys() - named):
        raise Different(f"base image {strange[0]}, which the Dockerfile does not name")
    if missing := sorted(named - bases.keys()):
        raise ValueError(f"its provenance does not name the base image {missing[0]}")
    # Not --build-context: with that, an older BuildKit dates the files of the base image too.
    for base, pin in bases.items():
        if not re.fullmatch("sha256:[0-9a-f]{64}", pin):
            raise ValueError(f"its provenance names the base image {base} by no digest")
        dockerfile = re.sub(rf"(?m)^FROM {re.escape(base)}(?=\s)", rf"\g<0>@{pin}", dockerfile)
    (source / "Dockerfile").write_text(dockerfile)
    output = f"type=oci,dest={folder / 'built'},tar=false"
    run(source / "release/build", source, target, output, f"--platform={system}", *PLAIN)

    built = Layout(folder / "built")
    same = f"{image.digest} has for {system} {digest}, which is {target} of {revision}, built on "
    same += ", ".join(f"{base}@{bases[base]}" for base in bases)
    if built.digest == digest:
        return f"The same to the byte: {same}"
    built.choose(built.digest)
    compare(built, image)
    other = f"compressed or described otherwise, as by another BuildKit ({built.digest} here)"
    return f"The same files and configuration, {other}: {same}"


if __name__ == "__main__":
    try:
        with tempfile.TemporaryDirectory() as folder:
            print(verify("".join(sys.argv[1:]), Path(folder)))
    except Exception as reason:
        said = "Different" if isinstance(reason, Different) else "Cannot verify"
        if not isinstance(reason, (Different, OSError, ValueError)):
            reason = f"its JSON is not of the form that a release has ({reason!r})"
        # The image's own words must not write to the terminal what they like.
        print(f"{said}: {re.sub(r'[^ -~]', '?', str(reason))}", file=sys.stderr)
        sys.exit(1 if said == "Different" else 2)
