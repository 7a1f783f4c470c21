"""Replace each source file below this folder by its bytecode, which is as large again."""

import os
import py_compile
from importlib.util import cache_from_source

MODE = py_compile.PycInvalidationMode.UNCHECKED_HASH

for folder, _, names in os.walk("."):
    for source in (os.path.join(folder, name) for name in names if name.endswith(".py")):
        cached, bytecode = cache_from_source(source), f"{source}c"
        # A file that does not compile stays: some packages contain templates of modules.
        if os.path.exists(cached):
            os.rename(cached, bytecode)
        elif not py_compile.compile(source, bytecode, quiet=2, invalidation_mode=MODE):
            continue
        os.remove(source)
