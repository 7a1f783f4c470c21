#!/bin/sh
# Finish the stage `installed`: missing libraries, its user, one date for what it wrote.
set -eu
cd /usr/local/lib/python3.*/site-packages

# A shared library that slim lacks is named. Some are optional, so the build goes on.
find . -type f -name '*.so*' -exec ldd /usr/local/bin/python3 {} + 2> /dev/null \
    | awk '/:$/ {file = $1} /not found/ {print file, $1, "is missing: see ADOPTING.md"}'

# The user has a name, and can write only to /tmp and /dev/shm.
echo 'app:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd
echo 'app:x:10001:' >> /etc/group
chmod 0755 /run/lock /var/tmp

# Replace each date of this build. The engine's mounts date /etc and /run too.
python /docker/dates.py .
find /etc /usr /var -xdev -newer /tmp/began -exec touch --no-dereference --date=@0 {} +
touch --date=@0 /etc /run
