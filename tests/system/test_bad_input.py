"""test_bad_input.py - garbage, strangers and limits; nobody is harmed."""
import contextlib
import os
import random
import socket

import wire
from cluster import Failure, expect, wait_until
from harness import shared_cluster, test
from wire import Connection

OK, KEY_EMPTY, KEY_TOO_LARGE, VALUE_TOO_LARGE = 0, 4, 5, 6
WRONG_VERSION, BAD_FRAME, BAD_MESSAGE = 20, 21, 22


def still_well(c, pids):
    """The same processes, and a write and a read through each."""
    for n, node in c.nodes.items():
        expect(node.running() and node.process.pid == pids[n],
               f"node {n} died: {node.said()[-300:]}")
        with Connection(node.port) as connection:
            expect(connection.set("still-well", b"yes") == OK, f"set, {n}")
            expect(connection.get("still-well") == (OK, b"yes"), f"get, {n}")


def pids_of(c):
    return {n: node.process.pid for n, node in c.nodes.items()}


def ports_of(c):
    """Every port that a node listens on."""
    return [p for node in c.nodes.values()
            for p in (node.port, node.peer_port)]


def pour(port, data, seconds=1):
    """Send bytes and read what comes until the node closes; a node that keeps
    the connection open for more is left after so many seconds."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        s.settimeout(seconds)
        with contextlib.suppress(OSError):  # closed before all was sent
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        with contextlib.suppress(OSError):  # reset, or still open
            while part := s.recv(65536):
                answer += part
    return answer


HTTP = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
REDIS = b"*1\r\n$4\r\nPING\r\n"
TLS = bytes.fromhex("16030100c4010000c00303") + bytes(range(190))


@test
def strangers_on_the_native_port_are_told_what_it_is():
    """Breaks if a browser or a Redis client hangs instead of being told that
    this port speaks another protocol."""
    c = shared_cluster()
    pids = pids_of(c)
    for port in ports_of(c):
        for name, bytes_sent in (("HTTP", HTTP), ("Redis", REDIS),
                                 ("text", b"hello, is anybody there?\r\n")):
            answer = pour(port, bytes_sent, 30)
            expect(b"coatcheck" in answer.lower(),
                   f"{name} on port {port}: {answer[:80]!r}")
        answer = pour(port, TLS, 30)
        expect(answer[:1] == b"\x15", f"no TLS alert on port {port}: "
               f"{answer[:80]!r}")
    still_well(c, pids)


@test
def garbage_on_every_port_harms_nobody():
    """Breaks if any input from a stranger crashes or blocks a node."""
    rng = random.Random(7)
    c = shared_cluster()
    pids = pids_of(c)
    for port in ports_of(c):
        for size in (1, 3, 24, 25, 1000, 100_000):
            pour(port, rng.randbytes(size))
        pour(port, bytes(5000))
        pour(port, b"\xff" * 5000)
    still_well(c, pids)


@test
def frames_cut_anywhere_harm_nobody():
    """Breaks if a half frame is acted upon, or its rest is waited for by a
    node that should serve others."""
    c = shared_cluster()
    pids = pids_of(c)
    whole = wire.frame(wire.REQUEST, wire.SET,
                       wire.field(2, "cut") + wire.field(3, b"x" * 40))
    for cut in range(len(whole)):
        for node in c.nodes.values():
            with socket.create_connection(("127.0.0.1", node.port), 5) as s:
                s.sendall(whole[:cut])
    with Connection(c.nodes[1].port) as connection:
        expect(connection.get("cut")[0] == 1, "a cut frame was executed")
    # Byte by byte it is a frame like any other.
    with Connection(c.nodes[1].port) as connection:
        connection.socket.setsockopt(socket.IPPROTO_TCP,
                                     socket.TCP_NODELAY, 1)
        for byte in whole:
            connection.send(bytes([byte]))
        got = connection.receive()
        expect(got and wire.parse(got[3]).get(1) == OK, "in single bytes")
    still_well(c, pids)


@test
def wrong_frames_are_refused_by_name():
    """Breaks if a damaged frame is trusted, or refused without a word."""
    c = shared_cluster()
    pids = pids_of(c)
    get = wire.field(2, "k")
    cases = {
        "a wrong checksum": (wire.frame(1, wire.GET, get, crc=1), BAD_FRAME),
        "a length above the limit": (
            wire.frame(1, wire.GET, get, length=wire.PAYLOAD_MAX + 1),
            BAD_FRAME),
        "a later version": (wire.frame(1, wire.GET, get, version=9),
                            WRONG_VERSION),
        "a kind that is none": (wire.frame(7, wire.GET, get), BAD_FRAME),
    }
    for what, (data, status) in cases.items():
        for node in c.nodes.values():
            with Connection(node.port) as connection:
                connection.send(data)
                got = connection.receive()
                expect(got and got[1] == wire.ERROR, f"{what}: no error "
                       f"came back from node {node.number}: {got}")
                fields = wire.parse(got[3])
                expect(fields.get(1) == status, f"{what}: status "
                       f"{fields.get(1)} instead of {status}")
                expect(connection.receive() is None, f"{what}: still open")
    still_well(c, pids)


@test
def an_unknown_message_is_refused_and_the_connection_lives_on():
    """Breaks if a newer client cannot find out that a node lacks something
    without losing everything else that is under way."""
    c = shared_cluster()
    pids = pids_of(c)
    for node in c.nodes.values():
        with Connection(node.port) as connection:
            for message, payload in ((0x7777, b""), (wire.GET, b"\xff" * 9),
                                     (wire.GET, b""), (wire.SET, b"\x12")):
                message, fields = connection.ask(message, payload)
                expect(fields.get(1) != OK, f"{message:#x} was accepted")
            expect(connection.set("lives-on", b"1") == OK, "still usable")
    still_well(c, pids)


@test
def a_client_on_the_peer_port_is_refused():
    """Breaks if somebody can talk to Raft, or read keys, without having said
    which member he is."""
    c = shared_cluster()
    pids = pids_of(c)
    for node in c.nodes.values():
        for message in (wire.GET, 0x0120, 0x0130, 0x0140):
            with Connection(node.peer_port) as connection:
                connection.send(wire.frame(wire.REQUEST, message,
                                           wire.field(2, "k")))
                got = connection.receive()
                expect(refused(got),
                       f"message {message:#x} on the peer port: {got}")
        with Connection(node.peer_port) as connection:
            connection.send(wire.frame(wire.ONEWAY, 0x0110, bytes(200)))
            connection.send(wire.frame(wire.REQUEST, wire.HELLO, bytes(64)))
            got = connection.receive()
            expect(refused(got), f"a false hello: {got}")
    still_well(c, pids)


def refused(got):
    """Closed, an error, or a hello's reply whose status is not OK (bytes 12 to
    15, node/core/hello.h)."""
    return got is None or got[1] == wire.ERROR or \
        got[1] == 0x0101 and got[3][12:16] != bytes(4)


@test
def keys_and_values_at_and_beyond_the_limits():
    """Breaks if a limit is off by one, or is found only after a part was
    done."""
    c = shared_cluster()
    pids = pids_of(c)
    with Connection(c.nodes[2].port) as connection:
        expect(connection.set("", b"v") == KEY_EMPTY, "empty key")
        expect(connection.get("")[0] == KEY_EMPTY, "empty key, get")
        expect(connection.set("k" * 65536, b"v") == KEY_TOO_LARGE, "long key")
        expect(connection.set("k" * 65535, b"v") == OK, "longest key")
        expect(connection.get("k" * 65535) == (OK, b"v"), "longest key")
        expect(connection.set("empty-value", b"") == OK, "empty value")
        expect(connection.get("empty-value") == (OK, b""), "empty value")
        zero = bytes(range(256))
        expect(connection.set(zero.hex(), zero) == OK, "all bytes")
        expect(connection.get(zero.hex()) == (OK, zero), "all bytes")
    biggest = os.urandom(16 * 1024 * 1024)
    for n in c.nodes:
        c.set("biggest", biggest, endpoint=n)
        expect(c.get("biggest", endpoint=n) == biggest, "largest value")
    done = c.cli("set", "beyond", "-", stdin=biggest + b"x")
    expect(done.code in (2, 4) and "16 MiB" in done.err,
           f"a larger value: {done.code} {done.err}")
    expect(c.get("beyond") is None, "nothing is left of it")
    done = c.cli("set", "k" * 65536, "v")
    expect(done.code in (2, 4) and "65535" in done.err.replace(",", ""),
           f"a longer key: {done.code} {done.err}")
    done = c.cli("set", "", "v")
    expect(done.code in (2, 4) and "empty" in done.err,
           f"an empty key: {done.code} {done.err}")
    c.cli("del", "biggest")
    still_well(c, pids)


@test
def many_idle_connections_leave_room_for_others():
    """Breaks if somebody who only connects can lock everybody else out."""
    c = shared_cluster()
    pids = pids_of(c)
    idle = []
    try:
        for node in c.nodes.values():
            for port in (node.port, node.peer_port):
                for _ in range(200):
                    idle.append(socket.create_connection(
                        ("127.0.0.1", port), 5))
        still_well(c, pids)
    finally:
        for s in idle:
            s.close()
    still_well(c, pids)


@test
def a_reader_that_never_reads_is_not_allowed_to_fill_memory():
    """Breaks if replies pile up for a client that asks without end and reads
    nothing: the node must stop reading from it."""
    c = shared_cluster()
    pids = pids_of(c)
    value = os.urandom(1024 * 1024)
    c.set("heavy", value)
    ask = b"".join(wire.frame(wire.REQUEST, wire.GET, wire.field(2, "heavy"),
                              request=i) for i in range(1000))
    with socket.create_connection(("127.0.0.1", c.nodes[1].port), 5) as s:
        s.settimeout(3)
        try:
            for _ in range(20):
                s.sendall(ask)
        except OSError:
            pass  # it is not read any more, or closed
        wait_until(lambda: _answers(c), 30, "others are served meanwhile")
        most = _resident(c.nodes[1], "VmHWM")
    expect(most < 1 << 30, f"the node grew to {most >> 20} MiB")
    c.wait_healthy()
    still_well(c, pids)
    c.cli("del", "heavy")


def _answers(c):
    try:
        still_well(c, pids_of(c))
    except (OSError, Failure, TypeError):
        return False  # cut off, refused, or closed without an answer
    return True


def _resident(node, what):
    """A figure of /proc/PID/status, in bytes."""
    with open(f"/proc/{node.process.pid}/status") as f:
        for line in f:
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
    raise Failure(f"no {what}")
