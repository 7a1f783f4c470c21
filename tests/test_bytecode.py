"""No start compiles anything: slim ships no bytecode, and the image's user can never write any."""

import re


def test_all_that_a_start_and_a_request_load_is_bytecode_checked_by_hash(image, serve):
    server = serve(image, options=["--env=PYTHONVERBOSE=1", "--env=WEB_CONCURRENCY=1"])
    assert server.request("/healthz")[0] == 204
    loaded = set(re.findall(r"# code object from '?([^'\s]+)'?", server.log()))
    # The settings are no module: gunicorn compiles them.
    assert [path for path in loaded if path.endswith(".py") and path != "/etc/gunicorn.conf.py"] == []
    assert len(loaded) > 200
    by_hash = "open(path, 'rb').read(8)[4] & 1"  # PEP 552
    assert server.python(f"print([path for path in {sorted(loaded)!r} if not {by_hash}])") == "[]\n"
