"""test_failpoints.py - the daemon dies at each of its failpoints, under load.

The nodes are built with failpoints (node/shell/failpoint.h), log segments and
flushes are small, so that each place is reached within seconds. In a round each
node is armed with another failpoint; who has died of it starts again without.
At the end every acknowledged write is there, and what clients saw is
linearizable. A failpoint that is reached by none of these tests fails the last
one: the list here has to stay whole."""
import re
import subprocess
import time

from cluster import Cluster, Failure, Hammer, expect, program, wait_until
from harness import test
from recorder import Recorder

# How often a place is passed before it acts, so that it does so under load.
UNDER_LOAD = {
    "wal_write_before": 40, "wal_write_half": 70, "wal_write_after": 60,
    "wal_sync_after": 50, "persisted_before": 45, "persisted_after": 65,
    "log_entries_before": 100, "log_entries_after": 80,
    "log_vote_before": 1, "log_vote_after": 1,
    "log_release_before": 1, "log_release_after": 2,
    "segment_create_before": 1, "segment_fill_half": 1, "segment_filled": 1,
    "segment_synced": 1, "segment_renamed": 1, "segment_created": 1,
    "segment_recycle_before": 1, "segment_recycle_renamed": 2,
    "segment_recycled": 1, "segment_remove_before": 1, "segment_removed": 1,
    "apply_before": 90, "apply_after": 110,
    "flush_before": 1, "flush_begun": 1, "flushed_before": 1,
    "flushed_after": 1,
}
AT_START = {name: 1 for name in (
    "file_write_before", "file_written", "file_synced", "file_renamed",
    "file_replaced", "directory_made", "identity_before", "identity_after",
    "start_log_opened", "start_leftovers")}
AT_INIT = {
    "store_opened": 2, "store_record_applied": 1, "store_record_flushed": 3,
    "current_before": 2, "current_after": 1, "map_before": 1, "map_after": 2,
    "create_stores_made": 1, "create_log_written": 1,
    "identity_before": 3, "identity_after": 2, "file_renamed": 4,
}
INSTALLING = ["install_begun", "install_piece_before", "install_piece_after",
              "install_sync_before", "install_synced", "install_opened",
              "current_before", "current_after", "log_reset_before",
              "log_reset_after", "log_reset_durable", "install_switched",
              "drop_before", "drop_after"]
SENDING = ["checkpoint_before", "checkpoint_made", "checkpoint_read"]
TRUNCATING = ["log_truncate_before", "log_truncate_after"]
STOPPING = ["stop_log_settled"]


def all_failpoints():
    """{name: can it take an error} as the program itself lists them."""
    done = subprocess.run([program("coatcheckd_failpoints")],
                          env={"COAT_FAILPOINT": "list"}, text=True,
                          capture_output=True)
    expect(done.returncode == 0, f"no list of failpoints: {done.stderr}")
    return {line.split()[0]: line.endswith(" error")
            for line in done.stdout.splitlines()}


def small_cluster(**how):
    """Not started; with failpoints, small segments and frequent flushes."""
    c = Cluster(start=False, options=("--segment-mib", "1"), **how)
    for node in c.nodes.values():
        node.daemon = "coatcheckd_failpoints"
    return c


def arm(node, name, times=1):
    node.environment = {"COAT_FAILPOINT": f"{name}=crash@{times}"}


def disarm(node):
    node.environment = {}


def died_of(node):
    """The failpoint that ended the node; None while it runs."""
    if node.running():
        return None
    acted = re.search(r"failpoint_acts name=(\w+)", node.said())
    expect(acted and node.process.returncode == -9,
           f"node {node.number} died by itself, exit "
           f"{node.process.returncode}: {node.said()[-600:]}")
    return acted.group(1).lower()


def let_die(c, armed, seconds=120, nudge=None):
    """Restart the nodes with what they are armed with, {number: (name, times)};
    each that dies starts again without, until all have died."""
    for n, (name, times) in armed.items():
        node = c.nodes[n]
        if node.running():
            node.process.kill()
            node.process.wait()
        arm(node, name, times)
    for n in armed:
        c.nodes[n].start()
    left = dict(armed)
    end = time.monotonic() + seconds
    while left:
        for n in list(left):
            if died_of(c.nodes[n]) is None:
                continue
            expect(died_of(c.nodes[n]) == left[n][0], "died of another one")
            del left[n]
            disarm(c.nodes[n])
            c.nodes[n].start()
        if nudge:
            nudge()
        if time.monotonic() > end:
            raise Failure(f"not reached within {seconds} s: "
                          f"{sorted(name for name, _ in left.values())}")
        time.sleep(0.02)
    for n in armed:
        c.nodes[n].wait_ready()


