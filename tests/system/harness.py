"""harness.py - registers and runs the system tests.

A test is a function with @test whose name is a sentence and whose docstring
says what would break. It fails by raising; cluster.Failure is the usual way.
@test(long=True) marks one that only runs with --long."""
import importlib
import os
import re
import sys
import time
import traceback

import cluster

_tests = []
_shared = []


def skip(why):
    """End the test: it counts as passed, with a line that says why it was not
    carried out."""
    raise cluster.Skipped(why)


def test(function=None, long=False):
    def register(f):
        _tests.append((f, long))
        return f
    return register(function) if function else register


def shared_cluster():
    """A healthy cluster of three for tests that leave it as it was. Each node
    leads some groups: one that came late would lead none at first."""
    if not _shared:
        _shared.append(cluster.Cluster(nodes=3, groups=6))
    c = _shared[0]
    c.wait_healthy()
    c.wait_homes()
    return c


def _release_shared(failed):
    while _shared:
        _shared.pop().__exit__(cluster.Failure if failed else None)


def _tail_of_logs(folder):
    for base, _, files in sorted(os.walk(folder)):
        if "log" not in files:
            continue
        with open(os.path.join(base, "log"), errors="replace") as f:
            print(f"    ---- {os.path.basename(base)}/log")
            for line in f.read().splitlines()[-12:]:
                print(f"    {line}")


def load():
    """Import every test_*.py of this folder, in order of names."""
    here = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(here)):
        if re.fullmatch(r"test_\w+\.py", name):
            importlib.import_module(name[:-3])


def _run_one(f):
    """True if it passed. Prints one line, and more if it did not."""
    name = f.__name__.replace("_", " ")
    start = time.monotonic()
    try:
        f()
        said = _shared[0].complaints() if _shared else ""
        cluster.expect(not said, said)
    except KeyboardInterrupt:
        raise
    except cluster.Skipped as e:
        print(f"skipped {time.monotonic() - start:5.1f} s  {name}: {e}",
              flush=True)
        return True
    except BaseException as e:
        print(f"FAILED {time.monotonic() - start:6.1f} s  {name}")
        if isinstance(e, cluster.Failure):
            print(f"    {e}")
        else:
            traceback.print_exc(file=sys.stdout)
        if _shared:
            _tail_of_logs(_shared[0].folder)
            _release_shared(failed=True)
        return False
    print(f"ok     {time.monotonic() - start:6.1f} s  {name}", flush=True)
    return True


def run(only, long, list_only):
    """Run what matches; the exit code."""
    chosen = [f for f, is_long in _tests
              if re.search(only, f.__name__.replace("_", " "))
              or re.search(only, f.__name__)
              if long or not is_long]
    if list_only:
        for f in chosen:
            print(f.__name__.replace("_", " "))
        return 0
    passed = failed = 0
    try:
        for f in chosen:
            if _run_one(f):
                passed += 1
            else:
                failed += 1
    finally:
        _release_shared(failed=False)
    if not chosen:
        print(f"no test matches '{only}'")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not chosen else 0
