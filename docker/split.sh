#!/bin/sh
# Split the app, which is installed in /out/app, into two layers:
# a code change pushes only one.
set -eu
cd /out/app

mkdir /out/static
find . -type d -name static -prune \
    -exec cp --recursive --parents --target-directory=/out/static {} \; -exec rm -r {} \;
# The probe and the settings change as seldom as static files do.
install -D /docker/probe.py /out/static/usr/local/bin/probe
install -D --mode=644 --target-directory=/out/static/etc /docker/gunicorn.conf.py

# bare needs the shared libraries that the app's own compiled code links.
mkdir /out/links
find . -name '*.so' -exec ldd {} + | sed -n 's/.* => \(\/.*\) (.*/\1/p' \
    | sort -u > /out/links/libraries

# Every machine gives the same dates, so it makes the same layers.
python /docker/dates.py /out
