"""Loaded before every other plugin: no garbage collection while modules are compiled.

CPython before 3.11.10 can fail with "AST constructor recursion depth mismatch" when a collection runs code of its own
between two steps of building a syntax tree (gh-106905); pytest builds one for each test module it rewrites.
"""

import gc

gc.disable()


def pytest_collection_finish() -> None:
    gc.enable()
