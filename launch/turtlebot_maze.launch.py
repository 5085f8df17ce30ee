"""Starts the graph of graph.toml by `ros2 launch turtlebot_maze turtlebot_maze.launch.py`.

With sim:=embedded the project's own simulator and stand-ins run, on localhost in a ROS domain of their own; with
sim:=gazebo Gazebo Harmonic and Nav2; with sim:=none Nav2 beside a robot that is up.

`turtlebot-maze run` reads the same graph and does more: it waits until each node is ready, restarts what dies, holds the
robot while its client is dead, and ends the nodes in the safe order one by one. Here all nodes start and end together, and
the e-stop gate and its guard see to it by themselves that the base stands.
"""

import atexit
import os
import shutil
import tempfile
import tomllib
from xml.etree import ElementTree

import yaml
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetEnvironmentVariable,
    UnsetEnvironmentVariable,
)
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, SetRemap

PACKAGE = 'turtlebot_maze'
SHARE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

# name: (default, description, choices). An argument without a value gives its placeholder none.
ARGUMENTS = {
    'sim': ('embedded', "what stands behind the robot's topics", ['embedded', 'gazebo', 'none']),
    'robot': ('', 'embedded, turtlebot3 or turtlebot4; left out: by the simulator', None),
    'world': ('', 'world to simulate (SDF)', None),
    'map': ('', "map of the world (Nav2's YAML)", None),
    'locations': ('', 'places to search (YAML, name: [x, y, theta])', None),
    'find': ('', 'object class to search for', None),
    'tree': ('', 'behaviour tree (XML)', None),
    'model': ('', 'detector network (YOLOv8 ONNX)', None),
    'ground_truth': ('', 'where the objects truly are, for the report', None),
    'speed': ('1', 'simulated seconds per second; 0: as fast as it goes (embedded)', None),
    'seed': ('1', 'seed of all noise (embedded)', None),
    'base': ('stops', 'what the simulated base does when no command comes', ['stops', 'keeps']),
    'out': ('runs/launch', 'where the results go', None),
    'rerun': ('false', 'open the Rerun viewer', ['true', 'false']),
    'groot_control': ('false', 'let Groot2 set breakpoints in the tree', ['true', 'false']),
    'vlm_url': ('', 'server of a vision-language model that judges goals too', None),
    'vlm_model': ('', 'name of that model', None),
    'zenoh_port': ('7447', 'port of the Zenoh router on loopback', None),
    'ros_domain_id': ('77', 'ROS domain with the embedded simulator', None),
    'headless': ('true', 'Gazebo without a window', ['true', 'false']),
    'bringup': ('false', "start the TurtleBot 3's own bringup here", ['true', 'false']),
    'undock': ('false', 'undock a TurtleBot 4 first', ['true', 'false']),
}

FILES = ('world', 'map', 'locations', 'tree', 'model', 'ground_truth')
PLACEHOLDERS = FILES + ('find', 'speed', 'seed', 'base', 'vlm_url', 'vlm_model')

# What else would reach into the domain of the embedded simulator or out of it.
REACHING_OUT = (
    'ROS_STATIC_PEERS',
    'ROS_DISCOVERY_SERVER',
    'ROS_SUPER_CLIENT',
    'ROS_LOCALHOST_ONLY',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'CYCLONEDDS_URI',
)

# The parts of an action. Before rcl 9.2.8 an action's own name cannot be remapped; from it on, its name is replaced
# first, and these rules match nothing.
ENDPOINTS = ('send_goal', 'cancel_goal', 'get_result', 'feedback', 'status')

# base_link of a Waffle and what is fixed to it: x, y, z, roll, pitch, yaw, parent, child.
WAFFLE_FRAMES = (
    ('0', '0', '0.010', '0', '0', '0', 'base_footprint', 'base_link'),
    ('-0.064', '0', '0.122', '0', '0', '0', 'base_link', 'base_scan'),
    ('0', '0', '0.068', '0', '0', '0', 'base_link', 'imu_link'),
    ('0.064', '-0.065', '0.094', '0', '0', '0', 'base_link', 'camera_link'),
    ('0', '0', '0', '-1.5707963', '0', '-1.5707963', 'camera_link', 'camera_color_optical_frame'),
)


def generate_launch_description():
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=description, **({'choices': choices} if choices else {}))
        for name, (default, description, choices) in ARGUMENTS.items()
    ]
    return LaunchDescription(declared + [OpaqueFunction(function=start)])


def start(context):
    given = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    with open(os.path.join(SHARE, 'launch', 'graph.toml'), 'rb') as file:
        graph = tomllib.load(file)
    sim = given['sim']
    robot_name = given['robot'] or ('embedded' if sim == 'embedded' else 'turtlebot3')
    if robot_name not in graph['robot']:
        raise RuntimeError(f"robot:={robot_name} is not in graph.toml; it has {', '.join(graph['robot'])}")
    robot = graph['robot'][robot_name]
    values = placeholders(given, graph, robot)
    nodes = [node for node in graph['node'] if sim in node.get('sim', ['embedded', 'gazebo', 'none'])]
    actions = surroundings(given, robot_name, values)
    return actions + [node_action(node, values, os.path.join(SHARE, robot['params']), sim != 'none') for node in nodes]


