# The separate build image, for interpreted code: the full Python image makes wheels,
# and the slim one, which is shipped, receives only those wheels.

# 1. dependencies: a wheel of each locked package. Runs again only when the lock file changes.
#    The full image has every compiler: a package that has no wheel is compiled here.
FROM python:3.14 AS dependencies

COPY requirements/runtime.txt /
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /out/wheels

# Slim has no .pyc of the standard library, and a process that is not root can never write them:
# each start would compile again what it imports. So this imports all that a start of gunicorn
# imports, and compiles what is not yet. By hash: new dates on the files cannot make it stale.
COPY <<EOF /out/bytecode.py
import os, py_compile, sys
import concurrent.futures.thread, encodings.idna  # loaded late, by the first worker and request
from gunicorn.app.wsgiapp import WSGIApplication
from gunicorn.arbiter import Arbiter

Arbiter(WSGIApplication()).app.wsgi()
for spec in [getattr(module, "__spec__", None) for module in list(sys.modules.values())]:
    if spec and spec.cached and not os.path.exists(spec.cached):
        py_compile.compile(spec.origin, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
EOF

# 2. application: the wheel of the app itself. Runs again when the source changes.
FROM python:3.14 AS application

COPY requirements/build.txt /
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . /src
# What is taken from here lies in a folder of its own, because BuildKit reads all that lies beside it.
WORKDIR /out/app
# With one date for all files, whatever theirs are, the same source gives the same wheel. No isolation:
# that would download the build backend again, with no hash. The modules for gunicorn, which seldom change,
# are set apart.
RUN export SOURCE_DATE_EPOCH=315532800 \
    && python -m build --wheel --no-isolation --outdir /wheels /src \
    && python -m installer --destdir . --compile-bytecode 0 /wheels/*.whl \
    && mkdir ../server \
    && find . \( -name 'server.*' -o -name 'worker.*' \) -exec cp --parents -t ../server {} + -exec rm {} +

# 3. installed: what runtime and bare have in common. Its wheels stay in the stage that made them.
FROM python:3.14-slim AS installed

# SOURCE_DATE_EPOCH has pip, too, compile by hash. Without debug ranges, which draw the ^^^ below a
# line in a traceback, all is a tenth smaller. pip and its copy in ensurepip have done their work, and
# scanners would report them. The last line leaves the user nothing to write to but /tmp and /dev/shm.
RUN --mount=type=bind,from=dependencies,source=/out,target=/dependencies \
    export PYTHONDONTWRITEBYTECODE=1 PYTHONNODEBUGRANGES=1 SOURCE_DATE_EPOCH=315532800 \
    && pip install --no-cache-dir --no-index --root-user-action=ignore /dependencies/wheels/*.whl \
    && python /dependencies/bytecode.py --worker-class=asgi 'flask:Flask("")' \
    && pip uninstall --yes --root-user-action=ignore pip \
    && rm -r /usr/local/lib/python3.*/ensurepip \
    && chmod 0755 /run/lock /var/tmp

# 4. runtime: the image that is shipped. A change of the source makes only its last layer again: under 4 kB.
FROM installed AS runtime

# Each line of the log at once, whatever prints it.
ENV PYTHONUNBUFFERED=1

COPY --from=application /out/server /
# Fails when the app cannot be imported. The folder of its metadata is named for the package.
RUN --mount=type=bind,from=application,source=/out/app,target=/app \
    --mount=type=bind,from=dependencies,source=/out,target=/dependencies \
    cp --recursive /app/. / \
    && app=$(basename /app/usr/local/lib/python3.*/site-packages/*.dist-info) \
    && PYTHONDONTWRITEBYTECODE=1 python /dependencies/bytecode.py --config="python:${app%%-*}.server"

LABEL org.opencontainers.image.title="Hello world!" \
      org.opencontainers.image.description="A Flask app, installed from wheels that another image built" \
      org.opencontainers.image.licenses="MIT"

# Numbers: Kubernetes cannot tell that a name is not root.
USER 10001:10001
EXPOSE 8080
# Cheap, and not before a slow start is over: what a probe takes of a small CPU quota, the start has not.
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=2s CMD ["python", "-c", "\
import os, socket, sys; \
probe = socket.create_connection(('127.0.0.1', os.environ.get('PORT') or 8080), timeout=2); \
probe.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); \
sys.exit(not probe.recv(13).endswith(b' 204 '))"]
CMD ["python", "-m", "hello_app.server"]

# 5. bare: Python, the libraries that it links, the packages and the app, and nothing else. Collected
#    again when the lock file changes, and only where it is asked for: docker build --target bare
FROM installed AS collection

# hadolint ignore=DL3003,DL4006
RUN <<'EOF'
set -eu
keep() { cp --archive --parents --target-directory=/bare "$@"; }
mkdir --parents /bare/usr/lib /bare/usr/lib64 /bare/var/lib/dpkg/status.d
mkdir --mode=1777 /bare/tmp
cp --archive /lib* /bare
cd "$(python -c 'import os; print(os.path.dirname(os.__file__))')"

# Left out of the standard library, and nothing else: tests of Python, what is for a desktop or a terminal,
# the text of help(), what installs or embeds Python, and the formats of dbm that need a library each.
rm -rf test lib-dynload/*test*.so lib-dynload/xx*.so idlelib turtle* tkinter lib-dynload/_tkinter.* \
    curses lib-dynload/_curses* lib-dynload/readline.* pydoc_data venv config-* \
    lib-dynload/_dbm.* lib-dynload/_gdbm.* /usr/local/bin/idle* /usr/local/bin/pydoc* /usr/local/bin/*-config

# Bytecode in the place of its source, where it compiles: some packages have templates of modules.
export PYTHONNODEBUGRANGES=1 PYTHONDONTWRITEBYTECODE=1
find . -name __pycache__ -prune -exec rm -r {} +
python -m compileall -b -q --invalidation-mode unchecked-hash "$PWD" || true
find . -name '*.pyc' | sed 's/c$//' | xargs --delimiter='\n' rm
find . -type d -empty -delete
keep /usr/local/bin "$PWD"

# The libraries that the linker finds for each binary that stays, and the one that glibc opens to end a thread.
find /usr/local/bin/python3.* . \( -name '*.so*' -o -path '*/bin/*' \) -exec ldd {} + > /linked
if grep 'not found' /linked; then exit 1; fi
{ sed -n 's/^[^/]*\(\/.*\) (0x.*/\1/p' /linked; ls /lib/*/libgcc_s.so.1; } | xargs realpath --no-symlinks \
    | sort -u | xargs cp --dereference --parents --target-directory=/bare

echo 'app:x:10001:10001::/:/usr/sbin/nologin' >> /etc/passwd
echo 'app:x:10001:' >> /etc/group
keep /etc/passwd /etc/group /etc/nsswitch.conf /etc/services /etc/protocols /etc/ld.so.cache \
    /etc/os-release /usr/lib/os-release /etc/localtime /usr/share/zoneinfo /etc/ssl/certs/ca-certificates.crt \
    /etc/ssl/openssl.cnf /usr/lib/ssl/openssl.cnf /usr/lib/ssl/cert.pem

# For scanners, and for their licenses: the Debian packages that these files are of. Of none is the file of
# certificates, which is made from those of a package.
find /bare ! -type d -printf '/%P\n' | xargs --delimiter='\n' dpkg-query --search /usr/share/ca-certificates 2> /dev/null \
    | cut -d: -f1 | sort -u | while read -r package; do
    dpkg-query --status "$package" > "/bare/var/lib/dpkg/status.d/$package"
    find "/usr/share/doc/$package/" -name copyright -exec cp --dereference --parents --target-directory=/bare {} + || true
done
EOF

FROM scratch AS bare
COPY --from=collection /bare /
COPY --from=application /out/server /
COPY --from=application /out/app /
# What runtime declares, once more: an image from scratch inherits nothing.
ENV PATH=/usr/local/bin PYTHONUNBUFFERED=1
LABEL org.opencontainers.image.title="Hello world!" \
      org.opencontainers.image.description="A Flask app, installed from wheels that another image built" \
      org.opencontainers.image.licenses="MIT"
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=2s CMD ["python", "-c", "\
import os, socket, sys; \
probe = socket.create_connection(('127.0.0.1', os.environ.get('PORT') or 8080), timeout=2); \
probe.sendall(b'GET /healthz HTTP/1.0\\r\\n\\r\\n'); \
sys.exit(not probe.recv(13).endswith(b' 204 '))"]
CMD ["python", "-m", "hello_app.server"]

# The last stage is what is built when no target is named.
FROM runtime
