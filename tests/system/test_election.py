"""test_election.py - who leads among clients, while leaders sleep and die: the
library's election (candidate.c), one process each."""
import os
import re
import signal
import subprocess

from cluster import Cluster, die_with_parent, expect, program, wait_until
from harness import test

TTL_MS = "2000"


class Candidate:
    """candidate, running beside the test from construction on."""

    def __init__(self, cluster, name):
        self.log = os.path.join(cluster.folder, name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program("candidate"), cluster.endpoints, "election", "work",
                 TTL_MS], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=die_with_parent)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
            self.process.wait()

    def send(self, what):
        self.process.send_signal(what)

    def told(self, what):
        """The tokens of its lines that begin so, in order."""
        with open(self.log, errors="replace") as f:
            return [int(n) for n in re.findall(rf"^{what} (\d+)$", f.read(),
                                               re.MULTILINE)]

    def wait_told(self, what, above=0):
        """Wait for such a line with a token above that one; gives it."""
        def found():
            expect(self.process.poll() is None, "a candidate ended")
            return next((n for n in self.told(what) if n > above), None)
        return wait_until(found, 60, f"{what} more than {above}")


def work(cluster):
    """The token of who wrote last."""
    return int(cluster.get("work"))


@test
def a_leader_that_sleeps_or_dies_is_followed_and_fenced():
    """Breaks if nobody follows a leader that is gone, if two lead with one
    token, if one that slept writes behind its successor, or if a leader that
    ends keeps the others waiting."""
    with Cluster(groups=3) as c, Candidate(c, "first") as first:
        one = first.wait_told("wrote")
        with Candidate(c, "second") as second:
            first.send(signal.SIGSTOP)
            two = second.wait_told("wrote", above=one)
            expect(max(first.told("leads")) < two, "tokens grow")
            first.send(signal.SIGCONT)
            first.wait_told("fenced", above=one - 1)
            expect(work(c) >= two, "who slept has written behind the other")
            second.send(signal.SIGKILL)
            second.process.wait()
        three = first.wait_told("wrote", above=two)
        expect(work(c) >= three, "the first one works again")
        expect(max(first.told("fenced")) < two, "only old tokens are refused")
        first.send(signal.SIGTERM)
        expect(first.process.wait(30) == 0, "it ends when asked to")
        expect(c.get("election") is None, "it has given the lead back")
