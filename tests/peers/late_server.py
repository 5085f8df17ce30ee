"""A navigation server that accepts a goal only when the behaviour tree has given it up.

Prints `READY`, and `CANCELED` once that goal is cancelled.
"""

import sys
import threading

import rclpy
from nav2_msgs.action import NavigateToPose
from nav2_msgs.msg import BehaviorTreeLog
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor

LIMIT_S = 120


def main():
    rclpy.init()
    node = rclpy.create_node("late_server")
    given_up, canceled = threading.Event(), threading.Event()

    def on_log(message):
        if any("drive" in event.node_name and event.current_status == "FAILURE" for event in message.event_log):
            given_up.set()

    def on_goal(_):
        return GoalResponse.ACCEPT if given_up.wait(LIMIT_S) else GoalResponse.REJECT

    def on_cancel(_):
        canceled.set()
        return CancelResponse.ACCEPT

    def execute(handle):
        canceled.wait(LIMIT_S)
        handle.canceled()
        return NavigateToPose.Result()

    group = ReentrantCallbackGroup()
    node.create_subscription(BehaviorTreeLog, "/autonomy/behavior_tree_log", on_log, 10, callback_group=group)
    ActionServer(
        node, NavigateToPose, "/navigate_to_pose", execute,
        goal_callback=on_goal, cancel_callback=on_cancel, callback_group=group)
    executor = MultiThreadedExecutor(num_threads=4)
    executor.add_node(node)
    threading.Thread(target=executor.spin, daemon=True).start()
    print("READY", flush=True)
    if canceled.wait(LIMIT_S):
        print("CANCELED", flush=True)


if __name__ == "__main__":
    sys.exit(main())