def placeholders(given, graph, robot):
    """What the {placeholders} of graph.toml stand for; one without a value is absent."""
    values = dict(robot.get('values', {}))
    values.update((name, os.path.join(SHARE, file)) for name, file in graph.get('defaults', {}).items())
    values.update((name, given[name]) for name in PLACEHOLDERS if given[name])
    for name in FILES:
        if name in values:
            values[name] = os.path.abspath(values[name])
            if not os.path.isfile(values[name]):
                raise RuntimeError(f'{name}:={values[name]}: there is no such file')
    sockets = tempfile.mkdtemp(prefix='turtlebot-maze-')
    atexit.register(shutil.rmtree, sockets, ignore_errors=True)
    out = os.path.abspath(given['out'])
    os.makedirs(out, exist_ok=True)
    values['out'] = out
    values['zenoh'] = f"tcp/127.0.0.1:{given['zenoh_port']}"
    values['control_socket'] = os.path.join(sockets, 'control')
    values['guard_socket'] = os.path.join(sockets, 'guard')
    for switch in ('rerun', 'groot_control'):
        if given[switch] == 'true':
            values[switch] = 'true'
    if given['sim'] == 'none':
        # A physical robot moves only after somebody has deliberately freed it.
        values['start_latched'] = 'true'
    return values


def arguments(node, values):
    """The node's arguments with every placeholder filled in."""
    optional = [arg for name, args in sorted(node.get('optional', {}).items()) if name in values for arg in args]
    try:
        return [arg.format_map(values) for arg in node.get('args', []) + optional]
    except KeyError as missing:
        raise RuntimeError(f"node {node['name']} needs {missing.args[0]}; give it with {missing.args[0]}:=VALUE") from None


def node_action(node, values, params_file, sim_time):
    args = arguments(node, values)
    # A respawn cannot add arguments: a gate that died may have been latched, so its successor must not start without them.
    if node.get('restart', 'always') == 'always' and 'restart_args' not in node:
        ending = {'respawn': True, 'respawn_delay': 1.0}
    else:
        ending = {'on_exit': [EmitEvent(event=Shutdown(reason=f"{node['name']} has ended"))]}
    if not node.get('ros', False):
        program = os.path.join(get_package_prefix(PACKAGE), 'lib', PACKAGE, node['program'])
        return ExecuteProcess(cmd=[program] + args, name=node['name'], output='screen', emulate_tty=True, **ending)
    return Node(
        package=PACKAGE,
        executable=node['program'],
        arguments=args,
        parameters=[params_file, {'use_sim_time': sim_time}],
        output='screen',
        emulate_tty=True,
        **ending,
    )


def surroundings(given, robot, values):
    """What runs beside the graph."""
    if given['sim'] == 'embedded':
        return [
            SetEnvironmentVariable('ROS_DOMAIN_ID', given['ros_domain_id']),
            SetEnvironmentVariable('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
        ] + [UnsetEnvironmentVariable(name) for name in REACHING_OUT]
    if 'map' not in values:
        raise RuntimeError('Nav2 needs a map; give it with map:=FILE.yaml')
    if given['sim'] == 'gazebo':
        if robot != 'turtlebot3':
            raise RuntimeError(f'sim:=gazebo has a TurtleBot 3 only, not robot:={robot}')
        if 'world' not in values:
            raise RuntimeError('Gazebo needs a world; give it with world:=FILE.sdf')
        start = robot_start(values['world'])
        return gazebo(given, values['world'], start) + [nav2(robot, values, 'True', start)]
    return physical(given, robot) + [nav2(robot, values, 'False')]


def robot_start(world):
    """Where the robot starts (x, y in m, yaw in rad): the frame of that name in the world, as the embedded simulator has it."""
    try:
        pose = ElementTree.parse(world).find("./world/frame[@name='robot_start']/pose")
    except (OSError, ElementTree.ParseError) as error:
        raise RuntimeError(f'{world} cannot be read as a world: {error}') from error
    x, y, _, _, _, yaw = [float(number) for number in pose.text.split()] if pose is not None else [0.0] * 6
    return x, y, yaw


def gazebo(given, world, start):
    # Cameras need rendering on a machine without a display too.
    server = ' -s --headless-rendering' if given['headless'] == 'true' else ''
    gz_sim = os.path.join(get_package_share_directory('ros_gz_sim'), 'launch', 'gz_sim.launch.py')
    frames = [
        Node(
            package='tf2_ros',
            executable='static_transform_publisher',
            name=f'{child}_broadcaster',
            arguments=['--x', x, '--y', y, '--z', z, '--roll', roll, '--pitch', pitch, '--yaw', yaw,
                       '--frame-id', parent, '--child-frame-id', child],
        )
        for x, y, z, roll, pitch, yaw, parent, child in WAFFLE_FRAMES
    ]
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(gz_sim),
            # Any text but none shuts the launch down when Gazebo ends, 'false' too.
            launch_arguments={'gz_args': f'-r{server} {world}', 'on_exit_shutdown': 'true'}.items(),
        ),
        Node(
            package='ros_gz_sim',
            executable='create',
            arguments=['-file', os.path.join(SHARE, 'sim', 'gazebo', 'waffle.sdf'), '-name', 'waffle',
                       '-x', str(start[0]), '-y', str(start[1]), '-z', '0.01', '-Y', str(start[2])],
            output='screen',
        ),
        Node(
            package='ros_gz_bridge',
            executable='parameter_bridge',
            name='gazebo_bridge',
            parameters=[{'config_file': os.path.join(SHARE, 'launch', 'config', 'gazebo_bridge.yaml'), 'use_sim_time': True}],
            output='screen',
        ),
    ] + frames


