"""data.py - figures of the data API beyond single keys.

  load      `coatcheck load` of KEYS lines with values of 128 bytes
  scan      `coatcheck scan` of KEYS warm values of one group
  watchers  what 1,000 watches on disjoint prefixes cost writers whose every
            key is in one of them
  expiry    p99 of 5,000 operations/s while KEYS keys expire within a minute

Each has a fresh cluster of three nodes."""
import json
import os
import random
import subprocess
import sys
import time

import common
import figures
from cluster import Cluster, die_with_parent, expect, program


def lines(o, path, deadline=None):
    """A file for `coatcheck load`; deadline: the first millisecond of the
    minute in which the keys expire."""
    rng = random.Random(1)
    value = "v" * o.value_size
    order = list(range(o.keys))
    rng.shuffle(order)
    with open(path, "w") as f:
        for i in order:
            line = {"key": f"key:{i:012}", "value": value}
            if deadline:
                line["key"] = f"due:{i:012}"
                line["deadline_ms"] = deadline + rng.randrange(60_000)
            f.write(json.dumps(line) + "\n")


def load_file(c, o, path):
    """Keys per second, and the server CPU of each in us."""
    before, start = common.Snapshot(c), time.monotonic()
    done = c.cli("load", path, seconds=600)
    seconds = time.monotonic() - start
    expect(done.code == 0, f"load: {done.code} {done.err[-500:]}")
    cost = common.Cost(before, common.Snapshot(c))
    return o.keys / seconds, cost.cpu / o.keys * 1e6


def load(o):
    with Cluster(nodes=3, groups=o.groups) as c:
        path = os.path.join(c.folder, "lines")
        lines(o, path)
        rate, cpu = load_file(c, o, path)
        print(f"load: {rate:.0f} keys/s (aim: 40,000), {cpu:.1f} us of server "
              "CPU each", flush=True)


def scan(o):
    with Cluster(nodes=3, groups=1) as c:
        figures.bench(c, o, "set", 50, 16, 0, "--load")
        print(f"scan of {o.keys} keys of one group (aim: 500,000 keys/s):")
        for how in (["-o", "raw"], ["-o", "raw"], [], ["-o", "json"]):
            # The first finds what was just loaded: cold, beside compactions.
            before, start = common.Snapshot(c), time.monotonic()
            out = subprocess.run(
                f"{program('coatcheck')} -e {c.endpoints} {' '.join(how)} "
                "scan | wc -l", shell=True, capture_output=True, text=True,
                timeout=600)
            seconds = time.monotonic() - start
            cost = common.Cost(before, common.Snapshot(c))
            expect(int(out.stdout) == o.keys, out.stdout + out.stderr)
            print(f"  {' '.join(how) or 'as text':<10} "
                  f"{o.keys / seconds:>9.0f} keys/s, "
                  f"{cost.cpu / o.keys * 1e6:.2f} us of server CPU each, "
                  f"largest node "
                  f"{max(map(common.resident, c.nodes.values())) >> 20} MiB",
                  flush=True)


