"""What goes wrong around the gatekeeper: stops, deaths, strangers under its names."""

import signal
import sys

import rclpy
from action_msgs.msg import GoalStatusArray
from action_msgs.srv import CancelGoal
from diagnostic_msgs.msg import DiagnosticArray
from nav2_msgs.action import NavigateToPose
from rclpy.action import ActionClient
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node

from bench import LATCHED as LATCHED_QOS
from bench import ABORTED, CANCELED, SUCCEEDED, UPSTREAM, Navigator, done, equal, main, pose, tell, until

FREE, HOLDING, LATCHED = 0, 1, 2


def navigation_server():
    """A navigation server in a process of its own, to be killed; it tells each goal it gets on standard output."""
    rclpy.init()
    node = Node("bt_navigator")
    navigator = Navigator(node)
    executor = MultiThreadedExecutor(num_threads=8)
    executor.add_node(node)
    executor.spin()
    del navigator


def without_a_navigation_server(bench):
    text = bench.client.goal().ends_with(ABORTED, 9264)
    assert UPSTREAM in text, text


def server_that_rejects(bench):
    bench.navigator = Navigator(bench.navigator_node)
    bench.first.is_ready()
    bench.navigator.accepts = False
    bench.client.goal().ends_with(ABORTED, 9265)
    bench.navigator.accepts = True


def emergency_stop_latched(bench):
    goal = bench.client.goal()
    upstream = bench.running(goal)
    bench.world.emergency_stop(LATCHED, "button", "pressed by hand")
    text = goal.ends_with(ABORTED, 9260)
    assert "button" in text and bytes(upstream.goal_id.uuid) in bench.navigator.cancels, text
    count = len(bench.navigator.goals)
    bench.client.goal().ends_with(ABORTED, 9260)
    equal(len(bench.navigator.goals), count, "goals upstream")
    bench.world.emergency_stop(FREE)
    succeeds(bench)


def client_lost(bench):
    goal = bench.client.goal()
    bench.running(goal)
    bench.world.emergency_stop(HOLDING, "client autonomy", "it has died")
    assert "autonomy" in goal.ends_with(ABORTED, 9261)
    succeeds(bench)
    bench.world.emergency_stop(FREE)


def hold_for_want_of_input_ends_no_goal(bench):
    goal = bench.client.goal()
    upstream = bench.running(goal)
    bench.world.emergency_stop(HOLDING, "input", "no command")
    count = len(goal.feedback)
    until(lambda: len(goal.feedback) > count + 20, "more feedback")
    bench.navigator.order(upstream, SUCCEEDED)
    goal.ends_with(SUCCEEDED)
    bench.world.emergency_stop(FREE)


def goal_that_goes_round_is_cancelled(bench):
    intruder = ActionClient(bench.client_node, NavigateToPose, UPSTREAM)
    until(intruder.server_is_ready, "the ungated action")
    handle = done(intruder.send_goal_async(NavigateToPose.Goal(pose=pose())), "the answer")
    assert handle.accepted
    equal(done(handle.get_result_async(), "its end").status, CANCELED, "status of the goal that went round")


def second_server_under_the_public_name(bench):
    reports = []
    diagnostics = bench.client_node.create_subscription(
        DiagnosticArray, "/diagnostics", lambda m: (reports.extend(m.status), tell()), 10)
    # Nothing but the topic that every server publishes: rclpy's own client fails when two servers answer it.
    stranger = Node("stranger")
    status = stranger.create_publisher(GoalStatusArray, "/navigate_to_pose/_action/status", LATCHED_QOS)
    def alarm():
        return next((r for r in reports if r.level == b"\x02" and "/stranger" in r.message), None)
    equal(until(alarm, "ERROR on /diagnostics that names the stranger").name, "gatekeeper", "who raises the alarm")
    count = len(bench.navigator.goals)
    bench.client.goal().ends_with(ABORTED, 9262)
    equal(len(bench.navigator.goals), count, "goals upstream")
    stranger.destroy_publisher(status)
    stranger.destroy_node()
    bench.client_node.destroy_subscription(diagnostics)
    verdict = None
    while verdict != 0:  # until the stranger has left the graph
        verdict = bench.client.verdict(bench.client.goal().id).error_code
    bench.client.cancel()


def killed_gatekeeper_leaves_no_goal_unwatched(bench):
    goal = bench.client.goal()
    upstream = bench.running(goal)
    bench.first.ends(signal.SIGKILL)
    assert upstream.is_active, "it drives on without the gatekeeper"
    bench.second = bench.gatekeeper()
    until(lambda: not upstream.is_active, "the end of the goal of another life")
    assert bytes(upstream.goal_id.uuid) in bench.navigator.cancels


def end_of_the_gatekeeper(bench):
    # Endpoints of the killed one are still in the graph; a client that comes now must be served all the same.
    goal = bench.client.goal()
    upstream = bench.running(goal)
    result = goal.handle.get_result_async()
    time_taken = bench.second.ends(signal.SIGTERM)
    answer = done(result, "the result")
    equal((answer.status, answer.result.error_code), (ABORTED, 9263), "end")
    assert bytes(upstream.goal_id.uuid) in bench.navigator.cancels
    equal(bench.second.process.returncode, 0, "exit status")
    assert time_taken < 2.5, time_taken


def killed_navigation_server(bench):
    """Real Nav2's controller drives on then; its goals must be cancelled."""
    bench.navigator.server.destroy()
    cancelled = []
    services = [bench.world_node.create_service(
        CancelGoal, f"/{motion}/_action/cancel_goal",
        lambda request, response, motion=motion: (cancelled.append(motion), tell(), response)[2])
        for motion in ("follow_path", "spin", "backup")]
    server = bench.spawn(sys.executable, __file__, "navigation_server")
    bench.gatekeeper()
    goal = bench.client.goal().accepted()
    until(lambda: goal.feedback, "feedback")
    server.kill()
    server.wait()
    goal.ends_with(ABORTED, 9266)
    until(lambda: set(cancelled) == {"follow_path", "spin", "backup"}, "cancels of the motions")
    del services


def succeeds(bench):
    goal = bench.client.goal()
    bench.navigator.order(bench.running(goal), SUCCEEDED)
    goal.ends_with(SUCCEEDED)


def starts(bench):
    bench.first = bench.gatekeeper(ready=False)
    bench.first.told("waiting for the navigation server")
    until(bench.client.action.server_is_ready, "the action server in the graph")


if sys.argv[1:] == ["navigation_server"]:
    navigation_server()
else:
    main([
        starts,
        without_a_navigation_server,
        server_that_rejects,
        emergency_stop_latched,
        client_lost,
        hold_for_want_of_input_ends_no_goal,
        goal_that_goes_round_is_cancelled,
        second_server_under_the_public_name,
        killed_gatekeeper_leaves_no_goal_unwatched,
        end_of_the_gatekeeper,
        killed_navigation_server,
    ], navigator=False, flags=None)
