"""Goals that must not reach the navigation server, among them all that crash, hang or fool the real one."""

from bench import ABORTED, SUCCEEDED, equal, main, pose
from builtin_interfaces.msg import Time

NAN, INF = float("nan"), float("inf")


def goal_at(x=3.0, y=1.0, z=0.0, q=(0.0, 0.0, 0.0, 1.0), frame="map", stamp=None):
    message = pose(x, y, frame, stamp=stamp)
    message.pose.position.z = z
    o = message.pose.orientation
    o.x, o.y, o.z, o.w = q
    return message


def refused(bench, code, evaluator, message, tree=""):
    upstream = len(bench.navigator.goals)
    goal = bench.client.goal(message, tree)
    text = goal.ends_with(ABORTED, code)
    verdict = bench.client.verdict(goal.id)
    equal((verdict.verdict, verdict.error_code, verdict.evaluator), (1, code, evaluator), "verdict")
    equal(verdict.reason, text, "reason")
    equal(len(bench.navigator.goals), upstream, "goals upstream")
    return verdict


def numbers_that_are_not_finite(bench):
    for bad in (NAN, INF, -INF):
        refused(bench, 9201, "syntactic", goal_at(x=bad))
        refused(bench, 9201, "syntactic", goal_at(y=bad, frame="odom"))
        refused(bench, 9201, "syntactic", goal_at(q=(0.0, 0.0, bad, 1.0)))


def numbers_beyond_the_world(bench):
    refused(bench, 9222, "geometric", goal_at(x=1e300))
    refused(bench, 9222, "geometric", goal_at(x=1e300, frame="odom"))


def orientations(bench):
    refused(bench, 9202, "syntactic", goal_at(q=(0.0, 0.0, 0.0, 0.0)))
    refused(bench, 9202, "syntactic", goal_at(q=(0.0, 0.0, 5.0, 5.0)))
    refused(bench, 9203, "syntactic", goal_at(q=(0.0, 0.7071, 0.0, 0.7071)))
    refused(bench, 9203, "syntactic", goal_at(z=3.0))


def frames(bench):
    refused(bench, 9204, "syntactic", goal_at(frame=""))
    refused(bench, 9205, "syntactic", goal_at(frame="nope"))


def stamps(bench):
    now = bench.client_node.get_clock().now().to_msg()
    refused(bench, 9206, "syntactic", goal_at(stamp=Time(sec=now.sec - 3600)))
    refused(bench, 9206, "syntactic", goal_at(stamp=Time(sec=now.sec - 3600), frame="odom"))
    refused(bench, 9207, "syntactic", goal_at(stamp=Time(sec=now.sec + 60)))


def trees(bench):
    refused(bench, 9210, "syntactic", goal_at(), tree="/tmp/drive_anywhere.xml")


def places(bench):
    refused(bench, 9222, "geometric", goal_at(x=15.0))
    refused(bench, 9223, "geometric", goal_at(x=7.5, y=0.5))
    refused(bench, 9224, "geometric", goal_at(x=2.5, y=2.5))
    refused(bench, 9226, "geometric", goal_at(x=6.0, y=4.0))


def close_to_a_wall_with_an_alternative_that_passes(bench):
    verdict = refused(bench, 9225, "geometric", goal_at(x=1.9, y=2.5))
    assert verdict.has_alternative
    goal = bench.client.goal(verdict.alternative)
    bench.navigator.order(bench.running(goal), SUCCEEDED)
    goal.ends_with(SUCCEEDED)


def all_zero_id(bench):
    goal = bench.client.goal(goal_id=bytes(16))
    goal.ends_with(ABORTED, 9208)


main([
    numbers_that_are_not_finite,
    numbers_beyond_the_world,
    orientations,
    frames,
    stamps,
    trees,
    places,
    close_to_a_wall_with_an_alternative_that_passes,
    all_zero_id,
])