class Watchers:
    """1,000 watches of one process, while inside of `with`."""

    def __init__(self, c, count):
        self.process = subprocess.Popen(
            [program("watchers"), c.endpoints, str(count)],
            stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        self.events = None

    def __enter__(self):
        line = self.process.stdout.readline()
        expect(line == "ready\n", f"watchers: {line}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.events = int(self.process.stdout.read() or 0)
        self.process.wait(30)


def watchers(o):
    rows = []
    with Cluster(nodes=3, groups=o.groups) as c:
        figures.bench(c, o, "set", 50, 16, 0, "--load")
        for turn in range(2 * o.rounds):
            watching = Watchers(c, 1000 if turn % 2 else 1)
            with watching:
                before = common.Snapshot(c)
                got = figures.bench(c, o, "set", o.clients, 1, o.duration,
                                    *o.rate)
                cost = common.Cost(before, common.Snapshot(c))
            told = watching.events / figures.operations(got)
            expect(not turn % 2 or told >= 1, f"told {told:.0%} of the sets")
            rows.append((figures.rate(got), figures.latency(got, "p50"),
                         cost.cpu / figures.operations(got) * 1e6))
    print(f"watchers: set, {o.clients} clients, {' '.join(o.rate)}; median of "
          f"{o.rounds} runs of {o.duration} s each, in turns "
          "(aim: 20% at most)")
    base, many = rows[0::2], rows[1::2]
    for i, name in enumerate(("sets/s", "p50 ms", "server CPU us per set")):
        a, b = (common.percentile([r[i] for r in x], 50) for x in (base, many))
        ratio = common.percentile([y[i] / x[i] for x, y in zip(base, many)],
                                  50)
        print(f"  {name:<22} {a:>9.2f} with 1 watch, {b:>9.2f} with 1,000: "
              f"{ratio - 1:+.0%}", flush=True)


def quiet(c):
    """What loading left to be written and compacted is another figure."""
    os.sync()
    for _ in range(20):
        before = common.Snapshot(c)
        time.sleep(1)
        if sum(common.Cost(before, common.Snapshot(c)).cores.values()) < 0.1:
            break
    os.sync()


def expiry(o):
    with Cluster(nodes=3, groups=o.groups) as c:
        ahead = o.keys / 25_000 + o.duration + 15
        deadline = int((time.time() + ahead) * 1000)
        path = os.path.join(c.folder, "lines")
        lines(o, path, deadline)
        rate, cpu = load_file(c, o, path)
        print(f"expiry: loaded {o.keys} keys with deadlines, {rate:.0f}/s, "
              f"{cpu:.1f} us of server CPU each")
        few = argparse_like(o, keys=100_000)
        figures.bench(c, few, "set", 50, 16, 0, "--load")
        quiet(c)
        results = []
        for name in ("before", "while they expire"):
            expect(name != "before" or
                   time.time() * 1000 + o.duration * 1000 < deadline,
                   "loading took too long")
            while name != "before" and time.time() * 1000 < deadline + 2000:
                time.sleep(0.1)
            before = common.Snapshot(c)
            got = figures.bench(c, few, "mixed", 50, 1, o.duration, "--rate",
                                "5000")
            cost = common.Cost(before, common.Snapshot(c))
            results.append(figures.latency(got, "p99"))
            print(f"  {name:<18} p50 {figures.latency(got, 'p50'):.2f} ms, "
                  f"p99 {figures.latency(got, 'p99'):.2f} ms, "
                  f"max {figures.latency(got, 'max'):.1f} ms, "
                  f"{sum(cost.cores.values()):.2f} cores", flush=True)
        print(f"  p99: {results[1] / results[0]:.2f} times (aim: 2 at most)")
        time.sleep(max(0.0, deadline / 1000 + 61 - time.time()))
        left = c.cli("count", "due:", seconds=120)
        print(f"  left a second behind the minute: {left.text.strip()}")


def argparse_like(o, **changes):
    new = type(o)(**vars(o))
    vars(new).update(changes)
    return new


def main():
    figures_of = {"load": load, "scan": scan, "watchers": watchers,
                  "expiry": expiry}
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("only", nargs="*", help=f"of {', '.join(figures_of)}")
    p.add_argument("--duration", type=int,
                   default=int(os.environ.get("DUR", "20")))
    p.add_argument("--keys", type=int, default=1_000_000)
    p.add_argument("--value-size", type=int, default=128)
    p.add_argument("--clients", type=int, default=50, help="of watchers")
    p.add_argument("--rounds", type=int, default=3, help="of watchers")
    p.add_argument("--rate", default="10000",
                   help="sets per second beside watchers; 0: as many as go")
    o = p.parse_args()
    o.rate = ["--rate", o.rate] if o.rate != "0" else []
    for name in o.only:
        if name not in figures_of:
            p.error(f"no figure is called {name}")
    common.begin(o)
    for name, run in figures_of.items():
        if not o.only or name in o.only:
            run(o)
    return 0


if __name__ == "__main__":
    sys.exit(main())
