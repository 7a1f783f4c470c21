"""Date each file in the folders by its content, as a browser asks by date and length whether its copy is right."""

import os
import sys
import zlib

for folder in sys.argv[1:]:
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    # Before 1979: a release lowers later dates to one, and never these.
                    date = zlib.crc32(file.read()) >> 4
                os.utime(path, (date, date))
