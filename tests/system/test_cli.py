"""test_cli.py - the command line against a real cluster."""
import json
import os
import socket
import subprocess

from cluster import Cluster, expect, program
from harness import shared_cluster, test


@test
def get_raw_writes_exactly_the_values_bytes():
    """Breaks if a byte is added or lost on the way: values are bytes."""
    c = shared_cluster()
    for value in (b"", b"\n", b"text", b"two\nlines\n", bytes(range(256)),
                  os.urandom(300_000)):
        c.set("raw", value)
        expect(c.get("raw") == value, f"{value[:20]!r} came back changed")
    path = os.path.join(c.folder, "value")
    with open(path, "wb") as f:
        f.write(bytes(range(256)) * 100)
    done = c.cli("set", "from-file", "--file", path)
    expect(done.code == 0, f"set --file: {done.err}")
    expect(c.get("from-file") == bytes(range(256)) * 100, "--file")


@test
def a_value_that_is_lost_on_its_way_out_is_an_error():
    """Breaks if a large value that a full disk took nothing of, as it is
    written at once and nothing is left for the stream's end, looks written."""
    c = shared_cluster()
    c.set("lost", os.urandom(300_000))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [program("coatcheck"), "-e", c.endpoints, "get", "lost"],
            stdout=full, stderr=subprocess.PIPE, timeout=30)
    expect(done.returncode == 4, f"exit {done.returncode}")
    expect(b"cannot write" in done.stderr, done.stderr)


@test
def exit_codes_tell_what_happened():
    """Breaks if a script cannot tell "not there" from "not reachable"."""
    c = shared_cluster()
    cases = [
        (0, ("set", "codes", "v")), (0, ("get", "codes")),
        (0, ("del", "codes")), (1, ("get", "codes")), (1, ("del", "codes")),
        (2, ("set",)), (2, ("nonsense",)), (2, ("--nonsense",)),
        (2, ("-o", "yaml", "status")), (2, ("--timeout", "x", "status")),
        (0, ("--help",)), (0, ("--version",)), (0, ("set", "--help")),
    ]
    for code, arguments in cases:
        done = c.cli(*arguments)
        expect(done.code == code, f"coatcheck {' '.join(arguments)}: exit "
               f"{done.code} instead of {code}: {done.err}")
        if code:
            lines = done.err.strip().splitlines()
            expect(1 <= len(lines) <= (3 if code == 2 else 1),
                   f"coatcheck {' '.join(arguments)}: errors are one line: "
                   f"{done.err!r}")


@test
def several_keys_are_deleted_at_once():
    """Breaks if only the first of several keys is deleted."""
    c = shared_cluster()
    names = [f"several-{i}" for i in range(5)]
    for name in names:
        c.set(name, b"v")
    expect(c.cli("del", *names).code == 0, "del of five keys")
    for name in names:
        expect(c.get(name) is None, f"{name} is still there")


