"""turtlebot_maze.launch.py for each set of arguments, against command lines, remaps and parameters written out by hand.

Run with `python3 -m unittest discover launch/tests`; needs PyYAML, and nothing of ROS.
"""

import importlib.util
import os
import sys
import tempfile
import unittest

import yaml

HERE = os.path.dirname(os.path.realpath(__file__))
SHARE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)

import stand_ins  # noqa: E402

# The part of Nav2's nav2_params.yaml that the overlay must change or leave.
NAV2_PARAMS = """
amcl:
  ros__parameters: {use_sim_time: true, base_frame_id: base_footprint, max_beams: 60}
collision_monitor:
  ros__parameters: {base_frame_id: base_footprint, cmd_vel_in_topic: cmd_vel_smoothed, cmd_vel_out_topic: cmd_vel}
controller_server:
  ros__parameters: {controller_frequency: 20.0, FollowPath: {plugin: nav2_mppi_controller::MPPIController, vx_max: 0.5}}
local_costmap:
  local_costmap:
    ros__parameters: {use_sim_time: true, update_frequency: 5.0}
velocity_smoother:
  ros__parameters: {max_velocity: [0.5, 0.0, 2.0]}
"""

NAV2_REMAPS = [
    ('bt_navigator:goal_pose', '/ungated/goal_pose'),
    ('docking_server:cmd_vel', '/ungated/cmd_vel'),
    ('bt_navigator:navigate_to_pose', '/ungated/navigate_to_pose'),
    ('bt_navigator:navigate_to_pose/_action/send_goal', '/ungated/navigate_to_pose/_action/send_goal'),
    ('bt_navigator:navigate_to_pose/_action/cancel_goal', '/ungated/navigate_to_pose/_action/cancel_goal'),
    ('bt_navigator:navigate_to_pose/_action/get_result', '/ungated/navigate_to_pose/_action/get_result'),
    ('bt_navigator:navigate_to_pose/_action/feedback', '/ungated/navigate_to_pose/_action/feedback'),
    ('bt_navigator:navigate_to_pose/_action/status', '/ungated/navigate_to_pose/_action/status'),
    ('bt_navigator:navigate_through_poses', '/ungated/navigate_through_poses'),
    ('bt_navigator:navigate_through_poses/_action/send_goal', '/ungated/navigate_through_poses/_action/send_goal'),
    ('bt_navigator:navigate_through_poses/_action/cancel_goal', '/ungated/navigate_through_poses/_action/cancel_goal'),
    ('bt_navigator:navigate_through_poses/_action/get_result', '/ungated/navigate_through_poses/_action/get_result'),
    ('bt_navigator:navigate_through_poses/_action/feedback', '/ungated/navigate_through_poses/_action/feedback'),
    ('bt_navigator:navigate_through_poses/_action/status', '/ungated/navigate_through_poses/_action/status'),
]


class LaunchFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        for name in ('maze.sdf', 'maze.yaml', 'places.yaml', 'tree.xml', 'net.onnx'):
            open(self.file(name), 'w').close()
        os.makedirs(self.file('nav2/params'))
        with open(self.file('nav2/params/nav2_params.yaml'), 'w') as file:
            file.write(NAV2_PARAMS)
        shares = {'nav2_bringup': self.file('nav2'), 'ros_gz_sim': '/opt/ros_gz_sim', 'turtlebot3_bringup': '/opt/turtlebot3_bringup'}
        stand_ins.install(shares, {'turtlebot_maze': '/opt/maze'})
        spec = importlib.util.spec_from_file_location('launch_file', os.path.join(SHARE, 'launch', 'turtlebot_maze.launch.py'))
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def file(self, name):
        return os.path.join(self.dir, name)

    def write_world(self, content):
        with open(self.file('maze.sdf'), 'w') as file:
            file.write(f'<sdf version="1.9"><world name="maze">{content}</world></sdf>')

    def start(self, **given):
        """All actions for these arguments."""
        given = {
            'out': self.file('out'), 'map': self.file('maze.yaml'), 'locations': self.file('places.yaml'), 'find': 'cup',
            'tree': self.file('tree.xml'), 'model': self.file('net.onnx'), **given,
        }
        (description,) = self.module.generate_launch_description().args
        declared = {action.args[0]: action.kwargs for action in description if type(action).__name__ == 'DeclareLaunchArgument'}
        self.assertLessEqual(set(given), set(declared), 'an argument is not declared')
        for name, value in given.items():
            self.assertIn(value, declared[name].get('choices', [value]))
        values = {name: settings['default_value'] for name, settings in declared.items()} | given
        context = stand_ins.Context(values)
        (opaque,) = [action for action in description if type(action).__name__ == 'OpaqueFunction']
        return opaque.kwargs['function'](context)

    def of_type(self, actions, name):
        return [action for action in actions if type(action).__name__ == name]

    def nodes(self, actions):
        """Command line behind the program, by program, of the project's ROS nodes."""
        return {
            node.kwargs['executable']: self.without_folders(node.kwargs['arguments'])
            for node in self.of_type(actions, 'Node') if node.kwargs['package'] == 'turtlebot_maze'
        }

    def processes(self, actions):
        return {process.kwargs['name']: self.without_folders(process.kwargs['cmd']) for process in self.of_type(actions, 'ExecuteProcess')}

    def without_folders(self, words):
        def short(word):
            word = word.replace(self.dir + '/', '')
            return 'SOCKETS/' + os.path.basename(word) if word.startswith(tempfile.gettempdir() + '/turtlebot-maze-') else word
        return [short(word) for word in words]

    def nav2(self, actions):
        """Remaps and arguments of Nav2's bringup, and the parameters it gets."""
        (group,) = [action for action in self.of_type(actions, 'GroupAction') if self.of_type(action.args[0], 'SetRemap')]
        self.assertEqual(group.kwargs, {'scoped': True, 'forwarding': False})
        remaps = [remap.args for remap in self.of_type(group.args[0], 'SetRemap')]
        include = group.args[0][-1]
        self.assertEqual(type(include).__name__, 'IncludeLaunchDescription')
        self.assertEqual(include.args[0].args[0], self.file('nav2/launch/bringup_launch.py'))
        arguments = dict(include.kwargs['launch_arguments'])
        params_file = arguments.pop('params_file')
        with open(params_file) as file:
            parameters = yaml.safe_load(file)
        return remaps, arguments, parameters

    def test_embedded(self):
        actions = self.start(world=self.file('maze.sdf'), rerun='true', groot_control='true', seed='7')
        environment = {action.args[0]: action.args[1] for action in self.of_type(actions, 'SetEnvironmentVariable')}
        self.assertEqual(environment, {'ROS_DOMAIN_ID': '77', 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'})
        self.assertEqual([action.args[0] for action in self.of_type(actions, 'UnsetEnvironmentVariable')], [
            'ROS_STATIC_PEERS', 'ROS_DISCOVERY_SERVER', 'ROS_SUPER_CLIENT', 'ROS_LOCALHOST_ONLY', 'FASTRTPS_DEFAULT_PROFILES_FILE',
            'FASTDDS_DEFAULT_PROFILES_FILE', 'CYCLONEDDS_URI',
        ])
        zenoh = 'tcp/127.0.0.1:7447'
        self.assertEqual(self.processes(actions), {
            'bridge': ['/opt/maze/lib/turtlebot_maze/bridge', '--zenoh-listen', zenoh],
            'detector': ['/opt/maze/lib/turtlebot_maze/detector', 'serve', '--zenoh', zenoh,
                         '--keys', 'camera/color/image_raw', '--model', 'net.onnx'],
        })
        self.assertEqual(self.nodes(actions), {
            'sim_node': ['--world', 'maze.sdf', '--speed', '1', '--base', 'stops', '--seed', '7', '--zenoh', zenoh, '--pace-detections'],
            'estop_guard': ['--guard-socket', 'SOCKETS/guard'],
            'estop': ['--control-socket', 'SOCKETS/control', '--guard-socket', 'SOCKETS/guard', '--zenoh', zenoh],
            'localization': ['--map', 'maze.yaml'],
            'navigation': ['--map', 'maze.yaml'],
            'gatekeeper': [],
            'viewer': ['--zenoh', zenoh, '--out', 'out/run.rrd', '--spawn'],
            'report': ['--zenoh', zenoh, '--out', 'out', '--seed', '7', '--find', 'cup', '--world', 'maze.sdf'],
            'autonomy': ['--tree', 'tree.xml', '--locations', 'places.yaml', '--find', 'cup', '--zenoh', zenoh, '--record', 'out/tree.jsonl',
                         '--groot-control'],
        })
        for node in self.of_type(actions, 'Node'):
            expected = [os.path.join(SHARE, 'launch/config/embedded.yaml'), {'use_sim_time': True}]
            self.assertEqual(node.kwargs['parameters'], expected)
        self.assertEqual(self.of_type(actions, 'GroupAction'), [], 'Nav2 is stood in for')

    def test_what_each_death_means(self):
        actions = self.start(world=self.file('maze.sdf'))
        ends = {node.kwargs['executable'] for node in self.of_type(actions, 'Node') if 'on_exit' in node.kwargs}
        self.assertEqual(ends, {'sim_node', 'estop', 'autonomy'})
        for action in self.of_type(actions, 'Node') + self.of_type(actions, 'ExecuteProcess'):
            if 'on_exit' in action.kwargs:
                (emit,) = action.kwargs['on_exit']
                self.assertEqual(type(emit.kwargs['event']).__name__, 'Shutdown')
                self.assertNotIn('respawn', action.kwargs)
            else:
                self.assertEqual((action.kwargs['respawn'], action.kwargs['respawn_delay']), (True, 1.0))

    def test_gazebo(self):
        self.write_world('<frame name="robot_start"><pose>7.7 2.1 0 0 0 3.14</pose></frame>')
        actions = self.start(sim='gazebo', world=self.file('maze.sdf'))
        (include,) = self.of_type(actions, 'IncludeLaunchDescription')
        self.assertEqual(include.args[0].args[0], '/opt/ros_gz_sim/launch/gz_sim.launch.py')
        self.assertEqual(dict(include.kwargs['launch_arguments']), {
            'gz_args': f"-r -s --headless-rendering {self.file('maze.sdf')}", 'on_exit_shutdown': 'true',
        })
        others = [node.kwargs for node in self.of_type(actions, 'Node') if node.kwargs['package'] != 'turtlebot_maze']
        create, bridge, *frames = others
        self.assertEqual((create['package'], create['executable']), ('ros_gz_sim', 'create'))
        self.assertEqual(create['arguments'], ['-file', os.path.join(SHARE, 'sim/gazebo/waffle.sdf'), '-name', 'waffle',
                                               '-x', '7.7', '-y', '2.1', '-z', '0.01', '-Y', '3.14'])
        self.assertEqual((bridge['package'], bridge['executable']), ('ros_gz_bridge', 'parameter_bridge'))
        self.assertEqual(bridge['parameters'], [{
            'config_file': os.path.join(SHARE, 'launch/config/gazebo_bridge.yaml'), 'use_sim_time': True,
        }])
        pairs = [(frame['arguments'][13], frame['arguments'][15]) for frame in frames]
        self.assertEqual(pairs, [
            ('base_footprint', 'base_link'), ('base_link', 'base_scan'), ('base_link', 'imu_link'), ('base_link', 'camera_link'),
            ('camera_link', 'camera_color_optical_frame'),
        ])
        self.assertEqual(set(self.nodes(actions)), {'estop_guard', 'estop', 'gatekeeper', 'viewer', 'report', 'autonomy'})
        self.assertNotIn('--start-latched', self.nodes(actions)['estop'])
        remaps, arguments, parameters = self.nav2(actions)
        self.assertEqual(remaps, NAV2_REMAPS)
        self.assertEqual(arguments, {
            'map': self.file('maze.yaml'), 'use_sim_time': 'True', 'autostart': 'True', 'slam': 'False', 'use_localization': 'True',
            'use_composition': 'False',
        })
        self.assertEqual(parameters['collision_monitor']['ros__parameters'], {
            'base_frame_id': 'base_footprint', 'cmd_vel_in_topic': 'cmd_vel_smoothed', 'cmd_vel_out_topic': '/ungated/cmd_vel',
            'enable_stamped_cmd_vel': True,
        })
        amcl = parameters['amcl']['ros__parameters']
        self.assertEqual((amcl['set_initial_pose'], amcl['initial_pose']), (True, {'x': 7.7, 'y': 2.1, 'z': 0.0, 'yaw': 3.14}))

    def test_a_world_that_says_no_start_begins_at_its_origin_and_one_that_is_none_is_refused(self):
        self.write_world('')
        create = next(node for node in self.of_type(self.start(sim='gazebo', world=self.file('maze.sdf')), 'Node')
                      if node.kwargs['executable'] == 'create')
        self.assertEqual(create.kwargs['arguments'][4:6], ['-x', '0.0'])
        with open(self.file('maze.sdf'), 'w') as file:
            file.write('no world')
        with self.assertRaisesRegex(RuntimeError, 'maze.sdf cannot be read as a world'):
            self.start(sim='gazebo', world=self.file('maze.sdf'))

    def test_gazebo_bridge_drives_by_the_gates_topic_and_type_only(self):
        with open(os.path.join(SHARE, 'launch/config/gazebo_bridge.yaml')) as file:
            topics = yaml.safe_load(file)
        inward = [(topic['ros_topic_name'], topic['ros_type_name']) for topic in topics if topic['direction'] != 'GZ_TO_ROS']
        self.assertEqual(inward, [('/cmd_vel', 'geometry_msgs/msg/TwistStamped')])
        self.assertIn('/camera/color/camera_info', [topic['ros_topic_name'] for topic in topics])

    def test_turtlebot3(self):
        actions = self.start(sim='none', vlm_url='http://vlm:8000', vlm_model='cosmos')
        zenoh = 'tcp/127.0.0.1:7447'
        self.assertEqual(self.nodes(actions), {
            'estop_guard': ['--guard-socket', 'SOCKETS/guard'],
            'estop': ['--control-socket', 'SOCKETS/control', '--guard-socket', 'SOCKETS/guard', '--zenoh', zenoh, '--start-latched'],
            'gatekeeper': ['--vlm-model', 'cosmos', '--vlm-url', 'http://vlm:8000'],
            'viewer': ['--zenoh', zenoh, '--out', 'out/run.rrd'],
            'report': ['--zenoh', zenoh, '--out', 'out', '--seed', '1', '--find', 'cup'],
            'autonomy': ['--tree', 'tree.xml', '--locations', 'places.yaml', '--find', 'cup', '--zenoh', zenoh, '--record', 'out/tree.jsonl'],
        })
        for node in self.of_type(actions, 'Node'):
            expected = [os.path.join(SHARE, 'launch/config/turtlebot3.yaml'), {'use_sim_time': False}]
            self.assertEqual(node.kwargs['parameters'], expected)
        self.assertEqual(self.of_type(actions, 'SetEnvironmentVariable'), [], 'the robot has a domain of its own')
        remaps, arguments, parameters = self.nav2(actions)
        self.assertEqual(remaps, NAV2_REMAPS)
        self.assertEqual(arguments['use_sim_time'], 'False')
        self.assertEqual(parameters['amcl']['ros__parameters'], {'base_frame_id': 'base_footprint', 'max_beams': 60})
        self.assertNotIn('use_sim_time', parameters['local_costmap']['local_costmap']['ros__parameters'])
        controller = parameters['controller_server']['ros__parameters']
        self.assertEqual(controller['FollowPath']['vx_max'], 0.26)
        self.assertEqual(controller['FollowPath']['plugin'], 'nav2_mppi_controller::MPPIController')
        for node in ('controller_server', 'behavior_server', 'docking_server', 'velocity_smoother', 'collision_monitor'):
            self.assertIs(parameters[node]['ros__parameters']['enable_stamped_cmd_vel'], True, node)
        for node, settings in parameters.items():
            self.assertNotIn('use_sim_time', settings.get('ros__parameters', {}), node)

    def test_turtlebot3_with_its_own_bringup(self):
        os.environ.pop('LDS_MODEL', None)
        os.environ['TURTLEBOT3_MODEL'] = 'waffle'
        self.addCleanup(os.environ.pop, 'TURTLEBOT3_MODEL')
        with self.assertRaisesRegex(RuntimeError, 'LDS_MODEL'):
            self.start(sim='none', bringup='true')
        os.environ['LDS_MODEL'] = 'LDS-02'
        self.addCleanup(os.environ.pop, 'LDS_MODEL')
        actions = self.start(sim='none', bringup='true')
        bringup = self.of_type(actions, 'GroupAction')[0]
        self.assertEqual(bringup.kwargs, {'scoped': True, 'forwarding': False})
        self.assertEqual(bringup.args[0][0].args[0].args[0], '/opt/turtlebot3_bringup/launch/robot.launch.py')

    def test_turtlebot4(self):
        actions = self.start(sim='none', robot='turtlebot4')
        zenoh = 'tcp/127.0.0.1:7447'
        self.assertEqual(self.processes(actions), {
            'bridge': ['/opt/maze/lib/turtlebot_maze/bridge', '--zenoh-listen', zenoh,
                       '--out-of-ros', '/oakd/rgb/preview/image_raw,/oakd/rgb/preview/camera_info,/odom'],
            'detector': ['/opt/maze/lib/turtlebot_maze/detector', 'serve', '--zenoh', zenoh,
                         '--keys', 'oakd/rgb/preview/image_raw', '--model', 'net.onnx'],
        })
        self.assertIn('--start-latched', self.nodes(actions)['estop'])
        (hint,) = self.of_type(actions, 'LogInfo')
        self.assertIn('undock', hint.kwargs['msg'])
        _, _, parameters = self.nav2(actions)
        self.assertEqual(parameters['collision_monitor']['ros__parameters']['base_frame_id'], 'base_link')
        self.assertEqual(parameters['velocity_smoother']['ros__parameters']['max_velocity'], [0.30, 0.0, 1.90])
        undocking = self.start(sim='none', robot='turtlebot4', undock='true')
        self.assertEqual(self.processes(undocking)['undock'],
                         ['ros2', 'action', 'send_goal', '/undock', 'irobot_create_msgs/action/Undock', '{}'])

    def test_robot_parameters(self):
        expected = {
            'embedded': ('base_footprint', '/camera/color/image_raw', True, 0.26, 1.0),
            'turtlebot3': ('base_footprint', '/camera/color/image_raw', True, 0.26, 0.25),
            'turtlebot4': ('base_link', '/oakd/rgb/preview/image_raw', True, 0.30, 0.25),
        }
        for robot, values in expected.items():
            with open(os.path.join(SHARE, 'launch/config', f'{robot}.yaml')) as file:
                parameters = yaml.safe_load(file)['/**']['ros__parameters']
            names = ('base_frame', 'camera_topic', 'cmd_vel_stamped', 'max_linear', 'command_timeout')
            self.assertEqual(tuple(parameters[name] for name in names), values, robot)
            self.assertNotIn('use_sim_time', parameters, 'the launch argument decides')

    def test_what_is_missing_is_named(self):
        cases = [
            ({'find': '', 'world': self.file('maze.sdf')}, 'find:=VALUE'),
            ({}, 'world:=VALUE'),
            ({'world': '/nowhere.sdf'}, '/nowhere.sdf'),
            ({'sim': 'none', 'map': ''}, 'map:=FILE.yaml'),
            ({'sim': 'gazebo', 'robot': 'turtlebot4', 'world': self.file('maze.sdf')}, 'robot:=turtlebot4'),
            ({'sim': 'none', 'robot': 'roomba'}, 'roomba'),
        ]
        for given, expected in cases:
            with self.subTest(expected), self.assertRaisesRegex(RuntimeError, expected):
                self.start(**given)


if __name__ == '__main__':
    unittest.main()
