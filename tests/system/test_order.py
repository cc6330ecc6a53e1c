"""test_order.py - one connection's requests keep their order, through a node
that has to pass all of them on, while leaders change."""
import contextlib
import time

from cluster import Cluster, expect, wait_until
from harness import test
from proxy import Proxy
from recorder import Recorder
from wire import GET, REQUEST, SET, Connection, field, frame, parse

OK, NOT_FOUND, UNKNOWN = 0, 1, 13
REFUSED = {8, 9, 10, 11, 12, 17, 26, 28}  # certainly not executed


class Key:
    """What one writer knows of its key: the numbers it may hold now."""

    def __init__(self, name):
        self.name = name
        self.may = {0}    # 0: nothing was ever written
        self.unknown = 0  # sets whose end is not known
        self.refused = 0


def ask_all(connection, first, frames):
    """Send all at once; {request id: fields of its reply}."""
    connection.send(b"".join(frames))
    replies = {}
    while len(replies) < len(frames):
        got = connection.receive()
        expect(got is not None, "the node closed the connection")
        if first <= got[2] < first + len(frames):
            replies[got[2]] = parse(got[3])
    return replies


def burst(connection, key, numbers, first):
    """SET and GET in turn, without waiting; then what each one saw."""
    frames = []
    for i, n in enumerate(numbers):
        frames.append(frame(REQUEST, SET, field(2, key.name)
                            + field(3, str(n)), first + 2 * i))
        frames.append(frame(REQUEST, GET, field(2, key.name),
                            first + 2 * i + 1))
    replies = ask_all(connection, first, frames)
    ends = [replies[first + 2 * i].get(1, 0) for i in range(len(numbers))]
    later = set()  # what a read may also see: sets that were sent behind it
    for n, end in zip(numbers, ends):
        if end not in REFUSED:
            later.add(n)
    for i, (n, end) in enumerate(zip(numbers, ends)):
        later.discard(n)
        if end == OK:
            key.may = {n}
        elif end == UNKNOWN:
            key.may.add(n)
            key.unknown += 1
        else:
            expect(end in REFUSED, f"set: status {end}")
            key.refused += 1
        read = replies[first + 2 * i + 1]
        if read.get(1, 0) in (OK, NOT_FOUND):
            got = int(read.get(2, b"0"))
            expect(got in key.may | later, f"a read behind the set of {n} "
                   f"(status {end}) is {got}; it may be {key.may} or what was "
                   f"set behind it, {later}")


def leads_nothing(c):
    """The one node of three that none of two groups wants for its leader."""
    leaders = {c.wait_home(1), c.wait_home(2)}
    expect(len(leaders) == 2, f"both groups belong to {leaders}")
    return next(n for n in c.nodes if n not in leaders)


@test
def pipelined_requests_keep_their_order_through_a_node_that_leads_nothing():
    """Breaks if a set overtakes an earlier one, or a read a set, because they
    are passed on, refused or asked for again; if what was refused happens."""
    with Cluster(groups=2) as c, contextlib.ExitStack() as stack:
        asked = leads_nothing(c)
        w = stack.enter_context(Connection(c.nodes[asked].port, 30))
        keys = [Key(f"order{i}") for i in range(4)]
        number, request = 0, 1
        for group, how in ((1, "kill"), (2, "pause")):
            broken = False
            victim = c.nodes[c.wait_leader(group, other_than=asked)]
            end, goal = time.monotonic() + 2, number + 300
            while time.monotonic() < end or number < goal:
                expect(time.monotonic() < end + 90, f"only {number} sets")
                for key in keys:
                    numbers = range(number + 1, number + 26)
                    number += 25
                    burst(w, key, numbers, request)
                    request += 50
                if not broken and time.monotonic() > end - 1.7:
                    broken = True
                    getattr(victim, how)()
            if how == "kill":
                victim.start().wait_ready()
            else:
                victim.resume()
            c.wait_healthy()
        for key in keys:
            status, value = w.get(key.name)
            expect(status == OK and int(value) in key.may,
                   f"{key.name} ends as {value}, it may be {key.may}")
        print(f"    {number} sets, {sum(k.refused for k in keys)} refused, "
              f"{sum(k.unknown for k in keys)} unknown", flush=True)


@test
def histories_of_clients_that_know_one_node_only_are_linearizable():
    """Breaks if passing a request on repeats it, or answers from the node's own
    state. What the first two nodes tell clients as their addresses leads to the
    third, too, so that the library cannot go to the leaders by itself."""
    with Cluster(groups=2) as c, contextlib.ExitStack() as stack:
        proxies = [Proxy(c.nodes[3].port, 0, n) for n in (1, 2)]
        for node, proxy in zip(c.nodes.values(), proxies):
            stack.callback(proxy.close)
            node.extra += ["--advertise-client", proxy.endpoint]
            node.stop()
            node.start().wait_ready()
        wait_until(lambda: all(p.endpoint in c.cli("-o", "json", "map",
                                                   endpoint=3).text
                               for p in proxies), 30, "the map tells them")
        with Recorder(c, endpoints=c.nodes[3].endpoint) as r:
            for number in (1, 2):
                r.wait_more()
                c.nodes[number].pause()
                r.wait_more(lines=100)
                c.nodes[number].resume()
            # Whoever was elected meanwhile hands over to them in a while.
            wait_until(lambda: all(p.accepted for p in proxies), 30,
                       "clients are told the proxies' addresses")
            r.wait_more()
