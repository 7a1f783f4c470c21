"""Date each file in the folders by its content, and each folder at 1970.

Every machine then makes the same layers, and a browser notices a changed static file:
Flask makes the ETag from date and size.
"""

import os
import sys
import zlib
from pathlib import Path

for folder in map(Path, sys.argv[1:]):
    for path in [folder, *folder.rglob("*")]:
        date = 0
        if path.is_file() and not path.is_symlink():
            # Before 1979: tools that set dates back to 1980 leave it.
            date = zlib.crc32(path.read_bytes()) >> 4
        os.utime(path, (date, date), follow_symlinks=False)
