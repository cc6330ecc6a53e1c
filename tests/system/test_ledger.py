"""test_ledger.py - money moves in transactions while replies are lost, leaders
die and nodes sleep: none is made, none is lost, and counters are exact.

The clients are the library itself (ledger.c), behind proxies that throw away
replies of what has happened (proxy.py)."""
import contextlib
import os
import re
import signal
import subprocess

from cluster import Cluster, Failure, die_with_parent, expect, program, \
    wait_until
from harness import test
from proxy import Proxies


class Ledger:
    """ledger, running beside the test from construction on."""

    def __init__(self, cluster, endpoints, *options):
        self.figures_path = os.path.join(cluster.folder, "ledger.figures")
        self.log = os.path.join(cluster.folder, "ledger.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("ledger"), "--endpoint", endpoints,
                 "--log", self.figures_path, *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        elif self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def _said(self):
        with open(self.log, errors="replace") as f:
            return f.read()[-500:]

    def figures(self):
        """{"transfers": 17, ...} so far."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.figures_path) as f:
                return {k: int(v) for k, v in
                        re.findall(r"(\w+)=(\d+)(?=[ \n])", f.read())}
        return {}

    def wait_more(self, transfers=100, seconds=90):
        """Until so many more transfers, and as many counts, have ended."""
        before = self.figures()

        def enough():
            expect(self.process.poll() is None, f"it ended: {self._said()}")
            now = self.figures()
            return all(now.get(k, 0) >= before.get(k, 0) + transfers
                       for k in ("transfers", "counts"))
        wait_until(enough, seconds, f"{transfers} more transfers")

    def stop(self):
        """Let all end and be counted; the figures."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failure("the ledger does not end") from None
        expect(code == 0, f"ledger: exit {code}: {self._said()}")
        return {k: int(v) for k, v in
                re.findall(r"(\w+)=(\d+)", self._said())}


@test
def money_and_counters_are_exact_while_replies_are_lost_and_leaders_die():
    """Breaks if a transaction is executed in part, or a retry once more; if a
    transactional read sees the middle of one; if the library gives up a write
    that it could have asked for again."""
    with Cluster(groups=3, start=False) as c, Proxies(c) as proxies:
        c.start()
        with Ledger(c, proxies.endpoints) as ledger:
            ledger.wait_more()
            for turn in range(4):
                # The bank's group is one of them.
                leader = c.wait_leader(turn % 3 + 1)
                with c.without(leader, asleep=turn % 2):
                    ledger.wait_more()
                ledger.wait_more(20)
            got = ledger.stop()
        expect(proxies.lost > 50, f"only {proxies.lost} replies were lost")
        expect(got["retried"] > 50, f"nothing was asked again: {got}")
        expect(got["unknown"] == 0, f"the library gave up: {got}")
        expect(got["audits"] > 50 and got["conflicts"] > 0, f"{got}")
