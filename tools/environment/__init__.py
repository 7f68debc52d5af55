"""Making of the environment: what the host offers, what follows from it, and the steps.

Standard library only, because it runs before anything is installed.

    host      what the machine has, and a sentence for what it lacks
    plan      wheels or a ROS distribution, which locks, which flags: decisions without effects
    wheels    repairs of the ROS wheels after they are installed
    stamps    fingerprints that say whether a step has to be done again
    workplace the folders written to, and how programs are run there
    packages  the virtual environment and what is installed in it
    build     colcon
    locks     the exact versions, chosen again
    command   the command line
"""
