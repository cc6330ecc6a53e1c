"""test_watch.py - watches: what they tell is what happened, whoever dies."""
import json
import os
import signal
import subprocess

from cluster import Cluster, Hammer, die_with_parent, expect, program, \
    wait_until
from harness import test

MANY = 5_000_000  # more than is ever written: it is interrupted


class Watch:
    """coatcheck watch, running beside the test, and the state that its events
    add up to."""

    def __init__(self, cluster, *arguments, name="watch"):
        self.path = os.path.join(cluster.folder, name + ".events")
        self.log = os.path.join(cluster.folder, name + ".log")
        with open(self.path, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("coatcheck"), "-e", cluster.endpoints, "-o", "json",
                 "watch", *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=log,
                preexec_fn=die_with_parent)
        self.events = open(self.path, "rb")
        self.part = b""
        self.state = {}     # key: (version, value)
        self.versions = {}  # group: the last one
        self.previous = "--previous" in arguments
        self.count = 0

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def take(self):
        """Add up what has come since; gives how many events there are."""
        expect(self.process.poll() in (None, 0),
               f"the watch ended: {self.said()}")
        *lines, self.part = (self.part + self.events.read()).split(b"\n")
        for line in lines:
            self._event(json.loads(line))
        return self.count

    def _event(self, e):
        self.count += 1
        version, group = int(e["version"]), e["group"]
        # No transactions here: each change has a version of its own.
        expect(version > self.versions.get(group, 0),
               f"group {group} had {self.versions.get(group)}, then {e}")
        self.versions[group] = version
        if self.previous and e["key"] != "begin":
            before = self.state.get(e["key"], (0, None))[1]
            expect(_value(e, "previous") == before,
                   f"there was {before} before {e}")
        if e["event"] == "put":
            self.state[e["key"]] = (version, _value(e))
        else:
            self.state.pop(e["key"], None)

    def go_on_from(self, before):
        """What another watch had told counts, too."""
        self.state, self.versions = before.state, before.versions
        self.count = before.count

    def interrupt(self):
        """Ctrl-C; gives the cursor."""
        self.process.send_signal(signal.SIGINT)
        expect(self.process.wait(30) == 0, f"interrupted: {self.said()}")
        self.take()
        self.events.close()
        return self.said().split("cursor: ")[1].strip()


def _value(e, name="value"):
    """The value as it is written: bytes that are no text are in base64."""
    return e.get(name, e.get(name + "_base64"))


def _stored(c):
    done = c.cli("-o", "json", "scan", seconds=120)
    expect(done.code == 0, f"scan: {done.err}")
    entries = [json.loads(line) for line in done.text.splitlines()]
    return {e["key"]: (int(e["version"]), _value(e)) for e in entries}


def _same(watch, stored):
    watch.take()
    return watch.state == stored


def _begin(c, watch):
    """Until it tells anything: then it watches every group."""
    def told():
        c.set("begin", b"")
        return watch.take()
    wait_until(told, 60, "the watch has begun")


@test
def a_watch_replays_to_the_final_state_while_leaders_are_killed():
    """Breaks if a change is lost, told twice or out of order when a watch
    goes on at another leader, or in another process by its cursor."""
    with Cluster(groups=3) as c:
        watch = Watch(c)
        _begin(c, watch)
        hammer = Hammer(c, keys=MANY, concurrency=4)
        for turn in range(1, 5):
            leader = c.wait_leader(turn % 3 + 1)
            c.nodes[leader].kill()
            hammer.wait_acknowledged(hammer.acknowledged() + 2000)
            c.nodes[leader].start().wait_ready()
            gone = list(watch.state)[:5]
            expect(c.cli("del", *gone).code in (0, 1), "del")
            if turn % 2:
                before = watch
                watch = Watch(c, "--cursor", before.interrupt(),
                              name=f"watch{turn}")
                watch.go_on_from(before)
            c.wait_healthy()
            watch.take()
        hammer.interrupt()
        stored = _stored(c)
        expect(len(stored) > 8000, f"only {len(stored)} keys were written")
        wait_until(lambda: _same(watch, stored), 60,
                   "the events add up to what is stored")
        watch.interrupt()


