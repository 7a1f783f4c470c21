"""Date each file in the folders by its content, as a browser asks by date and length whether its copy is right."""

import hashlib
import os
import sys

for folder in sys.argv[1:]:
    for at, _, names in os.walk(folder):
        for path in (os.path.join(at, name) for name in names):
            if not os.path.islink(path):
                with open(path, "rb") as file:
                    # At most 1978: a release lowers later dates to one, and never these.
                    date = int(hashlib.file_digest(file, "sha256").hexdigest()[:7], 16)
                os.utime(path, (date, date))
