"""Make the static files, which git does not have: 1 MB that does not compress."""

import random
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StaticFiles(BuildHookInterface):
    def initialize(self, version, build_data):
        static = Path(self.root, "src/gallery/static")
        static.mkdir(exist_ok=True)
        static.joinpath("background.bin").write_bytes(
            random.Random(1).randbytes(1_000_000)
        )
