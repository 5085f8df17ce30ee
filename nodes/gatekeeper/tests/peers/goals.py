"""A goal's life through the gatekeeper, as any ROS client sees it."""

import uuid

from bench import (ABORTED, CANCELED, EXECUTING, LATCHED, SUCCEEDED, Client, equal, main, pose,
                   until)
from action_msgs.msg import GoalStatusArray
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseStamped
from nav2_msgs.action import NavigateThroughPoses
from rclpy.action import ActionClient, get_action_names_and_types, get_action_server_names_and_types_by_node


def graph_tools_see_an_action_server(bench):
    def servers():
        return dict(get_action_server_names_and_types_by_node(bench.client_node, "gatekeeper", "/"))
    until(lambda: len(servers()) == 2, "both action servers of the gatekeeper")
    equal(servers()["/navigate_to_pose"], ["nav2_msgs/action/NavigateToPose"], "type")
    names = dict(get_action_names_and_types(bench.client_node))
    assert "/navigate_through_poses" in names, names


def goal_reaches_the_server_and_its_result_the_client(bench):
    goal = bench.client.goal(pose(3.0, 1.0, yaw=1.0))
    upstream = bench.running(goal)
    bench.client.has_state(goal, EXECUTING)
    assert bytes(upstream.goal_id.uuid) != goal.id, "the id upstream is the gatekeeper's own"
    sent = upstream.request.pose
    equal(sent.header.frame_id, "map", "frame upstream")
    equal((sent.pose.position.x, sent.pose.position.y, sent.pose.position.z), (3.0, 1.0, 0.0), "position upstream")
    count = len(goal.feedback)
    until(lambda: len(goal.feedback) > count + 5, "more feedback")
    equal(sorted(goal.feedback), goal.feedback, "order of feedback")
    bench.navigator.order(upstream, SUCCEEDED)
    goal.ends_with(SUCCEEDED)
    bench.client.has_state(goal, SUCCEEDED)
    verdict = bench.client.verdict(goal.id)
    equal((verdict.verdict, verdict.evaluator, verdict.error_code), (0, "geometric", 0), "verdict")


def result_is_kept_for_anyone(bench):
    goal = bench.client.goal()
    bench.navigator.order(bench.running(goal), ABORTED, 208, "no path")
    equal(goal.ends_with(ABORTED, 208), "no path", "text of the server")
    equal(bench.client.result(goal.id), (ABORTED, 208), "late result")
    equal(Client(bench.world_node).result(goal.id), (ABORTED, 208), "another client's late result")
    equal(bench.client.result(uuid.uuid4().bytes), (0, 0), "result of a goal that never was")


def late_subscriber_gets_the_whole_array(bench):
    arrays = []
    bench.world_node.create_subscription(
        GoalStatusArray, "/navigate_to_pose/_action/status", arrays.append, LATCHED)
    until(lambda: arrays, "the latched array")
    stamps = [(s.goal_info.stamp.sec, s.goal_info.stamp.nanosec) for s in arrays[0].status_list]
    equal(stamps, sorted(stamps), "oldest first")
    assert len(stamps) >= 2 and all(s[0] > 0 for s in stamps), stamps


def goal_relative_to_the_robot_is_sent_in_the_map(bench):
    goal = bench.client.goal(pose(0.5, 0.0, frame="base_link"))
    upstream = bench.running(goal)
    position = upstream.request.pose.pose.position
    assert abs(position.x - 1.5) < 1e-6 and abs(position.y - 1.0) < 1e-6, position
    bench.navigator.order(upstream, SUCCEEDED)
    goal.ends_with(SUCCEEDED)


def cancel(bench):
    goal = bench.client.goal()
    upstream = bench.running(goal)
    code, ids = bench.client.cancel(goal.id)
    equal((code, ids), (0, [goal.id]), "answer to the cancel")
    goal.ends_with(CANCELED)
    assert bytes(upstream.goal_id.uuid) in bench.navigator.cancels
    equal(bench.client.cancel(goal.id), (3, []), "cancel of a goal that has ended")
    equal(bench.client.cancel(uuid.uuid4().bytes), (2, []), "cancel of a goal that never was")


def cancel_without_waiting_for_the_answer(bench):
    for _ in range(5):
        goal = bench.client.goal()
        code, ids = bench.client.cancel(goal.id)
        equal((code, ids), (0, [goal.id]), "answer to the cancel")
        goal.ends_with(CANCELED)


