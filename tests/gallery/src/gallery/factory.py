import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click
from crcmod.predefined import mkPredefinedCrcFun
from flask import Flask, redirect, render_template, request, url_for

checksum = mkPredefinedCrcFun("crc-32")


def connect():
    database = Path(os.environ.get("DATA", "/data"), "pictures.sqlite")
    return closing(sqlite3.connect(database, isolation_level=None))


def create_app():
    """Return the app; SECRET_KEY and DATA, a folder, are read from the environment."""
    app = Flask(__name__)
    app.secret_key = os.environ["SECRET_KEY"]

    @app.cli.command()
    def upgrade():
        """Bring the database to the newest version."""
        with connect() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            scripts = sorted(Path(app.root_path, "migrations").glob("*.sql"))
            for script in scripts[version:]:
                connection.executescript(script.read_text())
                click.echo(f"applied {script.name}")

    @app.get("/")
    def index():
        with connect() as connection:
            pictures = connection.execute(
                "SELECT id, name, checksum FROM picture ORDER BY id"
            ).fetchall()
        return render_template("index.html", pictures=pictures)

    @app.post("/")
    def add():
        file = request.files["file"]
        data = file.read()
        with connect() as connection:
            row = (file.filename, f"{checksum(data):08x}", data)
            connection.execute(
                "INSERT INTO picture (name, checksum, data) VALUES (?, ?, ?)", row
            )
        return redirect(url_for("index"))

    @app.get("/pictures/<int:number>")
    def picture(number):
        with connect() as connection:
            (data,) = connection.execute(
                "SELECT data FROM picture WHERE id = ?", (number,)
            ).fetchone()
        return data, {"Content-Type": "application/octet-stream"}

    return app