def _overwrite(c):
    """A process that writes a few keys again and again, for three seconds."""
    return subprocess.Popen(
        [program("coatcheck"), "-e", c.endpoints, "bench", "--op", "set",
         "--keys", "50", "--clients", "4", "--duration", "3"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)


@test
def what_was_before_is_told_while_leaders_are_killed():
    """Breaks if a watch that asks is not told what was before, or not at
    another leader, or of a key that was there before it began."""
    with Cluster(groups=2) as c:
        c.set("early", b"bird")
        watch = Watch(c, "--previous")
        watch.state["early"] = (0, "bird")
        _begin(c, watch)
        c.set("early", b"worm")
        for turn in range(1, 3):
            leader = c.wait_leader(turn)
            writer = _overwrite(c)
            c.nodes[leader].kill()
            writer.wait(60)
            while watch.take() < 500 * turn:  # a slow disk
                _overwrite(c).wait(60)
            c.nodes[leader].start().wait_ready()
            expect(c.cli("del", *list(watch.state)[:5]).code in (0, 1), "del")
            c.cli("set", "--ttl", "50ms", "soon", "gone")
            wait_until(lambda: c.get("soon") is None, 30, "it expires")
            before = watch
            watch = Watch(c, "--previous", "--cursor", before.interrupt(),
                          name=f"watch{turn}")
            watch.go_on_from(before)
        stored = _stored(c)
        wait_until(lambda: _same(watch, stored), 60,
                   "the events add up to what is stored")
        watch.interrupt()


@test
def a_watch_of_a_prefix_tells_nothing_else():
    """Breaks if a watch is told of keys that it did not ask for, or misses
    one of those that it did."""
    with Cluster(groups=2) as c:
        watch = Watch(c, "a:*")

        def told():
            c.set("a:begin", b"")
            return watch.take()
        wait_until(told, 60, "the watch has begun")
        for i in range(20):
            c.set(f"a:{i}", b"mine")
            c.set(f"b:{i}", b"other")
        wait_until(lambda: watch.take() and len(watch.state) == 21, 60,
                   "20 keys are told")
        expect(all(k.startswith("a:") for k in watch.state), "other keys")
        watch.interrupt()


@test
def a_watch_goes_on_behind_the_version_that_a_get_told():
    """Breaks if who reads a value and then watches misses a change between
    the two, or gets the one that he has read."""
    with Cluster(groups=3) as c:
        for i in range(20):
            c.set("k", b"%d" % i)
            if i == 7:
                done = c.cli("-o", "json", "get", "k")
                version = json.loads(done.text)["version"]
        done = c.cli("watch", "k", "--after", str(version), "-n", "12")
        expect(done.code == 0, f"watch: {done.code} {done.err}")
        told = [line.split("\t")[3] for line in done.text.splitlines()]
        expect(told == [str(i) for i in range(8, 20)], f"told: {told}")
        expect(c.cli("watch", "k", "--after", "1", "-n", "1").code == 4,
               "a version that is too old is compacted")


@test
def a_watch_that_does_not_read_is_cut_off_and_told_so():
    """Breaks if a client that has missed changes is not told, or if a node
    keeps all changes for it."""
    with Cluster(groups=1) as c:
        watch = Watch(c)
        _begin(c, watch)
        watch.process.send_signal(signal.SIGSTOP)
        hammer = Hammer(c, keys=MANY, concurrency=16, value_size=20_000)
        hammer.wait_acknowledged(3000)  # three times what a group keeps
        hammer.interrupt()
        watch.process.send_signal(signal.SIGCONT)
        code = wait_until(lambda: watch.process.poll(), 60,
                          "it is told that it has missed changes")
        expect(code == 4 and "resync" in watch.said(),
               f"exit {code}: {watch.said()}")
