"""cluster.py - real daemons on loopback for the system tests.

A Cluster is a folder on a real disk with one data directory per node, a block
of free ports and the processes. Everything is stopped and deleted at the end
(kept when the test failed). Nothing here sleeps for a fixed time: what must
happen is waited for, with a limit.

Node numbers count from 1. Programs come from the folder given to setup()."""
import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

_programs = {}
_root = None

PATIENT = ("--timeout", "30000")  # before what a test itself says


class Failure(Exception):
    """A test's expectation did not hold; the text says which."""


class Skipped(Exception):
    """This machine cannot do it; the text says what is missing."""


def expect(condition, what):
    """Fail with `what` unless the condition holds."""
    if not condition:
        raise Failure(what)


def setup(build):
    """Find the programs in a build folder and a place for data."""
    global _root
    for base, _, files in os.walk(build):
        for name in ("coatcheckd", "coatcheckd_failpoints", "coatcheck",
                     "hammer", "recorder", "ledger", "candidate",
                     "coat_check", "redis_hiredis", "watchers"):
            path = os.path.join(base, name)
            if name in files and os.access(path, os.X_OK):
                _programs[name] = path
    _root = _real_disk(build)


def build_folder():
    """The build folder that the programs are from."""
    folder = os.path.dirname(program("coatcheckd"))
    while not os.path.exists(os.path.join(folder, "CMakeCache.txt")):
        folder = os.path.dirname(folder)
    return folder


def data_folder():
    """Where tests may keep data: on a real disk."""
    return _root


def program(name):
    """Where a program is."""
    if name not in _programs:
        raise SystemExit(f"{name} is not built: see tests/system/README.md")
    return _programs[name]


def _real_disk(build):
    """The first place that is not memory: fsync must mean something."""
    for place in (os.environ.get("COAT_TEST_DIR"), tempfile.gettempdir(),
                  "/var/tmp", build):
        if place and os.path.isdir(place):
            kind = subprocess.run(["stat", "-f", "-c", "%T", place],
                                  capture_output=True, text=True).stdout
            if kind.strip() not in ("tmpfs", "ramfs", "nfs"):
                return place
    raise SystemExit("no folder on a real disk: set COAT_TEST_DIR")


def wait_until(condition, seconds, what):
    """Wait until condition() gives something true, and return that."""
    end = time.monotonic() + seconds
    while True:
        got = condition()
        if got:
            return got
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.02)


def _port_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_owned = {}  # port: the socket whose name makes it ours


