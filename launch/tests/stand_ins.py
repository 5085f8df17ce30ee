"""Recording stand-ins for the launch classes that turtlebot_maze.launch.py imports, for machines without ROS's launch."""

import sys
import types
from dataclasses import dataclass, field


class Recorded:
    """Keeps its arguments."""

    def __init__(self, *args, **kwargs):
        self.args = args
        self.kwargs = kwargs


def recorded(name):
    return type(name, (Recorded,), {})


@dataclass
class Context:
    launch_configurations: dict = field(default_factory=dict)


class LaunchConfiguration:
    def __init__(self, name):
        self.name = name

    def perform(self, context):
        return context.launch_configurations[self.name]


def install(shares, prefixes):
    """Makes the imports of the launch file work. `shares`, `prefixes`: folders by package."""
    modules = {
        'launch': ['LaunchDescription'],
        'launch.actions': [
            'DeclareLaunchArgument', 'EmitEvent', 'ExecuteProcess', 'GroupAction', 'IncludeLaunchDescription', 'LogInfo',
            'OpaqueFunction', 'SetEnvironmentVariable', 'UnsetEnvironmentVariable',
        ],
        'launch.events': ['Shutdown'],
        'launch.launch_description_sources': ['PythonLaunchDescriptionSource'],
        'launch.substitutions': [],
        'launch_ros': [],
        'launch_ros.actions': ['Node', 'SetRemap'],
        'ament_index_python': [],
        'ament_index_python.packages': [],
    }
    for module_name, classes in modules.items():
        module = types.ModuleType(module_name)
        for name in classes:
            setattr(module, name, recorded(name))
        sys.modules[module_name] = module
    sys.modules['launch.substitutions'].LaunchConfiguration = LaunchConfiguration
    packages = sys.modules['ament_index_python.packages']
    packages.get_package_share_directory = lambda package: shares[package]
    packages.get_package_prefix = lambda package: prefixes[package]
