"""Date each file in the folders by its content, and each folder at 1970.

Every machine then makes the same layers, and a browser notices a changed static file:
Flask makes the ETag from date and size.
"""

import os
import sys
import zlib

for folder in sys.argv[1:]:
    for path, folders, names in os.walk(folder):
        os.utime(path, (0, 0))
        for file in (os.path.join(path, name) for name in names + folders):
            if os.path.islink(file) or os.path.isdir(file):
                date = 0
            else:
                with open(file, "rb") as content:
                    # Before 1979, so that no tool that lowers later dates changes it.
                    date = zlib.crc32(content.read()) >> 4
            os.utime(file, (date, date), follow_symlinks=False)