def _port_own(port):
    """Ours as long as this process lives, if no other test has it; see
    tests/unit/rpc/own_port.h."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0coatcheck-test-port-{port}")
    except OSError:
        name.close()
        return False
    _owned[port] = name
    return True


def free_base_port(nodes):
    """A base port whose nodes' ports are free, and stay ours also while nobody
    listens there; below the ephemeral range, so that no outgoing connection
    takes one of them meanwhile."""
    for _ in range(200):
        base = random.randrange(1100, 3100) * 10
        if all(_port_own(base + 10 * n + o) and _port_free(base + 10 * n + o)
               for n in range(1, nodes + 1) for o in range(4)):
            return base
    raise SystemExit("no free block of ports between 11000 and 31000")


def die_with_parent():
    """The kernel ends the daemon if the test runner dies."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Node:
    """One daemon: its data, ports and process."""

    def __init__(self, folder, number, base_port):
        self.number = number
        self.folder = os.path.join(folder, f"n{number}")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.process = None
        self.extra = []
        self.daemon = "coatcheckd"
        self.host = "127.0.0.1"
        self.prefix = []  # runs the daemon: ["ip", "netns", "exec", ...]
        self.environment = {}
        self.move(base_port + 10 * number)
        os.makedirs(self.data)

    def move(self, port):
        """Listen on this port and the next two from the next start on."""
        self.port, self.peer_port = port, port + 1
        self.redis_port = port + 2
        self.endpoint = f"{self.host}:{port}"

    def arguments(self):
        return [*self.prefix, program(self.daemon), "--data", self.data,
                "--listen", self.endpoint,
                "--peer-listen", f"{self.host}:{self.peer_port}",
                "--redis-listen", f"{self.host}:{self.redis_port}",
                *self.extra]

    def start(self):
        """Start the daemon; does not wait. See wait_ready."""
        expect(not self.running(), f"node {self.number} runs already")
        with open(self.log, "ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                self.arguments(), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=die_with_parent,
                env={**os.environ, **self.environment})
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def said(self):
        """What the daemon logged since its last start."""
        with open(self.log, errors="replace") as f:
            f.seek(self._log_start)
            return f.read()

    def wait_ready(self, seconds=60):
        def ready():
            if "node_ready" in self.said():
                return True
            expect(self.running(), f"node {self.number} died at start: "
                                   + self.said().strip()[-500:])
            return False
        wait_until(ready, seconds, f"node {self.number} listens")
        return self

    def kill(self):
        """kill -9, and wait until the kernel has buried it."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"node {self.number} does not stop within "
                          f"{seconds} s of SIGTERM: {self.said()[-500:]}"
                          ) from None

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def cpu_seconds(self):
        """User and system time of the process so far."""
        with open(f"/proc/{self.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Result:
    """How a run of the command line ended."""

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr.decode("utf-8", "replace")

    @property
    def text(self):
        return self.out.decode("utf-8", "replace")


class Cluster:
    """Nodes 1..n in a folder of their own. Use it with `with`."""

    def __init__(self, nodes=3, groups=6, replicas=None, start=True,
                 options=()):
        self.folder = tempfile.mkdtemp(prefix="coatcheck-", dir=_root)
        self.base_port = free_base_port(nodes)
        self.groups = groups
        self.replicas = replicas or min(nodes, 3)
        self.nodes = {n: Node(self.folder, n, self.base_port)
                      for n in range(1, nodes + 1)}
        self.prefix = []  # runs the clients
        for node in self.nodes.values():
            node.extra = list(options)
        if start:
            try:
                self.start()
            except BaseException:
                self.stop_all()
                raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop_all()
        said = self.complaints()
        if kind in (None, Skipped) and not said:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"    kept: {self.folder}")
        if kind and said:
            print(f"    {said}")  # why, most likely
        # Also of a node that nobody asked anything any more.
        expect(kind or not said, said)

    def start(self):
        """Start all, make them one cluster, wait until it is healthy."""
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()
        done = self.cli("cluster", "init", "--groups", str(self.groups),
                        "--replicas", str(self.replicas))
        expect(done.code == 0, f"cluster init: {done.err}")
        self.wait_healthy()

    def complaints(self):
        """What sanitizers and assertions wrote into the nodes' logs."""
        words = ("Sanitizer: ", "runtime error: ", "Assertion `")
        found = []
        for node in self.nodes.values():
            with contextlib.suppress(FileNotFoundError):
                with open(node.log, errors="replace") as f:
                    lines = f.read().splitlines()
                first = next((i for i, line in enumerate(lines)
                              if any(word in line for word in words)), None)
                if first is not None:
                    found += lines[first:first + 30]
        return "\n".join(found)

    def stop_all(self):
        for node in self.nodes.values():
            if node.running():
                node.process.kill()
                node.process.wait()

    def kill_all_and_start(self):
        """At once, as a power cut would."""
        for node in self.nodes.values():
            node.process.kill()
        for node in self.nodes.values():
            node.process.wait()
        for node in self.nodes.values():
            node.start()
        for node in self.nodes.values():
            node.wait_ready()

    @contextlib.contextmanager
    def without(self, number, asleep):
        """A node asleep, or killed, while the block runs; behind it the node
        is back and all is healthy."""
        node = self.nodes[number]
        if asleep:
            node.pause()
        else:
            node.kill()
        yield
        if asleep:
            node.resume()
        else:
            node.start().wait_ready()
        self.wait_healthy()

    @property
    def endpoints(self):
        return ",".join(n.endpoint for n in self.nodes.values())

    def cli(self, *arguments, endpoint=None, stdin=b"", seconds=60):
        """Run the command line; endpoint: only through that node. It waits
        long for each answer unless told otherwise: on a busy machine a group
        may be without a leader, or a disk busy with others, for seconds."""
        where = self.nodes[endpoint].endpoint if isinstance(endpoint, int) \
            else endpoint or self.endpoints
        try:
            return Result(subprocess.run(
                [*self.prefix, program("coatcheck"), *PATIENT, "-e", where,
                 *arguments],
                input=stdin, capture_output=True, timeout=seconds))
        except subprocess.TimeoutExpired:
            raise Failure(f"coatcheck {' '.join(map(str, arguments))} does "
                          f"not end within {seconds} s") from None

    def set(self, key, value, **how):
        done = self.cli("set", key, "-", stdin=value, **how)
        expect(done.code == 0, f"set {key}: {done.code} {done.err}")

    def get(self, key, **how):
        """The value's bytes, or None when the key is not there."""
        done = self.cli("-o", "raw", "get", key, **how)
        expect(done.code in (0, 1), f"get {key}: {done.code} {done.err}")
        return done.out if done.code == 0 else None

    # ---- what the cluster says of itself ----

    def status(self, endpoint=None):
        """`coatcheck status -o json`, or None while nobody answers."""
        done = self.cli("--timeout", "5000", "-o", "json", "status",
                        endpoint=endpoint)
        # 3: it is not healthy, or nobody answered at all.
        expect(done.code in (0, 3), f"status: {done.code} {done.err}")
        return json.loads(done.text) if done.out else None

    def replicas_seen(self):
        """{(group, node): replica} from status; {} while nobody answers."""
        status = self.status()
        if not status:
            return {}
        return {(int(r["group"]), int(node["node"])): r
                for node in status["nodes"] if node["reachable"]
                for r in node.get("replicas", [])}

    def leader_of(self, group):
        """The node that leads the group, or None."""
        for (g, node), r in self.replicas_seen().items():
            if g == group and r["role"] == "leader" and \
                    self.nodes[node].running():
                return node
        return None

    def wait_leader(self, group, seconds=30, other_than=None):
        def found():
            node = self.leader_of(group)
            return node if node != other_than else None
        return wait_until(found, seconds, f"group {group} has a leader")

    def homes(self):
        """Of each group the node that the map names first."""
        groups = json.loads(self.cli("-o", "json", "map").text)["groups"]
        return {int(g["group"]): int(g["replicas"][0]["node"]) for g in groups}

    def wait_home(self, group, seconds=60):
        """Wait until the group is led by the node that the map names first;
        gives that node. Whoever was elected hands over to it within seconds, so
        that a test which needs a leader to stay begins with this one."""
        home = self.homes()[group]
        wait_until(lambda: self.leader_of(group) == home, seconds,
                   f"group {group} is led by node {home}")
        return home

    def wait_homes(self, seconds=60):
        """As wait_home(), of all groups."""
        homes = self.homes()

        def at_home():
            seen = self.replicas_seen()
            return all(seen.get((group, node), {}).get("role") == "leader"
                       for group, node in homes.items())
        wait_until(at_home, seconds, f"groups are led by these: {homes}")

    def unhealthy(self, committed=None):
        """Why the cluster is not healthy: a text, empty if it is. With the
        dictionary `committed`, which keeps what was committed at the call
        before, replicas have to have applied only that: others may be writing
        all the time."""
        seen = self.replicas_seen()
        if not seen:
            return "no status"
        for group in range(self.groups + 1):
            mine = {n: r for (g, n), r in seen.items() if g == group}
            if len(mine) < self.replicas:
                return f"group {group}: {len(mine)} replicas answer"
            leaders = [n for n, r in mine.items() if r["role"] == "leader"]
            if len(leaders) != 1:
                return f"group {group}: {len(leaders)} leaders"
            commit = int(mine[leaders[0]]["commit_index"])
            if committed is not None:
                before = committed.get(group, commit)
                committed[group] = commit
                commit = before
            for n, r in mine.items():
                if r["role"] not in ("leader", "follower"):
                    return f"group {group} on node {n}: {r['role']}"
                if int(r["applied_index"]) < commit:
                    return f"group {group} on node {n} is behind"
        return ""

    def wait_healthy(self, seconds=60):
        why = [""]
        committed = {}

        def healthy():
            why[0] = self.unhealthy(committed)
            return not why[0]
        try:
            wait_until(healthy, seconds, "healthy")
        except Failure:
            raise Failure(f"not healthy within {seconds} s: {why[0]}") \
                from None


