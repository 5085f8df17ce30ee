"""What the tests share: a world for the gatekeeper to live in, a navigation server behind it, a client before it.

Everything here is rclpy: an implementation that shares no code with the gatekeeper. Nothing sleeps to wait: every wait is
for an event, with a limit that only a fault reaches.
"""

import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import rclpy
from action_msgs.msg import GoalStatus, GoalStatusArray
from action_msgs.srv import CancelGoal
from geometry_msgs.msg import PoseStamped, TransformStamped
from nav2_msgs.action import NavigateToPose
from nav_msgs.msg import OccupancyGrid
from rclpy.action import ActionClient, ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage
from turtlebot_maze_msgs.msg import EmergencyStopState, Verdict
from unique_identifier_msgs.msg import UUID

LIMIT = 60.0  # s: far beyond what anything takes, on a busy machine too
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
EXECUTING, CANCELING = GoalStatus.STATUS_EXECUTING, GoalStatus.STATUS_CANCELING
SUCCEEDED, CANCELED, ABORTED = GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_ABORTED
UPSTREAM = "/ungated/navigate_to_pose"

changed = threading.Condition()


def tell():
    """Something has happened: whoever waits looks again."""
    with changed:
        changed.notify_all()


def until(happens, what, limit=LIMIT):
    """Waits until `happens()` gives something true, and returns it."""
    end = time.monotonic() + limit
    with changed:
        while True:
            value = happens()
            if value:
                return value
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"not within {limit} s: {what}")
            changed.wait(min(left, 0.2))  # the graph changes without telling


def done(future, what, limit=LIMIT):
    """The result of a future."""
    future.add_done_callback(lambda _: tell())
    until(future.done, what, limit)
    return future.result()


