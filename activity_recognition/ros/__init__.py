"""The nodes, and everything else that needs ROS 2."""