@test
def an_unreachable_endpoint_is_named():
    """Breaks if the error does not say which address did not answer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound but not listening: refused
        nobody = f"127.0.0.1:{s.getsockname()[1]}"
        c = shared_cluster()
        for arguments in (("get", "k"), ("set", "k", "v"), ("status",),
                          ("map",)):
            done = c.cli("--timeout", "1500", *arguments, endpoint=nobody)
            expect(done.code == 3, f"{arguments}: exit {done.code}")
            expect(nobody in done.err, f"{arguments}: {done.err}")
            expect(len(done.err.strip().splitlines()) == 1, done.err)
        # One dead endpoint among live ones does not matter.
        done = c.cli("status", endpoint=nobody + "," + c.endpoints)
        expect(done.code == 0, f"status: {done.code} {done.err}")
    done = c.cli("get", "k", endpoint="127.0.0.1:no-number")
    expect(done.code == 2 and "no-number" in done.err, done.err)


@test
def status_and_map_come_in_every_format():
    """Breaks if a format lacks nodes or groups, or is not what it says."""
    c = shared_cluster()
    for command in ("status", "map"):
        table = c.cli("-o", "table", command)
        plain = c.cli(command)
        raw = c.cli("-o", "raw", command)
        made = c.cli("-o", "json", command)
        for done in (table, plain, raw, made):
            expect(done.code == 0, f"{command}: {done.code} {done.err}")
            for node in c.nodes.values():
                expect(node.endpoint in done.text,
                       f"{command}: {node.endpoint} is missing")
        parsed = json.loads(made.text)
        expect(len(parsed["nodes"]) == 3, f"{command}: nodes")
    groups = json.loads(c.cli("-o", "json", "map").text)["groups"]
    expect(len(groups) == c.groups + 1, f"{len(groups)} groups in the map")


@test
def every_slot_has_one_owner():
    """Breaks if a key can belong to no group, or to two."""
    c = shared_cluster()
    slots = json.loads(c.cli("-o", "json", "map").text)["slots"]
    owners = [0] * 16384
    for r in slots:
        for slot in range(int(r["first"]), int(r["last"]) + 1):
            owners[slot] += 1
    expect(set(owners) == {1}, "a slot has no owner or two")
    expect(len({int(r["group"]) for r in slots}) == c.groups, "all own some")


@test
def status_names_a_node_that_is_down():
    """Breaks if an operator sees three nodes where two answer."""
    with Cluster() as c:
        c.nodes[2].kill()
        for group in range(c.groups + 1):
            c.wait_leader(group, other_than=2)
        done = c.cli("status")
        expect(c.nodes[2].endpoint in done.text, "the dead node is listed")
        lines = [line for line in done.text.splitlines()
                 if c.nodes[2].endpoint in line]
        expect(any("unreachable" in line or "down" in line
                   for line in lines), f"as dead: {lines}")


@test
def cluster_init_may_be_repeated():
    """Breaks if a second init makes a second cluster of the same nodes, or if
    an interrupted one cannot be continued."""
    with Cluster(start=False, groups=2) as c:
        for node in c.nodes.values():
            node.start()
        for node in c.nodes.values():
            node.wait_ready()
        done = c.cli("set", "too", "early")
        expect(done.code in (3, 4) and "init" in done.err,
               f"before init: {done.code} {done.err}")
        arguments = ("cluster", "init", "--groups", "2", "--replicas", "3")
        expect(c.cli(*arguments).code == 0, "init")
        c.wait_healthy()
        c.set("kept", b"1")
        first = json.loads(c.cli("-o", "json", "map").text)
        expect(c.cli(*arguments).code == 0, "init again")
        second = json.loads(c.cli("-o", "json", "map").text)
        expect(first["cluster"] == second["cluster"], "still that cluster")
        expect(c.get("kept") == b"1", "its data is there")


@test
def nodes_of_two_clusters_are_not_made_one():
    """Breaks if init takes a node out of the cluster it belongs to."""
    with Cluster(nodes=1, groups=1) as a, Cluster(nodes=1, groups=1) as b:
        a.set("mine", b"a")
        done = a.cli("cluster", "init", "--groups", "1",
                     endpoint=a.endpoints + "," + b.endpoints)
        expect(done.code == 4 or done.code == 1, f"exit {done.code}")
        expect(b.nodes[1].endpoint in done.err or
               a.nodes[1].endpoint in done.err,
               f"the node is named: {done.err}")
        expect(a.get("mine") == b"a", "nothing changed")


@test
def bench_reports_throughput_and_latencies():
    """Breaks if the figures cannot be read by a script."""
    c = shared_cluster()
    done = c.cli("-o", "json", "bench", "--op", "mixed", "--clients", "4",
                 "--keys", "1000", "--value-size", "64", "--duration", "2",
                 "--load")
    expect(done.code == 0, f"bench: {done.code} {done.err[-300:]}")
    figures = json.loads(done.text)
    expect(figures, "figures")


@test
def sets_survive_the_whole_clusters_restart():
    """Breaks if what the command line said was done was not."""
    with Cluster(groups=2) as c:
        for i in range(20):
            c.set(f"survivor-{i}", str(i).encode())
        c.kill_all_and_start()
        c.wait_healthy()
        for i in range(20):
            expect(c.get(f"survivor-{i}") == str(i).encode(), f"{i} lost")