# ---- the load tool ----

class Hammer:
    """hammer write, running beside the test."""

    def __init__(self, cluster, keys, first=0, concurrency=64, name="hammer",
                 value_size=100):
        self.cluster = cluster
        self.size = ["--value-size", str(value_size)]
        self.journal = os.path.join(cluster.folder, name + ".journal")
        self.log = os.path.join(cluster.folder, name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*cluster.prefix, program("hammer"), "write",
                 "--endpoint", cluster.endpoints,
                 "--keys", str(keys), "--from", str(first), "--concurrency",
                 str(concurrency), "--journal", self.journal, *self.size],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)

    def acknowledged(self):
        """How many keys the journal holds as acknowledged so far."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.getsize(self.journal) // 16
        return 0

    def wait_acknowledged(self, count, seconds=120):
        def enough():
            expect(self.process.poll() in (None, 0), "hammer write ended: "
                   + self.words())
            return self.acknowledged() >= count
        wait_until(enough, seconds, f"{count} writes acknowledged")

    def running(self):
        return self.process.poll() is None

    def words(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-500:]

    def wait(self, seconds=300):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure(f"hammer write does not end within {seconds} s: "
                          + self.words()) from None
        expect(code == 0, f"hammer write: exit {code}: {self.words()}")

    def interrupt(self):
        """Stop writing; what is under way counts as unknown."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def verify(self, endpoint=None):
        """Read every acknowledged key back, through one node if named."""
        where = self.cluster.nodes[endpoint].endpoint if endpoint \
            else self.cluster.endpoints
        done = subprocess.run(
            [*self.cluster.prefix, program("hammer"), "verify",
             "--endpoint", where, "--journal", self.journal, *self.size],
            capture_output=True, text=True, timeout=300)
        expect(done.returncode == 0, f"hammer verify through {where}: "
               f"{done.stdout[-800:]}{done.stderr[-800:]}")
