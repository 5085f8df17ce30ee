"""An independent client of the navigation stand-in: what Nav2's NavigateToPose server does, seen from outside."""

import math
import uuid

import rclpy
from action_msgs.msg import GoalStatusArray
from action_msgs.srv import CancelGoal
from fake_robot import LATCHED, FakeRobot, quaternion
from nav2_msgs.action import NavigateToPose
from rclpy.action import ActionClient
from unique_identifier_msgs.msg import UUID

ACTION = "/ungated/navigate_to_pose"
EXECUTING, SUCCEEDED, CANCELED, ABORTED = 2, 4, 5, 6


class Client:
    def __init__(self):
        self.robot = FakeRobot("navigation", map_from_odom=(1.0, 1.0, 0.0))
        self.action = ActionClient(self.robot, NavigateToPose, ACTION)
        implementation = NavigateToPose.Impl
        self.send_raw = self.robot.create_client(
            implementation.SendGoalService, f"{ACTION}/_action/send_goal"
        )
        self.result_raw = self.robot.create_client(
            implementation.GetResultService, f"{ACTION}/_action/get_result"
        )
        self.cancel_raw = self.robot.create_client(CancelGoal, f"{ACTION}/_action/cancel_goal")
        assert self.action.wait_for_server(30), "no action server"
        self.feedback = []
        accepted = self.send(1.0, 1.0)
        # Until the map and the transforms have arrived, goals are rejected as by an inactive server.
        for _ in range(100):
            if accepted.accepted:
                break
            self.robot.run_until(self.after(2))
            accepted = self.send(1.0, 1.0)
        assert self.result(accepted) == (SUCCEEDED, 0)

    def after(self, periods):
        end = self.robot.now_ns + periods * 50_000_000
        return lambda: self.robot.now_ns >= end

    def done(self, future):
        for _ in range(300):
            if future.done():
                return future.result()
            rclpy.spin_once(self.robot, timeout_sec=0.1)
        raise AssertionError("no answer")

    def goal(self, x, y, yaw=0.0, frame="map"):
        goal = NavigateToPose.Goal()
        goal.pose.header.frame_id = frame
        goal.pose.pose.position.x, goal.pose.pose.position.y = x, y
        goal.pose.pose.orientation = quaternion(yaw)
        return goal

    def send(self, x, y, yaw=0.0, frame="map"):
        self.feedback = []
        sent = self.action.send_goal_async(
            self.goal(x, y, yaw, frame), feedback_callback=lambda m: self.feedback.append(m.feedback)
        )
        return self.done(sent)

    def result(self, handle):
        future = handle.get_result_async()
        self.robot.run_until(future.done)
        answer = future.result()
        assert answer.result.error_msg == ""
        return answer.status, answer.result.error_code

    def cancel(self, goal_id):
        request = CancelGoal.Request()
        request.goal_info.goal_id = goal_id
        answer = self.done(self.cancel_raw.call_async(request))
        return answer.return_code, len(answer.goals_canceling)


def reaches_a_goal_with_feedback(client):
    assert client.result(client.send(3.5, 3.0, 1.5)) == (SUCCEEDED, 0)
    x, y, yaw = client.robot.truth
    assert math.hypot(x - 3.5, y - 3.0) < 0.25 and abs(yaw - 1.5) < 0.25, client.robot.truth
    assert client.robot.commands[-1][1:] == (0.0, 0.0), "the last command is zero"
    assert len(client.feedback) > 50
    first, last = client.feedback[1], client.feedback[-1]
    assert first.distance_remaining > 2.5 > 0.3 > last.distance_remaining
    assert last.navigation_time.sec > 5
    assert last.current_pose.header.frame_id == "map"


def fails_with_nav2s_codes(client):
    assert client.result(client.send(50.0, 1.0)) == (ABORTED, 204)
    assert client.result(client.send(7.0, 2.0)) == (ABORTED, 208), "a closed room"
    for frame in ("nowhere", "", "/map"):
        assert client.result(client.send(1.0, 1.0, frame=frame)) == (ABORTED, 0), frame


def stops_near_an_occupied_goal(client):
    assert client.result(client.send(2.6, 1.7)) == (SUCCEEDED, 0)
    x, y, _ = client.robot.truth
    assert math.hypot(x - 2.6, y - 1.7) < 0.75, client.robot.truth


def a_newer_goal_takes_over_without_a_stop(client):
    old = client.send(1.0, 1.0)
    client.robot.run_until(client.after(60))
    before = len(client.robot.commands)
    new = client.send(4.5, 3.2)
    assert client.result(old) == (ABORTED, 0)
    client.robot.run_until(client.after(3))
    taken_over = client.robot.commands[before:]
    assert taken_over and all(command[1:] != (0.0, 0.0) for command in taken_over), taken_over
    assert client.result(new) == (SUCCEEDED, 0)


def cancels(client):
    handle = client.send(1.0, 1.0)
    client.robot.run_until(client.after(40))
    assert client.cancel(handle.goal_id) == (0, 1)
    assert client.result(handle) == (CANCELED, 0)
    assert client.robot.commands[-1][1:] == (0.0, 0.0)
    assert client.cancel(handle.goal_id) == (3, 0), "ended already"
    assert client.cancel(UUID(uuid=list(uuid.uuid4().bytes))) == (2, 0), "unknown"
    assert client.cancel(UUID()) == (0, 0), "all of none"
    handle = client.send(1.0, 1.0)
    assert client.cancel(UUID()) == (0, 1), "all"
    assert client.result(handle) == (CANCELED, 0)


def gives_up_when_the_base_is_held(client):
    handle = client.send(1.0, 1.0)
    client.robot.obeys = False
    began = client.robot.now_ns
    assert client.result(handle) == (ABORTED, 105)
    assert 9.0 < (client.robot.now_ns - began) * 1e-9 < 12.0
    client.robot.obeys = True


def refuses_an_id_used_before(client):
    request = NavigateToPose.Impl.SendGoalService.Request()
    request.goal_id.uuid = list(uuid.uuid4().bytes)
    request.goal = client.goal(50.0, 0.0)
    assert client.done(client.send_raw.call_async(request)).accepted
    assert not client.done(client.send_raw.call_async(request)).accepted
    asked = NavigateToPose.Impl.GetResultService.Request()
    asked.goal_id.uuid = list(uuid.uuid4().bytes)
    assert client.done(client.result_raw.call_async(asked)).status == 0, "nobody knows it"


def keeps_every_goal_in_its_status(client):
    arrays = []
    client.robot.create_subscription(
        GoalStatusArray, f"{ACTION}/_action/status", arrays.append, LATCHED
    )
    for _ in range(300):
        if arrays:
            break
        rclpy.spin_once(client.robot, timeout_sec=0.1)
    goals = arrays[-1].status_list
    assert len(goals) >= 14, "a late subscriber sees them all"
    stamps = [(g.goal_info.stamp.sec, g.goal_info.stamp.nanosec) for g in goals]
    assert stamps == sorted(stamps), "oldest first"
    assert {g.status for g in goals} >= {SUCCEEDED, CANCELED, ABORTED}


rclpy.init()
peer = Client()
for case in (
    reaches_a_goal_with_feedback,
    fails_with_nav2s_codes,
    stops_near_an_occupied_goal,
    a_newer_goal_takes_over_without_a_stop,
    cancels,
    gives_up_when_the_base_is_held,
    refuses_an_id_used_before,
    keeps_every_goal_in_its_status,
):
    case(peer)
    print("ok:", case.__name__.replace("_", " "), flush=True)
