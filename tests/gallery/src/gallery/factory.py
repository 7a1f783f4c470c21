import os
import sqlite3
from contextlib import closing
from pathlib import Path

import click
from crcmod.predefined import mkPredefinedCrcFun
from flask import Flask, Response, abort, redirect, render_template, request, url_for
from huey import MemoryHuey

checksum = mkPredefinedCrcFun("crc-32")
queue = MemoryHuey()


def create_app():
    """Return the app; SECRET_KEY and DATA, a folder, are read from the environment."""
    app = Flask(__name__)
    app.secret_key = os.environ["SECRET_KEY"]

    def connect():
        database = Path(os.environ.get("DATA", "/data"), "pictures.sqlite")
        return closing(sqlite3.connect(database, isolation_level=None))

    @app.cli.command()
    def upgrade():
        """Bring the database to the newest version."""
        with connect() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for script in sorted(Path(app.root_path, "migrations").glob("*.sql"))[version:]:
                connection.executescript(script.read_text())
                click.echo(f"applied {script.name}")

    @app.get("/")
    def index():
        with connect() as connection:
            pictures = connection.execute("SELECT id, caption, checksum FROM picture ORDER BY id").fetchall()
        return render_template("index.html", pictures=pictures)

    @app.post("/")
    def add():
        data = request.files["picture"].read()
        row = (request.form["caption"], f"{checksum(data):08x}", data)
        with connect() as connection:
            cursor = connection.execute("INSERT INTO picture (caption, checksum, data) VALUES (?, ?, ?)", row)
        queue.enqueue(make_thumbnail.s(cursor.lastrowid))
        return redirect(url_for("index"))

    @app.get("/pictures/<int:number>")
    def picture(number):
        with connect() as connection:
            row = connection.execute("SELECT data FROM picture WHERE id = ?", (number,)).fetchone()
        return Response(row[0], mimetype="application/octet-stream") if row else abort(404)

    return app


@queue.task()
def make_thumbnail(number):
    """What a queue's consumer would run."""
