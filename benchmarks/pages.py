"""Print a container's memory in bytes, as JSON, looked at from beside it: `docker run --pid=container:NAME`, as root.

"charged" is all that the kernel charges to the container's cgroup, "anonymous" the part of it that is no file's;
"processes" has the proportional set size of each process, PID 1 first: a page that several share counts by shares.
"""

import json
import os
from pathlib import Path


def read(path, name):
    """Return the number after `name` in a file of lines with a name and a number."""
    return next(int(line.split()[1]) for line in path.read_text().splitlines() if line.split()[0] == name)


def main():
    cgroup = Path("/proc/1/root/sys/fs/cgroup")
    if (cgroup / "memory.current").exists():
        charged, anonymous = cgroup / "memory.current", read(cgroup / "memory.stat", "anon")
    else:  # version 1
        charged, anonymous = cgroup / "memory/memory.usage_in_bytes", read(cgroup / "memory/memory.stat", "total_rss")
    pids = sorted(int(path.name) for path in Path("/proc").glob("[0-9]*") if path.name != str(os.getpid()))
    processes = [read(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") * 1024 for pid in pids]
    print(json.dumps({"charged": int(charged.read_text()), "anonymous": anonymous, "processes": processes}))


if __name__ == "__main__":
    main()
