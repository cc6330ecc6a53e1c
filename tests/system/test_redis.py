"""test_redis.py - the Redis door: random commands answered as a real Redis
answers them, and what its own tools and client libraries make of it."""
import os
import random
import re
import shutil
import subprocess
import tempfile
import time


from cluster import Cluster, build_folder, die_with_parent, expect, \
    free_base_port, program, wait_until
from harness import shared_cluster, skip, test
from resp import Error, Resp, encode

HERE = os.path.dirname(os.path.abspath(__file__))


class RealRedis:
    """A redis-server of the machine's own, to compare with."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="coatcheck-redis-")
        self.port = free_base_port(1) + 13
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "",
             "--bind", "127.0.0.1", "--dir", self.folder],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)

        def up():
            try:
                Resp(self.port).close()
                return True
            except OSError:
                return False
        wait_until(up, 30, "redis-server listens")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def redis_port(c, node=1):
    return c.nodes[node].redis_port


def empty(c):
    """A connection to a cluster without keys."""
    r = Resp(redis_port(c))
    expect(r.ask("FLUSHALL") == "OK", "FLUSHALL")
    return r


# ---- random commands, compared ----

KEYS = [b"a", b"b", b"c", b"{t}1", b"{t}2", b"\x00\xff", b"n1", b"n2"]
FLOATS = [b"f1", b"f2", b"{t}f"]


class Generator:
    """Random commands whose replies do not depend on the moment."""

    def __init__(self, seed):
        self.r = random.Random(seed)

    def key(self):
        return self.r.choice(KEYS)

    def keys(self):
        return [self.key() for _ in range(self.r.randrange(1, 6))]

    def value(self):
        r = self.r
        return r.choice([
            b"", b"x", b"hello world", bytes(r.randbytes(r.randrange(40))),
            str(r.randrange(-1000, 1000)).encode(),
            str(r.randrange(-40, 40) / 4).encode(), b"9223372036854775807",
            b"-9223372036854775808", b"1e3", b" 1", b"01", b"v" * 3000])

    def number(self):
        r = self.r
        return r.choice([r.randrange(-100, 100), r.randrange(-9, 9),
                         9223372036854775807, -9223372036854775808,
                         "x", "", "1.5", "+1"])

    def time(self, absolute=False, seconds=True):
        r = self.r
        if r.random() < .15:
            # Beyond 2^60 ms there is no time here, absolute or not.
            return r.choice(["x", 0, -1, "-9223372036854775808",
                             "-1" if absolute else "9223372036854775807"])
        # Never two that differ by less than what the servers' clocks may.
        n = r.randrange(1000, 10000000, 10) + \
            (int(time.time()) if absolute else 0)
        return n if seconds else n * 1000

    def expiry(self):
        word = self.r.choice(["EX", "PX", "EXAT", "PXAT"])
        return [word, self.time("AT" in word, word[0] == "E")]

    def set(self):
        r, words = self.r, ["SET", self.key(), self.value()]
        for option, often in ((["NX"], .2), (["XX"], .2), (["GET"], .2),
                              (["KEEPTTL"], .1), (self.expiry(), .3),
                              (["foo"], .02), (["EX"], .02)):
            if r.random() < often:
                words += option
        return words

    def expire(self):
        r = self.r
        word = r.choice(["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"])
        words = [word, self.key(), self.time("AT" in word, word[0] == "E")]
        for option, often in (("NX", .2), ("XX", .2), ("GT", .2),
                              ("LT", .2), ("foo", .02)):
            if r.random() < often:
                words.append(option)
        return words

    def getex(self):
        r = self.r
        return ["GETEX", self.key(), *r.choice(
            [[], ["PERSIST"], self.expiry(), self.expiry(), ["foo"], ["EX"]])]

    def simple(self):
        k, v, n = self.key(), self.value(), self.number()
        small = self.r.randrange(-3, 12)
        return self.r.choice([
            ("GET", k), ("GET", k), ("STRLEN", k), ("TYPE", k),
            ("INCR", k), ("DECR", k), ("INCRBY", k, n), ("DECRBY", k, n),
            # Both are exact in such steps; elsewhere Redis has more digits.
            ("INCRBYFLOAT", self.r.choice(FLOATS), self.r.choice(
                [.25, -1.5, 3, "x", "", "inf", "1e2"])),
            ("GET", self.r.choice(FLOATS)),
            ("INCRBYFLOAT", k, self.r.choice(["x", "inf"])),
            ("APPEND", k, v), ("SETRANGE", k, small, v),
            ("GETRANGE", k, small, self.r.randrange(-12, 12)),
            ("GETRANGE", k, n, 3), ("SETNX", k, v), ("GETSET", k, v),
            ("GETDEL", k), ("PERSIST", k), ("TTL", k), ("PTTL", k),
            ("EXPIRETIME", k), ("PEXPIRETIME", k),
            ("SETEX", k, self.time(), v),
            ("PSETEX", k, self.time(seconds=False), v),
            ("MGET", *self.keys()), ("DEL", *self.keys()),
            ("UNLINK", *self.keys()), ("EXISTS", *self.keys()),
            ("MSET", *[w for key in self.keys() for w in
                       (key, self.value())]),
            ("DBSIZE",), ("KEYS", self.r.choice(
                ["*", "?", "[ab]", "{t}*", "n[^1]", "\\a", "[b-"])),
            ("SCAN", 0, "COUNT", 1000), ("SCAN", 0, "COUNT", 0),
            ("SCAN", "x"), ("RANDOMKEY",), ("PING",), ("PING", v),
            ("ECHO", v), ("SELECT", 0), ("SELECT", n), ("foo", k),
            ("GET",), ("GET", k, v), ("MSET", k), ("set", k, v),
            ("FLUSHDB", "foo")])

    def command(self):
        return self.r.choice([self.set, self.expire, self.getex, self.simple,
                              self.simple, self.simple, self.simple])()


def alike(command, ours, real):
    """Are the two replies equal, as far as they can be?"""
    name = str(command[0]).upper()
    if name in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME") and \
            isinstance(ours, int) and isinstance(real, int):
        slack = 5000 if name[0] == "P" else 5
        return ours == real if min(ours, real) < 0 \
            else abs(ours - real) <= slack
    if name == "KEYS" and isinstance(ours, list):
        return sorted(ours) == sorted(real)
    if name == "SCAN" and isinstance(ours, list):
        return True  # a page is of one group: see the test of scans
    if name == "RANDOMKEY":
        return (ours is None) == (real is None) and \
            (ours is None or ours in KEYS + FLOATS)
    if name == "SELECT" and isinstance(real, str) and real == "OK":
        return ours == "OK" or "out of range" in ours
    return ours == real and isinstance(ours, Error) == isinstance(real, Error)


def compare(ours, real, generator, rounds):
    """Random pipelines to both; the text of the first difference, or None."""
    for _ in range(rounds):
        commands = [generator.command()
                    for _ in range(generator.r.choice([1, 1, 2, 30]))]
        # Databases are keyspaces here: only the first is there on both.
        commands = [c for c in commands
                    if c[0] != "SELECT" or c[1] in (0, "x", "", "1.5", "+1")
                    or int(c[1]) not in range(1, 16)]
        if not commands:
            continue
        for command, a, b in zip(commands, ours.pipeline(commands),
                                 real.pipeline(commands)):
            if not alike(command, a, b):
                return f"{command!r}: {a!r}, a real Redis says {b!r}"
    return None


def run_differential(seeds, rounds):
    c = shared_cluster()
    with RealRedis() as server:
        real = Resp(server.port)
        for seed in seeds:
            ours = empty(c)
            real.ask("FLUSHALL")
            what = compare(ours, real, Generator(seed), rounds)
            expect(what is None, f"seed {seed}: {what}")
            ours.close()


@test
def random_commands_are_answered_as_a_real_redis_does():
    """Breaks if any reply or error text of the supported commands differs."""
    run_differential([1, random.randrange(1 << 30)], 300)


@test(long=True)
def many_random_commands_are_answered_as_a_real_redis_does():
    """The same for longer."""
    run_differential([random.randrange(1 << 30) for _ in range(20)], 1500)


@test
def every_node_takes_every_command():
    """Breaks if a node answers for its own groups only, or with MOVED."""
    c = shared_cluster()
    empty(c).close()
    nodes = [Resp(redis_port(c, n)) for n in c.nodes]
    for i in range(60):
        r = nodes[i % len(nodes)]
        expect(r.ask("SET", f"every{i}", i) == "OK", "SET")
        expect(nodes[(i + 1) % len(nodes)].ask("GET", f"every{i}") ==
               str(i).encode(), "GET by another node")
    for r in nodes:
        expect(r.ask("DBSIZE") == 60, "DBSIZE counts the whole cluster")
    for n, r in enumerate(nodes):
        expect(r.ask("DEL", *[f"every{i}" for i in range(n, 60, 3)]) == 20,
               "DEL of keys of several groups")
        r.close()


@test
def databases_are_keyspaces():
    """Breaks if SELECT leads elsewhere than the keyspace of that name."""
    c = shared_cluster()
    r = empty(c)
    expect(r.ask("SELECT", 3) == "ERR DB index is out of range", "no db3 yet")
    done = c.cli("keyspace", "create", "db3")
    expect(done.code == 0, f"keyspace create: {done.err}")
    # A node hears of a new keyspace with the next map.
    wait_until(lambda: r.ask("SELECT", 3) == "OK", 30, "db3 can be selected")
    expect(r.ask("SET", "where", "db3") == "OK", "SET")
    expect(c.cli("-k", "db3", "-o", "raw", "get", "where").out == b"db3",
           "the native door finds it in db3")
    expect(r.ask("DBSIZE") == 1, "DBSIZE of db3")
    expect(r.ask("SELECT", 0) == "OK", "SELECT 0")
    expect(r.ask("GET", "where") is None, "it is not in the default one")
    expect(r.ask("FLUSHALL") == "OK", "FLUSHALL")
    expect(r.ask("SELECT", 3) == "OK" and r.ask("DBSIZE") == 0,
           "FLUSHALL means every database")
    r.close()


@test
def commands_wait_for_a_new_leader():
    """Breaks if the loss of one node is seen by clients of the others as more
    than a delay."""
    with Cluster(3, 6) as c:
        r = Resp(redis_port(c, 1))
        for i in range(50):
            expect(r.ask("SET", f"wait{i}", i) == "OK", "SET")
        c.nodes[2].kill()
        for i in range(50):
            expect(r.ask("SET", f"wait{i}", -i) == "OK", "SET")
        for i in range(50):
            expect(r.ask("GET", f"wait{i}") == str(-i).encode(), "GET")
        r.close()


def check_pipeline(replies, keys, may, n):
    """SETs of n, n+1 ... and GETs in turn: does each GET see what the SETs
    before it allow? `may`: per key, the values it may have. Outcomes are never
    unknown, as the connection stays."""
    refused = 0
    for i in range(0, len(replies), 2):
        key, done, got = keys[i // 2], replies[i], replies[i + 1]
        value = str(n + i // 2).encode()
        if done == "OK":
            may[key] = {value}
        else:
            expect(done.startswith(("CLUSTERDOWN", "TRYAGAIN")), done)
            refused += 1
        if isinstance(got, Error):
            continue
        expect(got in may[key], f"{key} is {got}, it may be {may[key]}")
        may[key] = {got}
    return refused


@test
def pipelines_keep_their_order_while_leaders_change():
    """Breaks if a write that is asked for again comes behind a later one of
    the same pipeline, or a read before a write."""
    with Cluster(3, 6) as c:
        r = Resp(redis_port(c, 1))
        may = {f"order{i}": {None} for i in range(5)}
        n = refused = 0
        rng = random.Random(7)
        for victim in (2, 3):
            end, goal = time.monotonic() + 4, n + 400
            killed = False
            while time.monotonic() < end or n < goal:
                expect(time.monotonic() < end + 60, f"only {n} commands")
                keys = [rng.choice(list(may)) for _ in range(40)]
                r.socket.sendall(b"".join(
                    encode(("SET", key, n + i)) + encode(("GET", key))
                    for i, key in enumerate(keys)))
                if not killed and time.monotonic() > end - 3.5:
                    c.nodes[victim].kill()
                    killed = True
                refused += check_pipeline([r.read() for _ in range(80)],
                                          keys, may, n)
                n += 40
            c.nodes[victim].start().wait_ready()
            c.wait_healthy()
        print(f"    {n} SETs, {refused} refused", flush=True)
        r.close()


# ---- tools and client libraries, as they are ----

def run(words, seconds=120, stdin=b"", **how):
    done = subprocess.run(words, capture_output=True, timeout=seconds,
                          input=stdin, **how)
    out = done.stdout.decode("utf-8", "replace")
    expect(done.returncode == 0, f"{words[:3]}: exit {done.returncode}: "
           f"{out[-1500:]}{done.stderr.decode('utf-8', 'replace')[-1500:]}")
    return out


@test
def redis_cli_works():
    """Breaks if the tool everybody has at hand does not work."""
    c = shared_cluster()
    empty(c).close()
    for tool in ("redis-cli", "valkey-cli"):
        if tool == "valkey-cli" and not shutil.which(tool):
            continue
        for version in ("-2", "-3"):
            at = [tool, version, "-p", str(redis_port(c))]
            expect(run([*at, "set", "cli", "a b"]) == "OK\n", "set")
            expect(run([*at, "get", "cli"]) == "a b\n", "get")
            expect(run([*at, "-c", "mget", "cli", "none"]) == "a b\n\n",
                   "mget -c")
            expect(run([*at, "-x", "set", "cli2"], stdin=b"\x00\xff") ==
                   "OK\n", "set -x")
            out = run([*at, "--scan", "--pattern", "cli*"])
            expect(sorted(out.split()) == ["cli", "cli2"], f"--scan: {out}")
            out = run(at, stdin=b"incr n\nnonsense\nget cli\ndel n\n")
            expect("ERR unknown command 'nonsense'" in out and
                   out.startswith("1\n") and "a b" in out, out)
            out = run([*at, "--pipe"], stdin=b"".join(
                b"SET pipe%d %d\r\n" % (i, i) for i in range(500)))
            expect("errors: 0, replies: 500" in out, out)
            run([*at, "flushall"])
    out = run(["redis-cli", "--cluster", "info",
               f"127.0.0.1:{redis_port(c)}"])
    expect("[OK] 0 keys in 3 masters." in out, out)


@test
def redis_benchmark_works():
    """Breaks if figures cannot be measured with Redis' own tool."""
    c = shared_cluster()
    for options in (["--cluster"], [], ["-P", "16"], ["--cluster", "-P", "16"],
                    ["-3"]):
        out = run(["redis-benchmark", "-p", str(redis_port(c)), "-q", "-c",
                   "20", "-n", "2000", "-r", "1000", "-t",
                   "ping,set,get,incr,mset", *options])
        for name in ("SET", "GET", "INCR", "MSET (10 keys)"):
            expect(re.search(re.escape(name) + r": [\d.]+ requests per second",
                             out), f"{options}: {out[-800:]}")
        expect("rror" not in out, out)


