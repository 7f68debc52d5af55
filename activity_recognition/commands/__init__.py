"""The commands of ``activity-recognition``, one module each.

A module has ``HELP``, ``add_arguments(parser)`` and ``run(arguments) -> exit status``. It imports
what it needs when it runs, so that ``--help`` is quick and needs neither torch nor ROS.
"""
