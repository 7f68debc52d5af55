"""A checkpoint measured on recordings, and the report that shows it.

==============  ==================================================================================
decisions       what is decided over a recording, before and after smoothing, beside the truth
recordings      the recordings that are measured
combinations    accuracy, F1 and confusion with every combination of modalities
agreement       whether the modalities by themselves say the same
runs            sequences of equal answers, edit score and segmental F1
delays          how late an activity is named, and how late it is left
temporal        both over all recordings, and how often answers change
calibration     whether a probability means what it says
unknown         whether what the network does not know is told from what it does
detection       average precision per decision
cost            time and memory of a decision, streamed
bootstrap       confidence intervals over recordings
measuring       all of it
schema          the file that holds it
gate            what a checkpoint must reach
pictures        SVG
tables          HTML
report          the folder with all of it
==============  ==================================================================================
"""
