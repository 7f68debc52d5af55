"""Scores of a run and the pages that show them; needs neither ROS nor torch nor a network."""
