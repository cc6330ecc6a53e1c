"""operations.py - what operations cost, as ratios to a plain set.

ROUNDS times one after another for DUR seconds each: a plain set with request
ids (at most once) and without, a conditional set, a counter, a transaction of
one group. Server CPU is user+sys of all daemons, from /proc, divided by the
operations. A ratio is the median over the rounds of the ratio to the plain set
of the same round, so that what drifts meanwhile counts little.

All run at the same given rates: what one operation costs depends first of all
on how many others it shares a turn, a frame and a sync with, so as fast as they
go the slower one would look dearer than it is."""
import os
import sys

import common
import figures
from cluster import Cluster

#        name                op     options               ratio to, at most
VARIANTS = [
    ("set, without ids", "set", ["--at-most-once"], None, None),
    ("set", "set", [], "set, without ids", 1.1),
    ("set, if present", "setif", [], "set", 1.3),
    ("incr", "incr", [], "set", 1.3),
    ("transaction", "txn", [], "set", 1.3),
]


def round_of(c, o, rate, costs):
    """Each variant once; its microseconds go to `costs`."""
    for name, op, options, _, _ in VARIANTS:
        before = common.Snapshot(c)
        got = figures.bench(c, o, op, 50, 16, o.duration, "--rate", str(rate),
                            *options)
        cost = common.Cost(before, common.Snapshot(c))
        costs[name].append(cost.cpu / figures.operations(got) * 1e6)
        print(".", end="", file=sys.stderr, flush=True)


def report(rate, costs):
    print(f"{rate} operations/s: server CPU of each, median; ratio")
    for name, _, _, base, most in VARIANTS:
        line = f"  {name:<20} {common.percentile(costs[name], 50):7.1f} us"
        if base:
            ratios = [a / b for a, b in zip(costs[name], costs[base])]
            line += (f"   {common.percentile(ratios, 50):5.2f} of '{base}'"
                     f" (aim: {most}; {min(ratios):.2f} to {max(ratios):.2f})")
        print(line, flush=True)


def main():
    p = common.arguments(__doc__.split("\n")[0])
    p.add_argument("--duration", type=float,
                   default=float(os.environ.get("DUR", "4")))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--rates", type=int, nargs="+", default=[8_000, 30_000])
    p.add_argument("--keys", type=int, default=200_000)
    p.add_argument("--value-size", type=int, default=128)
    o = p.parse_args()
    common.begin(o)
    with Cluster(nodes=3, groups=o.groups) as c:
        for op in ("set", "incr"):
            figures.bench(c, o, op, 50, 16, 0, "--load")
        for rate in o.rates:
            costs = {v[0]: [] for v in VARIANTS}
            for _ in range(o.rounds):
                round_of(c, o, rate, costs)
            print(file=sys.stderr)
            report(rate, costs)


if __name__ == "__main__":
    main()
