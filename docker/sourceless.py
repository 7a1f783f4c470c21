"""Replace each source file in a folder by its bytecode, which is as large."""

import os
import pathlib
import py_compile
import sys
from importlib.util import cache_from_source

MODE = py_compile.PycInvalidationMode.UNCHECKED_HASH

# Sorted, because what a process has compiled before can change bytecode.
for source in sorted(map(str, pathlib.Path(sys.argv[1]).rglob("*.py"))):
    cached, bytecode = cache_from_source(source), f"{source}c"
    # A file that does not compile stays, because some packages contain templates.
    if os.path.exists(cached):
        os.rename(cached, bytecode)
    elif not py_compile.compile(source, bytecode, quiet=2, invalidation_mode=MODE):
        continue
    os.remove(source)
