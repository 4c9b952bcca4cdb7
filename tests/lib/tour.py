# SPDX-License-Identifier: GPL-2.0-or-later
"""The tour that crash tests take, and what must be true after it: one terminal report for every order, and a host that
is what the orders say."""
import harness
import tap

STEPS = (("container.create", {"image": harness.IMAGE, "start": False}), ("container.start", {"timeout_s": 4}),
         ("container.stop", {"timeout_s": 4}), ("container.delete", {}))
AFTER = {
    "container.create": "stopped", "container.start": "running", "container.stop": "stopped",
    "container.force-stop": "stopped", "container.delete": "absent", "container.restart": "running",
    "container.pause": "paused", "container.resume": "running"
}


def issue(node, cid, steps=STEPS):
    """All at once: [(op, order id)]."""
    wishes = [{"op": op, "container_id": cid, "project_id": harness.PROJECT, "params": params} for op, params in steps]
    ids = node.api.ask("orders", orders=wishes)["ids"]
    return [(op, i) for (op, _), i in zip(steps, ids)]


def expected(reports):
    """What the terminal reports say of the host: the last success decides."""
    state = "absent"
    for op, report in reports:
        if report["state"] == "succeeded":
            state = AFTER[op]
    return state


def settle(node, tours, what, timeout_s=60):
    """Wait for every end of [(container, issued)], then judge: reports against the protocol, the kernel against the
    reports, and no leak once the containers are gone. True when all is well."""
    ends = [[(op, node.wait(i, timeout_s)) for op, i in issued] for _, issued in tours]
    notes, good = [], True
    for (cid, _), reports in zip(tours, ends):
        want, seen = expected(reports), node.state(cid)
        # A delete that failed may have come any way; the next one has to finish it.
        right = want == seen or reports[-1][0] == "container.delete" and reports[-1][1]["state"] != "succeeded"
        good = good and right
        notes.append(f"{cid}: " +
                     ", ".join(f"{op.split('.')[1]} {r['state']}" +
                               (f" ({r['error']['code']}: {r['error']['message']})" if "error" in r else "")
                               for op, r in reports) + f"; the host: {seen}, the orders: {want}")
    for cid, _ in tours:
        good = node.do("container.delete", cid, force=True)["state"] == "succeeded" and good
    leaks, words, stats = node.leaks(), node.sanitizer_words(), node.api.ask("stats")
    once = stats["orders_terminal"] == stats["orders_issued"] and stats["orders_ended_twice"] == 0
    return tap.ok(
        good and once and not leaks and not stats["violations"] and not words, what, *notes,
        f"terminal {stats['orders_terminal']} of {stats['orders_issued']}, twice {stats['orders_ended_twice']}",
        f"leaks: {leaks}", f"violations: {stats['violations']}", *words)
