import pytest

from hello_app import create_app


@pytest.fixture
def client():
    return create_app().test_client()


def test_hello(client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.data == b"Hello world!"


def test_healthz(client):
    response = client.get("/healthz")
    assert response.status_code == 204
    assert response.data == b""


@pytest.mark.parametrize("path", ["/", "/healthz"])
def test_other_method(client, path):
    response = client.post(path)
    assert response.status_code == 405
    assert response.allow.as_set() == {"get", "head", "options"}


def test_wsgi_is_what_flask_run_finds():
    import wsgi

    assert wsgi.app.test_client().get("/").data == b"Hello world!"