def rounds(c, points):
    """All of `points`, {name: times}, three at a time."""
    names = sorted(points)
    for i in range(0, len(names), 3):
        armed = {n: (name, points[name])
                 for n, name in enumerate(names[i:i + 3], 1)}
        let_die(c, armed)


@test
def crashes_at_failpoints_under_load_lose_nothing():
    """Breaks if anything is told to anybody before it lasts, or if a stop in
    the middle of a change leaves something that a start cannot read."""
    with small_cluster(groups=2) as c:
        c.start()
        hammer = Hammer(c, keys=10**8, concurrency=16, value_size=1000)
        with Recorder(c, processes=1):
            rounds(c, UNDER_LOAD)
            c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


@test
def crashes_at_failpoints_of_a_start_lose_nothing():
    """Breaks if a start that is cut short leaves a half-written file, or
    forgets who the node is."""
    with small_cluster(groups=2) as c:
        c.start()
        hammer = Hammer(c, keys=10**8, concurrency=16)
        hammer.wait_acknowledged(500)
        rounds(c, AT_START)
        c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


@test
def crashes_at_failpoints_of_cluster_init_are_continued():
    """Breaks if a node that died while its replicas were made cannot be made
    whole by the same command, or begins as an empty voter."""
    names = sorted(AT_INIT)
    for i in range(0, len(names), 3):
        with small_cluster(groups=2) as c:
            armed = {n: (name, AT_INIT[name])
                     for n, name in enumerate(names[i:i + 3], 1)}

            def init():
                c.cli("--timeout", "3000", "cluster", "init", "--groups", "2",
                      "--replicas", "3")
            let_die(c, armed, nudge=init)
            wait_until(lambda: c.cli("cluster", "init", "--groups", "2",
                                     "--replicas", "3").code == 0, 30,
                       "cluster init is continued")
            c.wait_healthy()
            c.set("after", b"init")
            expect(c.get("after") == b"init", "what was set is there")


def leave_behind(c, node, hammers):
    """Kill the node and write until the others' logs begin behind its end.
    Then there is little load, so that the snapshot is not overtaken."""
    node.process.kill()
    node.process.wait()
    turn = len(hammers)
    hammers.append(Hammer(c, keys=6000, first=turn * 6000, value_size=2000,
                          name=f"hammer{turn}"))
    hammers[-1].wait()


def crash_while_installing(names):
    with small_cluster(groups=1) as c:
        c.start()
        hammers = []
        with Recorder(c, processes=1, think=20):
            for name in names:
                leave_behind(c, c.nodes[3], hammers)
                let_die(c, {3: (name, 1)})
                c.wait_healthy()
        for hammer in hammers:
            hammer.verify()


@test
def crashes_at_failpoints_of_an_install_lose_nothing():
    """Breaks if a replica that dies while it gets a snapshot mixes the old
    store with the new log, or loses both. Here every third place; the rest
    are in the long run."""
    crash_while_installing(INSTALLING[::3])


@test(long=True)
def crashes_at_the_other_failpoints_of_an_install_lose_nothing():
    """As above."""
    crash_while_installing([name for i, name in enumerate(INSTALLING) if i % 3])


@test
def crashes_at_failpoints_of_a_checkpoint_lose_nothing():
    """Breaks if a leader that dies while it makes a snapshot leaves its store
    unusable, or a half-made checkpoint is taken for one."""
    with small_cluster(groups=1) as c:
        c.start()
        hammers = []
        for name in SENDING:
            leader = c.wait_leader(1)
            behind = next(n for n in c.nodes if n != leader)
            leave_behind(c, c.nodes[behind], hammers)
            armed = [c.nodes[n] for n in c.nodes if n != behind]
            for node in armed:
                node.process.kill()
                node.process.wait()
                arm(node, name)
            for node in c.nodes.values():
                node.start()
            wait_until(lambda: any(died_of(n) for n in armed), 120,
                       f"{name} is reached")
            for node in armed:
                disarm(node)
                if node.running():
                    node.process.kill()
                    node.process.wait()
                node.start()
            for node in c.nodes.values():
                node.wait_ready()
            c.wait_healthy()
        for hammer in hammers:
            hammer.verify()


