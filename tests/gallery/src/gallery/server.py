"""Serve on this machine, for development."""

from gallery.factory import create_app

if __name__ == "__main__":
    create_app().run(port=5001)
