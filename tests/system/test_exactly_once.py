"""test_exactly_once.py - replies are lost, leaders die: each write counts once.

The clients here speak the protocol by hand (wire.py). They throw connections
away after sending, which is how a lost reply looks to them, and send the same
request, with the same session, to another node."""
import os
import random
import struct
import threading
import time

from cluster import Cluster, Failure, expect, wait_until
from harness import test
import wire

OPERATE = 6
OP_INCR, OP_GET = 5, 1
OK, NOT_FOUND, UNKNOWN, EXPIRED, STALE = 0, 1, 13, 33, 34
AGAIN = {8, 9, 10, 11, 12, 13, 14, 17, 26, 28}  # retry safe, and UNKNOWN


def operation(op, key, argument=0):
    return struct.pack("<BBHIIQ", op, 0, len(key), 0, 0, argument) + key


class Counter:
    """A client with a session that increments keys until each is certain."""

    def __init__(self, cluster, seed):
        self.rng = random.Random(seed)
        self.ports = [n.port for n in cluster.nodes.values()]
        self.client = os.urandom(16)
        self.sequence = 0
        self.lost = 0
        self.connection = None

    def _connected(self):
        if self.connection is None:
            self.connection = wire.Connection(self.rng.choice(self.ports), 3)
        return self.connection

    def _drop(self):
        if self.connection is not None:
            self.connection.socket.close()
        self.connection = None

    def _once(self, payload):
        """The reply's (status, value), or None when it was lost."""
        try:
            c = self._connected()
            if self.rng.random() < 0.25:
                c.send(wire.frame(wire.REQUEST, OPERATE, payload, 1))
                # Sometimes at once, sometimes after it was committed.
                time.sleep(self.rng.choice((0, 0, 0.002, 0.01)))
                self.lost += 1
                self._drop()
                return None
            got = c.ask(OPERATE, payload)
        except OSError:
            got = None
        if got is None:
            self._drop()
            return None
        reply = got[1][1]
        status, = struct.unpack_from("<H", reply)
        return status, reply[40:]

    def incr(self, key, seconds=60):
        self.sequence += 1
        end = time.monotonic() + seconds
        not_after = int(time.time() * 1000) + 120_000
        session = self.client + struct.pack("<QQQ", self.sequence,
                                            self.sequence, not_after)
        payload = (wire.field(2, operation(OP_INCR, key, 1))
                   + wire.field(3, session))
        while time.monotonic() < end:
            got = self._once(payload)
            if got is not None and got[0] == OK:
                return int(got[1])
            if got is not None and got[0] not in AGAIN:
                raise Failure(f"incr ends with status {got[0]}")
            if got is not None:
                self._drop()  # ask another node
                time.sleep(0.02)
        raise Failure(f"no increment within {seconds} s")


def total(cluster, keys):
    def read(key):
        for node in cluster.nodes.values():
            with wire.Connection(node.port) as c:
                got = c.ask(OPERATE, wire.field(2, operation(OP_GET, key)))
                if got is None:
                    continue
                status, = struct.unpack_from("<H", got[1][1])
                if status == OK:
                    return int(got[1][1][40:])
                if status == NOT_FOUND:
                    return 0
        return None
    values = {}

    def all_read():
        for key in keys:
            if values.get(key) is None:
                values[key] = read(key)
        return None not in values.values()
    wait_until(all_read, 60, "the counters can be read")
    return sum(values.values())


class Counting:
    """Threads that increment until told to stop."""

    def __init__(self, cluster, threads=8):
        self.keys = [b"counter%d" % i for i in range(6)]
        self.counters = [Counter(cluster, i) for i in range(threads)]
        self.done = [0] * threads
        self.failure = None
        self.stopping = False
        self.threads = [threading.Thread(target=self._run, args=(i,))
                        for i in range(threads)]
        for t in self.threads:
            t.start()

    def _run(self, i):
        c = self.counters[i]
        seen = {}
        try:
            while not self.stopping:
                key = c.rng.choice(self.keys)
                value = c.incr(key)
                if value <= seen.get(key, 0):
                    raise Failure(f"{key} went from {seen[key]} to {value}")
                seen[key] = value
                self.done[i] += 1
        except BaseException as e:  # told by stop()
            self.failure = e

    def wait_more(self, count):
        goal = sum(self.done) + count
        wait_until(lambda: self.failure or sum(self.done) >= goal, 90,
                   f"{count} more increments")

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join()
        if self.failure:
            raise self.failure
        return sum(self.done)


@test
def lost_replies_and_killed_leaders_count_each_increment_once():
    """Breaks if a retry is executed twice, or a first result is lost with a
    leader, a restart or a pause."""
    with Cluster(groups=3) as c:
        counting = Counting(c)
        try:
            for turn, group in enumerate((1, 2)):
                counting.wait_more(150)
                with c.without(c.wait_leader(group), asleep=turn % 2):
                    counting.wait_more(120)
            c.kill_all_and_start()
            c.wait_healthy()
            counting.wait_more(120)
        finally:
            sent = counting.stop()
        lost = sum(x.lost for x in counting.counters)
        expect(lost > 100, f"only {lost} replies were lost")
        got = total(c, counting.keys)
        expect(got == sent, f"{sent} increments, the sum is {got}")


@test
def a_late_copy_of_a_request_is_refused_not_executed():
    """Breaks if a copy that was delayed somewhere runs after its time, or
    after its reply was acknowledged."""
    with Cluster(nodes=1, groups=1) as c:
        port = c.nodes[1].port
        client = os.urandom(16)

        def incr(sequence, acknowledged, not_after):
            session = client + struct.pack("<QQQ", sequence, acknowledged,
                                           not_after)
            with wire.Connection(port) as w:
                reply = w.ask(OPERATE, wire.field(2, operation(
                    OP_INCR, b"n", 1)) + wire.field(3, session))[1][1]
            return struct.unpack_from("<H", reply)[0], reply[40:]
        soon = int(time.time() * 1000) + 60_000
        expect(incr(1, 1, soon) == (OK, b"1"), "the first")
        expect(incr(1, 1, soon) == (OK, b"1"), "again: the first result")
        expect(incr(2, 2, soon) == (OK, b"2"), "the second")
        expect(incr(3, 3, soon) == (OK, b"3"), "the third")
        expect(incr(1, 1, soon)[0] == STALE, "the first was acknowledged")
        expect(incr(9, 3, soon - 120_000)[0] == EXPIRED, "its time is over")
        expect(incr(9, 3, soon + 600_000)[0] == 3, "too far ahead")
        expect(incr(4, 4, soon) == (OK, b"4"), "nothing else happened")
