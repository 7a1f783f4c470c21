"""What two platforms do for longer than anybody waits, tried on one of our images."""

import select
import time
from concurrent.futures import ThreadPoolExecutor

from test_image import FROZEN


def test_request_after_91_idle_seconds_is_answered(runtime, serve):
    """Heroku's router keeps an idle connection for 90 s."""
    connection = serve(runtime).connect()
    connection.request("GET", "/")
    connection.getresponse().read()
    closed = not connection.sock or select.select([connection.sock], [], [], 91)[0]
    connection.close()
    assert not closed


def test_server_that_was_frozen_for_35_s_answers(runtime, serve):
    """Cloud Run and AWS Lambda give no CPU between requests."""
    server = serve(runtime, options=[FROZEN, "--no-healthcheck"])
    processes = set(server.docker("top", "-o", "pid").split())
    server.docker("pause")
    time.sleep(35)  # longer than gunicorn waits for a worker
    with ThreadPoolExecutor() as clients:
        answers = [clients.submit(server.request) for _ in range(8)]
        server.docker("unpause")
    assert {answer.result()[0] for answer in answers} == {200}
    time.sleep(3)  # gunicorn looks for workers that hang once a second
    assert processes <= set(server.docker("top", "-o", "pid").split())
