"""The commands of the README."""

import re

from shell import ROOT


def commands(text):
    """Return the lines of the shell blocks in a text."""
    blocks = re.findall(r"```sh\n(.*?)\n *```", text, re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


README = (ROOT / "README.md").read_text()
before, _, rest = README.partition("\n## Put your own app in\n")
section, _, after = rest.partition("\n## ")
ADOPTION = commands(section)
OTHERS = commands(before + after)
# The options of the hardened `docker run`.
hardened = " ".join(line for line in OTHERS if "--read-only" in line)
HARDENED = hardened.removesuffix(" hello").partition(" -p 8080:8080 ")[2].split()
assert "--read-only" in HARDENED, "README.md: no docker run -p 8080:8080 --read-only"
