"""test_installed.py - the client library as a program of its own finds it."""
import os
import subprocess

import cluster
from cluster import expect
from harness import shared_cluster, test

HERE = os.path.dirname(os.path.abspath(__file__))


@test
def a_program_is_built_with_the_installed_library_and_runs():
    """Breaks if a header, a library, the pkg-config file or the CMake package
    is missing from the installation, or shows more than coat_*."""
    c = shared_cluster()
    done = subprocess.run(
        [os.path.join(HERE, "installed_client"),
         cluster.build_folder(), c.endpoints],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=300)
    expect(done.returncode == 0, done.stdout[-1500:])
