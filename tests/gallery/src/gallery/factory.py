import os
import sqlite3
from pathlib import Path

import click
from crcmod.predefined import mkPredefinedCrcFun
from flask import Flask, Response, abort, g, redirect, render_template, request, session, url_for
from huey import MemoryHuey

checksum = mkPredefinedCrcFun("crc-32")
queue = MemoryHuey()


def create_app():
    """Return the app; SECRET_KEY and DATA, a folder, are read from the environment."""
    app = Flask(__name__)
    app.secret_key = os.environ["SECRET_KEY"]
    database = Path(os.environ.get("DATA", "/data"), "pictures.sqlite")

    def connection():
        if "connection" not in g:
            g.connection = sqlite3.connect(database)
        return g.connection

    @app.teardown_appcontext
    def close(_):
        if "connection" in g:
            g.pop("connection").close()

    @app.cli.command()
    def upgrade():
        """Bring the database to the newest version."""
        with connection() as opened:
            (version,) = opened.execute("PRAGMA user_version").fetchone()
            for script in sorted(Path(app.root_path, "migrations").glob("*.sql"))[version:]:
                opened.executescript(script.read_text())
                click.echo(f"applied {script.name}")

    @app.get("/")
    def index():
        pictures = connection().execute("SELECT id, caption, checksum FROM picture ORDER BY id").fetchall()
        return render_template("index.html", pictures=pictures, last=session.get("last"))

    @app.post("/")
    def add():
        data = request.files["picture"].read()
        with connection() as opened:
            row = (request.form["caption"], f"{checksum(data):08x}", data)
            cursor = opened.execute("INSERT INTO picture (caption, checksum, data) VALUES (?, ?, ?)", row)
        queue.enqueue(make_thumbnail.s(cursor.lastrowid))
        session["last"] = request.form["caption"]
        return redirect(url_for("index"))

    @app.get("/pictures/<int:number>")
    def picture(number):
        row = connection().execute("SELECT data FROM picture WHERE id = ?", (number,)).fetchone()
        return Response(row[0], mimetype="application/octet-stream") if row else abort(404)

    return app


@queue.task()
def make_thumbnail(number):
    """What a queue's consumer would run."""