@test
def hiredis_works():
    """Breaks if the C library's view of replies is another."""
    c = shared_cluster()
    empty(c).close()
    out = run([program("redis_hiredis"), str(redis_port(c))])
    expect(out == "hiredis: ok\n", out)


@test
def python3_redis_works():
    """Breaks if Python's client, alone or for Redis Cluster, does not work."""
    c = shared_cluster()
    empty(c).close()
    out = run(["/usr/bin/python3", os.path.join(HERE, "clients", "redis_py.py"),
               str(redis_port(c))])
    expect(out == "python3-redis: ok\n", out)


def node_modules():
    """Where deploy/setup put the packages."""
    folder = os.path.join(HERE, "clients")
    if not os.path.isdir(os.path.join(folder, "node_modules")):
        skip("its npm packages are not installed: see deploy/setup test")
    return folder


@test
def ioredis_works():
    """Breaks if this client, alone or as a Cluster, does not work."""
    c = shared_cluster()
    empty(c).close()
    out = run(["node", os.path.join(node_modules(), "ioredis.js"),
               str(redis_port(c))])
    expect(out == "ioredis: ok\n", out)


@test
def node_redis_works():
    """Breaks if this client, in RESP2 and RESP3, alone or as a cluster, does
    not work."""
    c = shared_cluster()
    empty(c).close()
    out = run(["node", os.path.join(node_modules(), "node_redis.js"),
               str(redis_port(c))])
    expect(out == "node-redis: ok\n", out)
