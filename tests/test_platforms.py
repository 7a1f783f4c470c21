"""What two platforms do for longer than anybody waits, tried on one of our images."""

import select
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from servers import Container
from test_image import FROZEN, check_log


@pytest.fixture(scope="module", autouse=True)
def idle(runtime):
    """A future of what can be read from a connection in 91 s, begun before any test."""
    with Container(runtime) as server, ThreadPoolExecutor() as pool:
        connection = server.wait_for_answer().connect()
        connection.request("GET", "/")
        connection.getresponse().read()
        yield pool.submit(select.select, [connection.sock], [], [], 91)
        connection.close()


def test_server_that_was_frozen_for_35_s_answers(runtime, serve):
    """Cloud Run and AWS Lambda give no CPU between requests."""
    server = serve(runtime, options=[FROZEN, "--no-healthcheck"])
    server.docker("pause")
    time.sleep(35)  # longer than gunicorn waits for a worker
    with ThreadPoolExecutor() as clients:
        answers = [clients.submit(server.request) for _ in range(8)]
        server.docker("unpause")
    assert {answer.result()[0] for answer in answers} == {200}
    time.sleep(3)  # gunicorn looks for workers that hang once a second
    check_log(server)


def test_connection_that_is_idle_for_91_s_is_kept(idle):
    """Heroku's router keeps it for 90 s. A closed one could be read: its end."""
    readable = idle.result()[0]
    assert readable == []
