# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
"""Turn a graph into the actions of ROS's own launch. Only launch files import this module: it needs `launch_ros`."""

from __future__ import annotations

from socket import socket

from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.launch_context import LaunchContext
from launch.launch_description import LaunchDescription
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from mat_ros.graph import deployment, ros_environment
from mat_ros.graph.build import Graph, NodeSpec
from mat_ros.graph.claim import claim
from mat_ros.graph.process import BACK_OFF_S


def describe(name: str) -> LaunchDescription:
    """Declare the arguments of a deployment and, once their values are known, start its graph."""
    options = deployment.launch_options(name)
    declared: list[Action] = []
    for option in options:
        default = str(option.default).lower() if isinstance(option.default, bool) else str(option.default)
        # ROS's launch lists the choices itself.
        description = option.description if option.choices else f"{option.description} ({option.range})"
        declared.append(DeclareLaunchArgument(option.name, default_value=default, choices=option.choices or None,
                                              description=description))

    claims: list[socket] = []  # the claims last as long as the description does

    def start(context: LaunchContext) -> list[Action]:
        values = {option.name: LaunchConfiguration(option.name).perform(context) for option in options}
        planned = deployment.plan(name, values)
        deployment.check_start(planned)  # ROS's launch would start a node that refuses its parameters again for ever
        claims.extend(claim(planned.graph))
        return actions(planned.graph)

    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def actions(graph: Graph) -> list[Action]:
    """Return the environment and the nodes of a graph as actions."""
    ros_environment.set_defaults()
    return [*(SetEnvironmentVariable(name, value) for name, value in graph.environment.items()),
            *(_node(spec, graph.namespace) for spec in graph.nodes)]


def _node(spec: NodeSpec, namespace: str) -> Node:
    # ROS's launch would read a text such as "0,1" as YAML. A value with an explicit type keeps its type.
    parameters = {name: ParameterValue(value, value_type=type(value)) for name, value in spec.parameters.items()}
    return Node(
        package="mat_ros", executable=spec.executable, name=spec.name, namespace=namespace, parameters=[parameters],
        output="screen", respawn=spec.respawn and not spec.essential, respawn_delay=BACK_OFF_S[0],
        on_exit=[Shutdown(reason=f"{spec.name} has ended")] if spec.essential else None)
