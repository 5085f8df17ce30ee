#!/usr/bin/env python3
"""An independent ROS client. Takes orders on standard input, says what it sees on standard output, one JSON a line.

drive X       publish X m/s on /ungated/cmd_vel at 20 Hz        odom X    publish X m/s on /odom at 20 Hz
burst N X     publish X m/s there N times, and say so
silent        publish no more                                   foreign   publish on /cmd_vel itself
stop, reset   call the service                                  homely    publish there no more
motors        serve /motor_power
"""
import json
import sys
import threading

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import SetBool, Trigger
from turtlebot_maze_msgs.msg import EmergencyStopState

STATES = {EmergencyStopState.FREE: 'free', EmergencyStopState.HOLDING: 'holding', EmergencyStopState.LATCHED: 'latched'}


def say(**what):
    print(json.dumps(what), flush=True)


class Peer:
    def __init__(self, stamped):
        self.node = rclpy.create_node('peer')
        self.type = TwistStamped if stamped else Twist
        self.drive = self.odom = self.foreign = None
        self.count = 0
        self.commands = self.node.create_publisher(self.type, '/ungated/cmd_vel', 10)
        self.odometry = self.node.create_publisher(Odometry, '/odom', 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(self.type, '/cmd_vel', self.on_velocity, 10)
        self.node.create_subscription(EmergencyStopState, '/emergency_stop/state', self.on_state, latched)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self.on_diagnostics, 10)
        self.services = {
            'stop': self.node.create_client(Trigger, '/emergency_stop'),
            'reset': self.node.create_client(Trigger, '/emergency_stop/reset'),
        }
        self.node.create_timer(0.05, self.tick)

    def on_velocity(self, message):
        if isinstance(message, TwistStamped):
            say(x=message.twist.linear.x, frame=message.header.frame_id, stamp=message.header.stamp.sec)
        else:
            say(x=message.linear.x)

    def on_state(self, message):
        say(state=STATES[message.state], source=message.source, reason=message.reason, passed=message.passed, refused=message.refused)

    def on_diagnostics(self, message):
        for status in message.status:
            say(diagnosis=status.name, level=status.level[0], message=status.message,
                values={pair.key: pair.value for pair in status.values})

    def command(self, speed):
        self.count += 1
        message = self.type()
        if isinstance(message, TwistStamped):
            message.header.frame_id = 'of_the_peer'
            message.header.stamp.sec = self.count
            message.twist.linear.x = speed
        else:
            message.linear.x = speed
        self.commands.publish(message)

    def tick(self):
        if self.drive is not None:
            self.command(self.drive)
        if self.odom is not None:
            message = Odometry()
            message.twist.twist.linear.x = self.odom
            self.odometry.publish(message)

    def call(self, name):
        client = self.services[name]
        client.wait_for_service()
        future = client.call_async(Trigger.Request())
        future.add_done_callback(lambda done: say(answer=name, success=done.result().success, message=done.result().message))

    def on_motors(self, request, response):
        say(motors=request.data)
        response.success = True
        return response

    def obey(self, line):
        word, _, rest = line.strip().partition(' ')
        if word == 'drive':
            self.drive = float(rest)
        elif word == 'burst':
            count, speed = rest.split()
            for _ in range(int(count)):
                self.command(float(speed))
            say(burst=int(count))
        elif word == 'odom':
            self.odom = float(rest)
        elif word == 'silent':
            self.drive = None
        elif word in self.services:
            self.call(word)
        elif word == 'foreign':
            self.foreign = self.node.create_publisher(self.type, '/cmd_vel', 10)
        elif word == 'homely':
            self.node.destroy_publisher(self.foreign)
        elif word == 'motors':
            self.node.create_service(SetBool, '/motor_power', self.on_motors)


def main():
    rclpy.init()
    peer = Peer(stamped=sys.argv[1:] != ['plain'])
    orders = []

    def read():
        for line in sys.stdin:
            orders.append(line)
        orders.append(None)

    threading.Thread(target=read, daemon=True).start()
    say(ready=True)
    while True:
        rclpy.spin_once(peer.node, timeout_sec=0.02)
        while orders:
            order = orders.pop(0)
            if order is None:
                return
            peer.obey(order)


main()
