"""test_start.py - starting: what is refused, and what the error names."""
import os
import socket
import subprocess
import tempfile

from cluster import Cluster, Node, expect, free_base_port, program
from harness import shared_cluster, test


def daemon(*arguments, seconds=60, **how):
    """Run the daemon until it ends by itself: (exit code, its output)."""
    try:
        done = subprocess.run([program("coatcheckd"), *arguments],
                              stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=seconds,
                              **how)
    except subprocess.TimeoutExpired as e:
        raise AssertionError(f"it started: {arguments}: {e.output}") from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def refused(words, code, *arguments):
    """The daemon ends with `code`; its last line has each of the words. (The
    last one but for usage errors, which end with a pointer to --help.)"""
    got, out = daemon(*arguments)
    last = (out.strip().splitlines() or [""])[-1]
    if code == 2:
        last = out
    expect(got == code, f"exit {got} instead of {code}: {out[-400:]}")
    for word in words:
        expect(word.lower() in last.lower(), f"'{word}' is not in: {last}")


@test
def two_daemons_on_one_data_directory_are_refused():
    """Breaks if a second daemon opens a log that the first one writes."""
    c = shared_cluster()
    node = c.nodes[1]
    base = free_base_port(1)
    refused([node.data], 1, "--data", node.data,
            "--listen", f"127.0.0.1:{base + 10}",
            "--peer-listen", f"127.0.0.1:{base + 11}")
    expect(node.running(), "the first one runs on")
    c.wait_healthy()


@test
def a_port_in_use_is_named():
    """Breaks if a node starts without its port, or says only "bind"."""
    with tempfile.TemporaryDirectory() as data, socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        taken = f"127.0.0.1:{s.getsockname()[1]}"
        base = free_base_port(1)
        refused([taken], 1, "--data", data, "--unsafe-disk", "--listen", taken,
                "--peer-listen", f"127.0.0.1:{base + 11}")
        refused([taken], 1, "--data", data, "--unsafe-disk",
                "--listen", f"127.0.0.1:{base + 10}", "--peer-listen", taken)


@test
def an_unknown_configuration_key_is_named():
    """Breaks if a typing mistake silently leaves a default in force."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "node.yaml")
        with open(path, "w") as f:
            f.write(f"data: {folder}/data\nlisten: 127.0.0.1:7410\n"
                    "listne: 127.0.0.1:7411\n")
        refused(["listne"], 2, "--config", path)
        refused(["listne"], 2, "--config", path, "--check-config")


@test
def wrong_options_are_usage_errors_that_name_the_option():
    """Breaks if a value is guessed instead of refused."""
    with tempfile.TemporaryDirectory() as folder:
        data = ("--data", os.path.join(folder, "data"))
        refused(["nonsense"], 2, *data, "--nonsense")
        refused(["threads"], 2, *data, "--threads", "many")
        refused(["threads"], 2, *data, "--threads", "99")
        refused(["listen"], 2, *data, "--listen", "127.0.0.1")
        refused(["99999"], 2, *data, "--listen", "127.0.0.1:99999")
        refused(["log-level"], 2, *data, "--log-level", "loud")
        refused(["absent"], 2, "--config", os.path.join(folder, "absent"))
        expect(not os.path.exists(data[1]), "nothing was created")


@test
def a_configuration_file_starts_a_node():
    """Breaks if the file and the options do not mean the same."""
    with Cluster(nodes=1, groups=1, start=False) as c:
        node = c.nodes[1]
        path = os.path.join(c.folder, "node.yaml")
        with open(path, "w") as f:
            f.write(f"data: {node.data}\nlisten: {node.endpoint}\n"
                    f"peer-listen: 127.0.0.1:{node.peer_port}\n"
                    "threads: 1\n")
        code, out = daemon("--config", path, "--check-config")
        expect(code == 0, f"--check-config: {code} {out}")
        node.arguments = lambda: [program("coatcheckd"), "--config", path]
        c.start()
        c.set("by", b"file")
        expect(c.get("by") == b"file", "serves")


@test
def memory_is_no_disk_unless_one_insists():
    """Breaks if acknowledged means "in memory": on tmpfs an fsync does
    nothing."""
    memory = "/dev/shm"
    kind = subprocess.run(["stat", "-f", "-c", "%T", memory],
                          capture_output=True, text=True).stdout.strip()
    if kind != "tmpfs":
        memory = "/run"
    with tempfile.TemporaryDirectory(dir=memory) as data:
        base = free_base_port(1)
        ports = ("--listen", f"127.0.0.1:{base + 10}",
                 "--peer-listen", f"127.0.0.1:{base + 11}")
        refused(["tmpfs", "--unsafe-disk"], 1, "--data", data, *ports)
        node = Node(data, 1, base)
        node.extra = ["--unsafe-disk"]
        node.start().wait_ready()
        expect(node.stop() == 0, "stops with 0")


@test
def too_few_file_descriptors_are_refused_by_name():
    """Breaks if a node starts and dies when its groups open their files."""
    with Cluster(nodes=1, groups=20) as c:
        node = c.nodes[1]
        expect(node.stop() == 0, "stops with 0")
        usual = node.arguments()
        node.arguments = lambda: ["prlimit", "--nofile=300:300", *usual]
        node.start()
        expect(node.process.wait(60) == 1, "exit code 1")
        last = node.said().strip().splitlines()[-1]
        expect("open files" in last and "300" in last,
               f"the error names the limit: {last}")


@test
def a_data_directory_that_cannot_be_used_is_named():
    """Breaks if the error is a number, or the node runs without data."""
    base = free_base_port(1)
    ports = ("--listen", f"127.0.0.1:{base + 10}",
             "--peer-listen", f"127.0.0.1:{base + 11}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a-file")
        with open(path, "w") as f:
            f.write("not a directory")
        refused([path], 1, "--data", path, "--unsafe-disk", *ports)
        refused(["/proc/no/such"], 1, "--data", "/proc/no/such",
                "--unsafe-disk", *ports)


@test
def the_start_is_logged_with_versions_and_the_disks_speed():
    """Breaks if an operator cannot see what the node stands on."""
    c = shared_cluster()
    said = c.nodes[1].said()
    for word in ("fsync", "libuv", "rocksdb", "raft"):
        expect(word in said.lower(), f"'{word}' is not in the log")


@test
def sigterm_hands_leaderships_over_and_ends_with_0():
    """Breaks if a planned stop costs an election timeout, or is not clean."""
    with Cluster() as c:
        c.set("before", b"1")
        leader = c.wait_leader(1)
        expect(c.nodes[leader].stop() == 0, "exit code 0")
        # All is led elsewhere, by what the others say.
        for group in range(c.groups + 1):
            c.wait_leader(group, other_than=leader)
        expect(c.get("before") == b"1", "served")
        c.nodes[leader].start().wait_ready()
        c.wait_healthy()


@test
def sigterm_before_cluster_init_ends_with_0():
    """Breaks if a blank node cannot be stopped."""
    with Cluster(nodes=1, groups=1, start=False) as c:
        c.nodes[1].start().wait_ready()
        expect(c.nodes[1].stop() == 0, "exit code 0")