def cancel_all_and_by_stamp(bench):
    equal(bench.client.cancel(), (0, []), "cancel of all with nothing running")
    before = bench.client_node.get_clock().now().to_msg()
    goal = bench.client.goal()
    bench.running(goal)
    equal(bench.client.cancel(stamp=before), (0, []), "cancel of what was there before")
    equal(bench.client.cancel(stamp=Time(sec=1)), (0, []), "cancel of what was there long ago")
    after = bench.client_node.get_clock().now().to_msg()
    equal(bench.client.cancel(stamp=after), (0, [goal.id]), "cancel of what is there now")
    goal.ends_with(CANCELED)
    goal = bench.client.goal()
    bench.running(goal)
    equal(bench.client.cancel(), (0, [goal.id]), "cancel of all")
    goal.ends_with(CANCELED)


def another_client_may_cancel(bench):
    goal = bench.client.goal()
    bench.running(goal)
    equal(Client(bench.world_node).cancel(goal.id)[0], 0, "answer to the other client")
    goal.ends_with(CANCELED)


def repeated_id_is_rejected_and_harms_nobody(bench):
    first = bench.client.goal()
    upstream = bench.running(first)
    count = len(bench.navigator.goals)
    # A client of its own: rclpy itself refuses to use an id twice.
    second = Client(bench.world_node).goal(goal_id=first.id)
    assert not second.handle.accepted
    verdict = until(lambda: next((v for v in bench.client.verdicts if v.error_code == 9209), None), "verdict")
    equal(verdict.evaluator, "syntactic", "evaluator")
    bench.navigator.order(upstream, SUCCEEDED)
    first.ends_with(SUCCEEDED)
    third = Client(bench.world_node).goal(goal_id=first.id)
    assert not third.handle.accepted, "nor after its end"
    until(lambda: sum(v.error_code == 9209 for v in bench.client.verdicts) == 2, "its verdict")
    equal(len(bench.navigator.goals), count, "goals upstream")


def goal_pose_is_gated(bench):
    topic = bench.client_node.create_publisher(PoseStamped, "/goal_pose", 10)
    until(lambda: topic.get_subscription_count() == 1, "the gatekeeper's subscription of /goal_pose")
    count, verdicts = len(bench.navigator.goals), len(bench.client.verdicts)

    def judged():
        topic.publish(pose(2.5, 2.5))  # best effort: the first ones may be lost
        return len(bench.client.verdicts) > verdicts
    until(judged, "a verdict on the bad pose")
    equal(bench.client.verdicts[-1].error_code, 9224, "code")
    equal(len(bench.navigator.goals), count, "goals upstream")
    topic.publish(pose(1.5, 1.5))
    until(lambda: len(bench.navigator.goals) > count, "the good pose upstream")
    bench.navigator.order(bench.navigator.current, SUCCEEDED)
    passed = [v for v in bench.client.verdicts if v.error_code == 0][-1]
    until(lambda: (bytes(passed.goal_id.uuid), SUCCEEDED) in bench.client.states(), "its end in the status")


def navigate_through_poses_is_refused_with_the_reason(bench):
    action = ActionClient(bench.client_node, NavigateThroughPoses, "navigate_through_poses")
    until(action.server_is_ready, "the action server")
    sent = action.send_goal_async(NavigateThroughPoses.Goal(poses=[pose(1.5, 1.5), pose(3.0, 1.0)]))
    handle = until(lambda: sent.done() and sent.result(), "the answer")
    assert handle.accepted
    result = handle.get_result_async()
    answer = until(lambda: result.done() and result.result(), "the result")
    equal((answer.status, answer.result.error_code), (ABORTED, 9280), "end")
    assert "one by one" in answer.result.error_msg


main([
    graph_tools_see_an_action_server,
    goal_reaches_the_server_and_its_result_the_client,
    result_is_kept_for_anyone,
    late_subscriber_gets_the_whole_array,
    goal_relative_to_the_robot_is_sent_in_the_map,
    cancel,
    cancel_without_waiting_for_the_answer,
    cancel_all_and_by_stamp,
    another_client_may_cancel,
    repeated_id_is_rejected_and_harms_nobody,
    goal_pose_is_gated,
    navigate_through_poses_is_refused_with_the_reason,
])