def physical(given, robot):
    if robot == 'turtlebot4':
        if given['undock'] == 'true':
            goal = ['ros2', 'action', 'send_goal', '/undock', 'irobot_create_msgs/action/Undock', '{}']
            return [ExecuteProcess(cmd=goal, name='undock', output='screen')]
        return [LogInfo(msg='A TurtleBot 4 starts docked, with its camera and lidar off: undock it first (undock:=true).')]
    if given['bringup'] != 'true':
        return []
    for variable in ('TURTLEBOT3_MODEL', 'LDS_MODEL'):
        if variable not in os.environ:
            raise RuntimeError(f"turtlebot3_bringup needs {variable} in the environment, such as waffle and LDS-02")
    bringup = os.path.join(get_package_share_directory('turtlebot3_bringup'), 'launch', 'robot.launch.py')
    return [
        # In a scope of its own: an included file would otherwise see this one's arguments of the same name.
        GroupAction(
            [IncludeLaunchDescription(PythonLaunchDescriptionSource(bringup), launch_arguments={'use_sim_time': 'false'}.items())],
            scoped=True,
            forwarding=False,
        )
    ]


def nav2(robot, values, sim_time, start=None):
    """Nav2 with its goals behind the gatekeeper and its velocities behind the e-stop gate; where the robot's `start` in the map
    is known, AMCL begins there, and else waits for somebody to tell it.

    Every rule names its node: a rule for all nodes would win over the rules inside Nav2's own bringup, and would move the
    clients of an action along with its server.
    """
    moved = [SetRemap('bt_navigator:goal_pose', '/ungated/goal_pose'), SetRemap('docking_server:cmd_vel', '/ungated/cmd_vel')]
    for action in ('navigate_to_pose', 'navigate_through_poses'):
        old, new = f'bt_navigator:{action}', f'/ungated/{action}'
        moved.append(SetRemap(old, new))
        moved += [SetRemap(f'{old}/_action/{part}', f'{new}/_action/{part}') for part in ENDPOINTS]
    share = get_package_share_directory('nav2_bringup')
    # The capitals are Python's: `true` would end Nav2's bringup with a NameError.
    settings = {
        'map': values['map'],
        'params_file': nav2_parameters(share, robot, start, values['out']),
        'use_sim_time': sim_time,
        'autostart': 'True',
        'slam': 'False',
        'use_localization': 'True',
        'use_composition': 'False',
    }
    source = PythonLaunchDescriptionSource(os.path.join(share, 'launch', 'bringup_launch.py'))
    include = IncludeLaunchDescription(source, launch_arguments=settings.items())
    return GroupAction(moved + [include], scoped=True, forwarding=False)


def nav2_parameters(nav2_share, robot, start, out):
    """Nav2's own parameters with the robot's laid over them, as a file in the folder `out`."""
    with open(os.path.join(nav2_share, 'params', 'nav2_params.yaml')) as file:
        parameters = yaml.safe_load(file)
    with open(os.path.join(SHARE, 'launch', 'config', f'nav2_{robot}.yaml')) as file:
        merge(parameters, yaml.safe_load(file))
    if start is not None:
        x, y, yaw = start
        pose = {'set_initial_pose': True, 'initial_pose': {'x': x, 'y': y, 'z': 0.0, 'yaw': yaw}}
        merge(parameters, {'amcl': {'ros__parameters': pose}})
    # It would win over the launch argument.
    remove(parameters, 'use_sim_time')
    path = os.path.join(out, 'nav2_params.yaml')
    with open(path, 'w') as file:
        yaml.safe_dump(parameters, file)
    return path


def merge(below, above):
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            merge(below[key], value)
        else:
            below[key] = value


def remove(parameters, name):
    parameters.pop(name, None)
    for value in parameters.values():
        if isinstance(value, dict):
            remove(value, name)
