import pytest
from conftest import EXCHANGES, check_answer


@pytest.mark.parametrize(("method", "path", "status", "headers", "body"), EXCHANGES)
def test_answer(client, method, path, status, headers, body):
    response = client.open(path, method=method)
    check_answer((response.status_code, response.headers, response.data), status, headers, body)


def test_options_names_the_methods(client):
    assert client.options("/").allow.as_set() == {"get", "head", "options"}
