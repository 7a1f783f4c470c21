"""A Flask app that answers "Hello world!"."""

from flask import Flask


def create_app():
    """Return the app: GET / greets in plain text, GET /healthz is 204."""
    app = Flask(__name__)

    @app.get("/")
    def hello():
        return "Hello world!", {"Content-Type": "text/plain; charset=utf-8"}

    @app.get("/healthz")
    def healthz():
        return "", 204

    return app
