"""Newer goals while older ones run, and cancels around them."""

from bench import ABORTED, CANCELED, EXECUTING, SUCCEEDED, equal, main, pose, until


def newer_goal_replaces_the_older_one(bench):
    first = bench.client.goal(pose(3.0, 1.0))
    bench.running(first)
    second = bench.client.goal(pose(1.0, 3.0))
    upstream = bench.running(second)
    first.ends_with(ABORTED, 0)
    equal(upstream.request.pose.pose.position.y, 3.0, "the newer goal's place")
    equal(bench.navigator.cancels, [], "no stop in between")
    bench.navigator.order(upstream, SUCCEEDED)
    second.ends_with(SUCCEEDED)


def refused_newer_goal_leaves_the_older_one_running(bench):
    first = bench.client.goal()
    upstream = bench.running(first)
    second = bench.client.goal(pose(frame="nope"))
    assert "nope" in second.ends_with(ABORTED, 9205)
    bench.client.has_state(first, EXECUTING)
    bench.navigator.order(upstream, SUCCEEDED)
    first.ends_with(SUCCEEDED)


def of_ten_goals_back_to_back_the_last_one_counts(bench):
    goals = [bench.client.goal(pose(1.0 + 0.1 * n, 1.0)) for n in range(10)]
    upstream = bench.running(goals[-1])
    for goal in goals[:-1]:
        goal.ends_with(ABORTED, 0)
    assert abs(upstream.request.pose.pose.position.x - 1.9) < 1e-9
    bench.navigator.order(upstream, SUCCEEDED)
    goals[-1].ends_with(SUCCEEDED)


def cancel_followed_by_a_new_goal_is_not_lost(bench):
    for _ in range(5):
        first = bench.client.goal()
        bench.running(first)
        code, _ = bench.client.cancel(first.id)
        second = bench.client.goal(pose(1.0, 3.0))
        equal(code, 0, "answer to the cancel")
        first.ends_with(CANCELED)
        bench.navigator.order(bench.running(second), SUCCEEDED)
        second.ends_with(SUCCEEDED)


def cancel_of_the_newer_goal_stops_the_robot(bench):
    first = bench.client.goal()
    bench.running(first)
    second = bench.client.goal(pose(1.0, 3.0))
    equal(bench.client.cancel(second.id)[0], 0, "answer to the cancel")
    second.ends_with(CANCELED)
    first.ends_with(ABORTED, 0)
    until(lambda: not bench.navigator.current.is_active, "nothing running upstream")


def cancel_of_all_with_two_goals(bench):
    first = bench.client.goal()
    bench.running(first)
    second = bench.client.goal(pose(1.0, 3.0))
    second.accepted()
    code, ids = bench.client.cancel()
    equal(code, 0, "answer to the cancel")
    assert second.id in ids
    second.ends_with(CANCELED)
    until(lambda: not bench.navigator.current.is_active, "nothing running upstream")
    assert first.ends()[0] in (CANCELED, ABORTED)


main([
    newer_goal_replaces_the_older_one,
    refused_newer_goal_leaves_the_older_one_running,
    of_ten_goals_back_to_back_the_last_one_counts,
    cancel_followed_by_a_new_goal_is_not_lost,
    cancel_of_the_newer_goal_stops_the_robot,
    cancel_of_all_with_two_goals,
])
