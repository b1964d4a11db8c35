"""Importing the domain loads nothing but the standard library: a clean interpreter tells."""

import subprocess
import sys


def test_the_domain_loads_the_standard_library_alone() -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        "import actors.domain.views\n"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "loaded = {name for name in loaded if not name.startswith('_sysconfigdata')}\n"
        "print(sorted(loaded - sys.stdlib_module_names - {'actors'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
