"""A container's memory, idle and after a load."""

import json

import engine
from serve import WRK


def memory(image, *command):
    """Return what pages.py prints of one fresh container, when it is idle and when it was loaded for a second."""
    with engine.server(image, *command) as (name, _):
        look = [f"--pid=container:{name}", "--cap-add=SYS_PTRACE", engine.CLIENT, "python", "/pages.py"]
        idle = json.loads(engine.run(*look))
        engine.run(f"--network=container:{name}", engine.CLIENT, *WRK.split(), "-d1", engine.URL)
        return {"idle": idle, "loaded": json.loads(engine.run(*look))}