def equal(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {got!r} instead of {wanted!r}")


class Navigator:
    """Stands for Nav2's server: one goal at a time, a newer one aborts it, feedback at 50 Hz."""

    def __init__(self, node, name=UPSTREAM):
        self.goals = []  # every goal ever accepted
        self.cancels = []  # ids
        self.accepts = True
        self.orders = {}  # id -> (status, error_code, error_msg)
        self.current = None
        self.server = ActionServer(
            node, NavigateToPose, name, self.execute,
            goal_callback=lambda _: GoalResponse.ACCEPT if self.accepts else GoalResponse.REJECT,
            handle_accepted_callback=self.accepted, cancel_callback=self.cancel,
            callback_group=ReentrantCallbackGroup())

    def accepted(self, handle):
        self.current = handle
        self.goals.append(handle)
        handle.execute()
        tell()

    def cancel(self, handle):
        self.cancels.append(bytes(handle.goal_id.uuid))
        tell()
        return CancelResponse.ACCEPT

    def order(self, handle, status, error_code=0, error_msg=""):
        self.orders[bytes(handle.goal_id.uuid)] = (status, error_code, error_msg)

    def execute(self, handle):
        result, rate = NavigateToPose.Result(), threading.Event()
        n = 0
        while True:
            order = self.orders.get(bytes(handle.goal_id.uuid))
            if handle.is_cancel_requested:
                handle.canceled()
            elif self.current is not handle:
                handle.abort()
            elif order:
                status, result.error_code, result.error_msg = order
                handle.succeed() if status == SUCCEEDED else handle.abort()
            else:
                n += 1
                handle.publish_feedback(NavigateToPose.Feedback(distance_remaining=float(n)))
                rate.wait(0.02)
                continue
            return result


class World:
    """Map, transforms and e-stop state. The robot stands at (1, 1)."""

    def __init__(self, node):
        self.node = node
        self.tf = node.create_publisher(TFMessage, "/tf", 100)
        self.map = node.create_publisher(OccupancyGrid, "/map", LATCHED)
        self.stop = node.create_publisher(EmergencyStopState, "/emergency_stop/state", LATCHED)
        self.timer = node.create_timer(0.05, self.publish_transforms)
        self.map.publish(house())

    def publish_transforms(self):
        stamp = self.node.get_clock().now().to_msg()
        transforms = []
        for parent, child, x, y in (("map", "odom", 0.5, 0.5), ("odom", "base_link", 0.5, 0.5)):
            t = TransformStamped(child_frame_id=child)
            t.header.frame_id, t.header.stamp = parent, stamp
            t.transform.translation.x, t.transform.translation.y = x, y
            t.transform.rotation.w = 1.0
            transforms.append(t)
        self.tf.publish(TFMessage(transforms=transforms))

    def emergency_stop(self, state, source="", reason=""):
        message = EmergencyStopState(state=state, source=source, reason=reason)
        message.since = self.node.get_clock().now().to_msg()
        self.stop.publish(message)


def house():
    """8 m x 6 m in cells of 0.05 m: outer walls, a block, a closed room, unknown space in a corner."""
    grid = OccupancyGrid()
    grid.header.frame_id = "map"
    grid.info.resolution, grid.info.width, grid.info.height = 0.05, 160, 120
    grid.info.origin.orientation.w = 1.0
    cells = [[0] * 160 for _ in range(120)]

    def fill(x0, y0, x1, y1, value):
        for row in range(round(y0 / 0.05), round(y1 / 0.05)):
            for column in range(round(x0 / 0.05), round(x1 / 0.05)):
                cells[row][column] = value

    for wall in ((0, 0, 8, 0.1), (0, 5.9, 8, 6), (0, 0, 0.1, 6), (7.9, 0, 8, 6)):
        fill(*wall, 100)
    fill(2, 2, 3, 3, 100)  # the block
    fill(5, 3, 7, 5, 100)  # the closed room
    fill(5.1, 3.1, 6.9, 4.9, 0)
    fill(7, 0.1, 7.9, 1, -1)  # unknown
    grid.data = [cell for row in cells for cell in row]
    return grid


def pose(x=3.0, y=1.0, frame="map", yaw=0.0, stamp=None):
    message = PoseStamped()
    message.header.frame_id = frame
    if stamp is not None:
        message.header.stamp = stamp
    message.pose.position.x, message.pose.position.y = x, y
    message.pose.orientation.z, message.pose.orientation.w = math.sin(yaw / 2), math.cos(yaw / 2)
    return message


class Goal:
    """A goal of the client."""

    def __init__(self, client, message, tree, goal_id):
        self.client = client
        self.id = goal_id or uuid.uuid4().bytes
        self.feedback = []
        goal = NavigateToPose.Goal(pose=message, behavior_tree=tree)
        self.sent = client.action.send_goal_async(
            goal, feedback_callback=self.on_feedback, goal_uuid=UUID(uuid=list(self.id)))
        self.result_future = None

    def on_feedback(self, message):
        self.feedback.append(message.feedback.distance_remaining)
        tell()

    @property
    def handle(self):
        return done(self.sent, "the answer to send_goal")

    def accepted(self):
        if not self.handle.accepted:
            raise AssertionError("goal rejected")
        return self

    def ends(self):
        """Final status, error code and text."""
        self.accepted()
        self.result_future = self.result_future or self.handle.get_result_async()
        answer = done(self.result_future, "the goal's result")
        return answer.status, answer.result.error_code, answer.result.error_msg

    def ends_with(self, status, code=0):
        got = self.ends()
        equal(got[:2], (status, code), f"end of the goal ({got[2]})")
        return got[2]


class Client:
    """An ordinary action client, and the endpoints under it."""

    def __init__(self, node):
        self.node = node
        self.action = ActionClient(node, NavigateToPose, "navigate_to_pose")
        self.cancels = node.create_client(CancelGoal, "navigate_to_pose/_action/cancel_goal")
        self.results = node.create_client(
            NavigateToPose.Impl.GetResultService, "navigate_to_pose/_action/get_result")
        self.verdicts, self.arrays = [], []
        node.create_subscription(
            Verdict, "/gatekeeper/verdict", lambda m: (self.verdicts.append(m), tell()), QoSProfile(depth=50))
        node.create_subscription(
            GoalStatusArray, "navigate_to_pose/_action/status", lambda m: (self.arrays.append(m), tell()), LATCHED)

    def goal(self, message=None, tree="", goal_id=None):
        return Goal(self, message or pose(), tree, goal_id)

    def cancel(self, goal_id=bytes(16), stamp=None):
        """Return code and ids that are being cancelled."""
        request = CancelGoal.Request()
        request.goal_info.goal_id = UUID(uuid=list(goal_id))
        if stamp is not None:
            request.goal_info.stamp = stamp
        answer = done(self.cancels.call_async(request), "the answer to a cancel")
        return answer.return_code, [bytes(info.goal_id.uuid) for info in answer.goals_canceling]

    def result(self, goal_id):
        request = NavigateToPose.Impl.GetResultService.Request(goal_id=UUID(uuid=list(goal_id)))
        answer = done(self.results.call_async(request), "the answer to get_result")
        return answer.status, answer.result.error_code

    def states(self):
        """The newest status array: [(id, status)]."""
        if not self.arrays:
            return []
        return [(bytes(s.goal_info.goal_id.uuid), s.status) for s in self.arrays[-1].status_list]

    def has_state(self, goal, status):
        until(lambda: (goal.id, status) in self.states(), f"status {status} of the goal")

    def verdict(self, goal_id):
        def find():
            return next((v for v in self.verdicts if bytes(v.goal_id.uuid) == goal_id), None)
        return until(find, "the verdict on the goal")


class Gatekeeper:
    """The program under test."""

    def __init__(self, *flags):
        self.dir = tempfile.TemporaryDirectory()
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(self.dir.name, "notify")
        self.notify.bind(path)
        env = dict(os.environ, NOTIFY_SOCKET=path)
        library_path = env.pop("GATEKEEPER_LIBRARY_PATH", None)
        if library_path:
            env["LD_LIBRARY_PATH"] = library_path
        self.process = subprocess.Popen([os.environ["GATEKEEPER"], *flags], env=env)

    def is_ready(self):
        """Waits until it says that it judges goals."""
        self.told("READY=1")
        return self

    def told(self, text):
        self.notify.settimeout(LIMIT)
        while True:
            if text in self.notify.recv(4096).decode():
                return

    def ends(self, signal_number, limit=5.0):
        """Sends a signal and waits for the end; returns how long it took."""
        begin = time.monotonic()
        self.process.send_signal(signal_number)
        self.process.wait(limit)
        return time.monotonic() - begin


class Bench:
    """A world, a navigation server, a client; nodes of their own."""

    def __init__(self, navigator=True):
        rclpy.init()
        self.nodes = [Node(name) for name in ("world", "bt_navigator", "client")]
        self.world_node, self.navigator_node, self.client_node = self.nodes
        self.executor = MultiThreadedExecutor(num_threads=16)
        for node in self.nodes:
            self.executor.add_node(node)
        self.world = World(self.world_node)
        self.navigator = Navigator(self.navigator_node) if navigator else None
        self.client = Client(self.client_node)
        self.processes = []
        self.thread = threading.Thread(target=self.executor.spin, daemon=True)
        self.thread.start()

    def gatekeeper(self, *flags, ready=True):
        gatekeeper = Gatekeeper(*flags)
        self.processes.append(gatekeeper.process)
        if ready:
            gatekeeper.is_ready()
            # Discovery of an action client is not mutual at one instant: both sides must have found each other.
            until(self.client.action.server_is_ready, "the action server in the graph")
        return gatekeeper

    def spawn(self, *command):
        process = subprocess.Popen(command)
        self.processes.append(process)
        return process

    def running(self, goal):
        """Waits until a goal of the client runs in the navigation server, and returns it there."""
        goal.accepted()
        until(lambda: goal.feedback, "feedback from the navigation server")
        return self.navigator.current


def main(scenarios, navigator=True, flags=()):
    """Runs the scenarios one after the other on one gatekeeper; a scenario is a function of the bench."""
    bench = Bench(navigator)
    status = 0
    try:
        gatekeeper = bench.gatekeeper(*flags) if flags is not None else None
        for scenario in scenarios:
            begin = time.monotonic()
            scenario(bench)
            print(f"ok   {scenario.__name__} ({time.monotonic() - begin:.2f} s)", flush=True)
        if gatekeeper and gatekeeper.process.poll() is not None:
            raise AssertionError("the gatekeeper has died")
    except BaseException:
        import traceback
        traceback.print_exc()
        status = 1
    for process in bench.processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
    sys.stdout.flush()
    sys.stderr.flush()
    # rclpy's threads may hang at the end of a process whose peers have been killed.
    os._exit(status)
