"""With the profile for one machine, nothing of DDS listens on any other interface."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from activity_recognition.config_io import shipped_file

pytestmark = pytest.mark.ros

NODE = """
import rclpy
from std_msgs.msg import String
rclpy.init()
node = rclpy.create_node('loopback')
heard = []
publisher = node.create_publisher(String, 'loopback', 1)
node.create_subscription(String, 'loopback', heard.append, 1)
while not heard:
    publisher.publish(String(data='x'))
    rclpy.spin_once(node, timeout_sec=0.1)
print('heard', flush=True)
input()
"""
EPHEMERAL = 32_768
"""Ports from here on are sent from; DDS listens on those of the domain below."""


def listening(process: int) -> set[str]:
    """Return the addresses on which a process listens to UDP."""
    own = set()
    for descriptor in Path(f'/proc/{process}/fd').iterdir():
        own.add(str(descriptor.readlink()))
    found = set()
    for line in Path(f'/proc/{process}/net/udp').read_text().splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].split(':')
        if f'socket:[{fields[9]}]' in own and int(port, 16) < EPHEMERAL:
            found.add('.'.join(str(part) for part in reversed(bytes.fromhex(address))))
    return found


@pytest.mark.parametrize(
    ('profile', 'addresses'),
    [('fastdds.xml', {'0.0.0.0'}), ('fastdds_loopback.xml', {'127.0.0.1'})],
)
def test_where_a_node_listens(profile, addresses):
    environment = {
        **os.environ,
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(shipped_file(profile)),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_DOMAIN_ID': str(os.getpid() % 90),
    }
    process = subprocess.Popen(
        [sys.executable, '-c', NODE],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout.readline() == 'heard\n'
            assert listening(process.pid) == addresses
        finally:
            process.kill()


def test_the_profiles_differ_in_the_interface_alone():
    lines = [
        [line for line in shipped_file(name).read_text().partition('-->')[2].splitlines() if line]
        for name in ('fastdds.xml', 'fastdds_loopback.xml')
    ]
    added = [line.strip() for line in lines[1] if line not in lines[0]]
    assert added == [
        '<interfaceWhiteList>',
        '<address>127.0.0.1</address>',
        '</interfaceWhiteList>',
    ]
    assert [line for line in lines[1] if line in lines[0]] == lines[0]
