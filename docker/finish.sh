#!/bin/sh
# Finish the stage `installed`: its step began when /tmp/began was made.
set -eu
cd /usr/local/lib/python3.*/site-packages

# Scanners report pip, and it has done its work. By exact names, because other packages are called pip... too.
rm -r pip pip-[0-9]*.dist-info ../ensurepip /usr/local/bin/pip /usr/local/bin/pip3*

# The user has a name, and can write only to /tmp and /dev/shm.
echo 'app:x:10001:10001::/tmp:/usr/sbin/nologin' >> /etc/passwd
echo 'app:x:10001:' >> /etc/group
chmod 0755 /run/lock /var/tmp

# Name each shared library that slim lacks. The build goes on, because some wheels link optional libraries.
# ldd names a file only beside others, so Python is the first.
find . -type f -name '*.so*' -exec ldd /usr/local/bin/python3 {} + 2> /dev/null \
    | awk '/:$/ {file = $1} /not found/ {print file, $1, "is missing: see ADOPTING.md"}'

# Every machine makes the same layer: nothing in it has the date of this build.
python /docker/dates.py .
find /etc /run/lock /usr /var -xdev -newer /tmp/began -exec touch --no-dereference --date=@0 {} +
# The engine dates these two before the step begins.
touch --date=@0 /etc /run