@test
def crashes_at_failpoints_of_a_truncation_lose_nothing():
    """Breaks if a deposed leader that dies while it drops what nobody else
    has finds it again, or drops more."""
    with small_cluster(groups=1) as c:
        c.start()
        with Recorder(c, processes=1) as r:
            for name in TRUNCATING:
                r.wait_more(lines=100)
                old = c.wait_home(1)
                others = [c.nodes[n] for n in c.nodes if n != old]
                # Not paused: what waits in a sleeper's socket would reach it.
                for node in others:
                    node.process.kill()
                for node in others:
                    node.process.wait()
                done = c.cli("--timeout", "2000", "set", "alone", name,
                             endpoint=old)
                expect(done.code in (3, 5), "a majority was dead, and yet "
                       f"something was acknowledged: {done.code}")
                c.nodes[old].kill()
                for node in others:
                    node.start()
                for node in others:
                    node.wait_ready()
                r.wait_more(lines=100)
                let_die(c, {old: (name, 1)})
                c.wait_healthy()


@test
def crashes_at_failpoints_of_a_stop_lose_nothing():
    """Breaks if a graceful stop promises what only its end would keep."""
    with small_cluster(groups=2) as c:
        c.start()
        hammer = Hammer(c, keys=10**8, concurrency=16)
        for name in STOPPING:
            for node in c.nodes.values():
                node.kill()
                arm(node, name)
                node.start().wait_ready()
                c.wait_healthy()
                hammer.wait_acknowledged(hammer.acknowledged() + 500)
                node.stop()
                expect(died_of(node) == name, f"{name} was not reached")
                disarm(node)
                node.start().wait_ready()
                c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


def let_fail(c, armed, seconds=120):
    """As let_die(), with errors instead: a node may stop itself, refuse to
    start, or bear it; then it starts again without."""
    for n, (name, times) in armed.items():
        node = c.nodes[n]
        if node.running():
            node.process.kill()
            node.process.wait()
        node.environment = {"COAT_FAILPOINT": f"{name}=error@{times}"}
    for n in armed:
        c.nodes[n].start()
    left = dict(armed)

    def all_acted():
        for n in list(left):
            node = c.nodes[n]
            if f"failpoint_acts name={left[n][0].upper()} " in node.said():
                del left[n]
            elif not node.running():
                raise Failure(f"node {n} ended without {left[n][0]}: "
                              f"{node.process.returncode} {node.said()[-500:]}")
            else:
                continue
        return not left
    try:
        wait_until(all_acted, seconds, "all errors happen")
    except Failure as e:
        raise Failure(f"{e}; left: {left}") from None
    for n in armed:
        node = c.nodes[n]
        disarm(node)
        # It has seen the error; now it goes on or ends, in its own time.
        wait_until(lambda: not node.running() or "node_ready" in node.said(),
                   60, f"{armed[n][0]}: the node is ready, or ends")
        if not node.running():
            expect(node.process.returncode == 1,
                   f"{armed[n][0]}: exit {node.process.returncode}: "
                   f"{node.said()[-600:]}")
            node.start().wait_ready()


@test
def errors_at_failpoints_under_load_lose_nothing():
    """Breaks if a failed write is taken for a good one, if the daemon goes on
    after a failed sync of the log, or dies of an assertion."""
    fails = {name for name, error in all_failpoints().items() if error}
    points = {name: times for name, times in {**UNDER_LOAD, **AT_START}.items()
              if name in fails}
    with small_cluster(groups=2) as c:
        c.start()
        hammer = Hammer(c, keys=10**8, concurrency=16, value_size=1000)
        with Recorder(c, processes=1):
            names = sorted(points)
            for i in range(0, len(names), 2):
                let_fail(c, {n: (name, points[name])
                             for n, name in enumerate(names[i:i + 2], 1)})
            for node in c.nodes.values():
                node.kill()
            for node in c.nodes.values():
                node.start().wait_ready()
            c.wait_healthy()
        hammer.interrupt()
        hammer.verify()


@test
def every_failpoint_is_among_those_that_were_tried():
    """Breaks if a failpoint is added that no test reaches."""
    tried = {*UNDER_LOAD, *AT_START, *AT_INIT, *INSTALLING, *SENDING,
             *TRUNCATING, *STOPPING}
    missing = set(all_failpoints()) - tried
    expect(not missing, f"no test crashes at {sorted(missing)}")
