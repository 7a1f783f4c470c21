# The separate build image, for interpreted code: the full Python image makes wheels,
# and the slim one, which is shipped, receives only those wheels.

# 1. dependencies: a wheel of each locked package. Runs again only when the lock file changes.
#    The full image has every compiler: a package that has no wheel is compiled here.
FROM python:3.14 AS dependencies

COPY requirements/runtime.txt /
RUN pip wheel --no-cache-dir --require-hashes --requirement runtime.txt --wheel-dir /wheels

# Slim has no .pyc of the standard library, and a process that is not root can never write them:
# each start would compile again what it imports. So this imports all that a start of gunicorn
# imports, and compiles what is not yet. By hash: new dates on the files cannot make it stale.
COPY <<EOF /bytecode.py
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

WORKDIR /src
COPY requirements/build.txt .
RUN pip install --no-cache-dir --require-hashes --requirement build.txt
COPY . .
# With one date for all files, whatever theirs are, the same source gives the same wheel. No isolation:
# that would download the build backend again, with no hash. The wheel is installed here, where pip
# starts fast, and taken apart: the modules for gunicorn seldom change.
RUN export SOURCE_DATE_EPOCH=315532800 \
    && python -m build --wheel --no-isolation --outdir /wheels \
    && pip install --no-cache-dir --no-index --no-deps --root-user-action=ignore /wheels/*.whl \
    && wheel=$(basename /wheels/*.whl) \
    && app=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/${wheel%%-*} \
    && mkdir /server /app \
    && find "$app" \( -name 'server.*' -o -name 'worker.*' \) -exec cp --parents -t /server {} + -exec rm {} + \
    && cp --parents --recursive "$app" "$app"-*.dist-info /app

# 3. installed: what runtime and bare have in common. Its wheels stay in the stage that made them.
FROM python:3.14-slim AS installed

# SOURCE_DATE_EPOCH has pip, too, compile by hash. Without debug ranges, which draw the ^^^ below a
# line in a traceback, all is a tenth smaller. pip and its copy in ensurepip have done their work, and
# scanners would report them. The last line leaves the user nothing to write to but /tmp and /dev/shm.
RUN --mount=type=bind,from=dependencies,source=/wheels,target=/wheels \
    --mount=type=bind,from=dependencies,source=/bytecode.py,target=/bytecode.py \
    export PYTHONDONTWRITEBYTECODE=1 PYTHONNODEBUGRANGES=1 SOURCE_DATE_EPOCH=315532800 \
    && pip install --no-cache-dir --no-index --root-user-action=ignore /wheels/*.whl \
    && python /bytecode.py --worker-class=asgi 'flask:Flask("")' \
    && pip uninstall --yes --root-user-action=ignore pip \
    && rm -r /usr/local/lib/python3.*/ensurepip \
    && chmod 0755 /run/lock /var/tmp

# 4. runtime: the image that is shipped. A change of the source makes only its last layer again: 3 kB.
FROM installed AS runtime

# Each line of the log at once, whatever prints it.
ENV PYTHONUNBUFFERED=1

COPY --from=application /server /
# Fails when the app cannot be imported. The wheel's name starts with the package's.
RUN --mount=type=bind,from=application,source=/app,target=/app \
    --mount=type=bind,from=application,source=/wheels,target=/wheels \
    --mount=type=bind,from=dependencies,source=/bytecode.py,target=/bytecode.py \
    cp --recursive /app/. / \
    && wheel=$(basename /wheels/*.whl) \
    && PYTHONDONTWRITEBYTECODE=1 python /bytecode.py --config="python:${wheel%%-*}.server"

LABEL org.opencontainers.image.title="Hello world!" \
      org.opencontainers.image.description="A Flask app, installed from wheels into a slim image" \
      org.opencontainers.image.licenses="MIT"

# Numbers: Kubernetes cannot tell that a name is not root.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --start-interval=1s CMD ["python", "-c", "\
import http.client, os, sys; \
probe = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT') or 8080), timeout=2); \
probe.request('GET', '/healthz'); \
sys.exit(probe.getresponse().status != 204)"]
CMD ["python", "-m", "hello_app.server"]
