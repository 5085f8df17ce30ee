"""An independent peer of the simulator: sees what a robot shows, and drives it as the stand-ins do with --speed 0."""

import sys

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PoseStamped, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, Imu, LaserScan
from std_msgs.msg import Header
from std_srvs.srv import SetBool
from tf2_msgs.msg import TFMessage

PERIOD_NS = 50_000_000
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def nanoseconds(stamp):
    return stamp.sec * 10**9 + stamp.nanosec


class Controller(Node):
    def __init__(self):
        super().__init__("controller")
        self.newest = {}
        self.image_stamps = []
        self.clock_ns = -1
        self.done_ns = -1
        self.ran_ahead = False
        self.velocity = None
        sensor = qos_profile_sensor_data
        for kind, topic, qos in (
            (TFMessage, "/tf_static", LATCHED),
            (TFMessage, "/tf", 10),
            (LaserScan, "/scan", sensor),
            (Imu, "/imu", sensor),
            (Image, "/camera/depth/image_rect_raw", sensor),
            (CameraInfo, "/camera/color/camera_info", sensor),
            (PoseStamped, "/sim/start_pose", LATCHED),
            (Odometry, "/sim/ground_truth", 10),
        ):
            self.create_subscription(kind, topic, lambda m, t=topic: self.newest.__setitem__(t, m), qos)
        self.create_subscription(Image, "/camera/color/image_raw", self.on_image, 10)
        self.create_subscription(Clock, "/clock", self.on_clock, 10)
        self.create_subscription(Odometry, "/odom", self.on_odometry, 10)
        self.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)
        self.figures = {}
        self.commands = self.create_publisher(TwistStamped, "/cmd_vel", 10)
        self.acks = self.create_publisher(Header, "/sim/ack", 10)
        self.power = self.create_client(SetBool, "/motor_power")

    def on_clock(self, clock):
        self.clock_ns = nanoseconds(clock.clock)
        # Once waited for, the simulator never goes beyond the control period that is being worked on.
        self.ran_ahead |= 0 <= self.done_ns and self.clock_ns > self.done_ns + PERIOD_NS

    def on_image(self, image):
        self.newest["/camera/color/image_raw"] = image
        self.image_stamps.append(nanoseconds(image.header.stamp))

    def on_diagnostics(self, array):
        for status in array.status:
            if status.name == "sim_node":
                self.figures = {value.key: value.value for value in status.values}

    def on_odometry(self, odometry):
        self.newest["/odom"] = odometry
        stamp = nanoseconds(odometry.header.stamp)
        if stamp % PERIOD_NS != 0:
            return
        name = "navigation"
        if self.velocity is not None:
            command = TwistStamped()
            command.header.stamp = odometry.header.stamp
            command.twist.linear.x, command.twist.angular.z = self.velocity
            self.commands.publish(command)
            name = "navigation/driving"
        self.done_ns = stamp
        self.acks.publish(Header(stamp=odometry.header.stamp, frame_id=name))

    def wait_for(self, done, what):
        for _ in range(30_000):
            if done():
                return
            rclpy.spin_once(self, timeout_sec=0.1)
        raise AssertionError(f"no {what}; have {sorted(self.newest)}, clock {self.clock_ns}")

    def run(self, seconds):
        end = self.clock_ns + int(seconds * 1e9)
        self.wait_for(lambda: self.clock_ns >= end, f"{seconds} s of simulated time")

    def truth(self):
        """Time and place."""
        odometry = self.newest["/sim/ground_truth"]
        return nanoseconds(odometry.header.stamp) * 1e-9, odometry.pose.pose.position.x

    def mean_speed(self, seconds=1.0):
        """Over the next `seconds`, in truth: the wheels' own count slips."""
        start, x = self.truth()
        self.run(seconds)
        end, there = self.truth()
        return (there - x) / (end - start)


def shows_what_a_robot_shows(node):
    topics = (
        "/tf_static",
        "/tf",
        "/scan",
        "/imu",
        "/odom",
        "/camera/color/image_raw",
        "/camera/depth/image_rect_raw",
        "/camera/color/camera_info",
        "/sim/start_pose",
        "/sim/ground_truth",
    )
    node.wait_for(lambda: all(topic in node.newest for topic in topics), "message of every topic")
    children = {t.child_frame_id for t in node.newest["/tf_static"].transforms}
    assert {"base_link", "base_scan", "camera_link", "camera_color_optical_frame"} <= children
    color, depth = node.newest["/camera/color/image_raw"], node.newest["/camera/depth/image_rect_raw"]
    assert (color.width, color.height, color.encoding, len(color.data)) == (640, 480, "rgb8", 921600)
    assert (depth.encoding, depth.step, len(depth.data)) == ("16UC1", 1280, 614400)
    assert color.header.frame_id == depth.header.frame_id == "camera_color_optical_frame"
    # The corridor's far end is 7.2 m before the start; the middle of the picture shows something nearer or that.
    middle = 240 * depth.step + 320 * 2
    assert 500 < int.from_bytes(bytes(depth.data[middle : middle + 2]), "little") < 7400
    scan = node.newest["/scan"]
    assert len(scan.ranges) == 360 and abs(scan.ranges[90] - 0.75) < 0.1, scan.ranges[90]
    assert abs(node.newest["/imu"].linear_acceleration.z - 9.81) < 0.2
    assert abs(node.newest["/sim/start_pose"].pose.position.x - 0.8) < 1e-9


def wait_until_waited_for(node):
    """Until the simulator has heard an acknowledgement it waits for nobody, and each side finds the other in its own time."""
    node.wait_for(
        lambda: node.acks.get_subscription_count() and node.commands.get_subscription_count(),
        "subscription of the simulator",
    )
    for _ in range(20):
        node.ran_ahead = False
        node.run(1.0)
        if not node.ran_ahead:
            return
    raise AssertionError("the simulator does not wait")


def waits_for_its_controller(node):
    node.velocity = (0.2, 0.0)
    wait_until_waited_for(node)
    node.image_stamps.clear()
    node.ran_ahead = False
    speed = node.mean_speed(5.0)
    assert abs(speed - 0.2) < 0.012, speed
    assert not node.ran_ahead, "the simulator did not wait"
    gaps = [b - a for a, b in zip(node.image_stamps, node.image_stamps[1:])]
    assert len(gaps) > 60 and max(gaps) <= 70_000_000, "a picture was skipped"


def keeps_its_last_velocity_until_the_motors_are_off(node):
    node.velocity = None
    node.run(0.5)
    assert abs(node.mean_speed() - 0.2) < 0.02, "it does not keep its velocity"
    assert node.power.wait_for_service(10)
    answer = node.power.call_async(SetBool.Request(data=False))
    node.wait_for(answer.done, "answer of motor_power")
    node.run(1.0)
    assert abs(node.mean_speed()) < 0.005, "it drives without its motors"


def counts(node):
    node.figures = {}
    node.wait_for(lambda: node.figures, "diagnostics")
    figures = node.figures
    assert figures["collisions"] == "0" and figures["frames_skipped"] == "0", figures
    assert float(figures["min_clearance_m"]) > 0.3, figures
    assert int(figures["frames_rendered"]) > 60, figures


rclpy.init()
controller = Controller()
for case in (
    shows_what_a_robot_shows,
    waits_for_its_controller,
    keeps_its_last_velocity_until_the_motors_are_off,
    counts,
):
    case(controller)
    print("ok:", case.__name__.replace("_", " "), flush=True)
# From here on only a publisher of commands: the simulator, asked to end, waits until it is gone.
print("holding", flush=True)
sys.stdin.readline()
