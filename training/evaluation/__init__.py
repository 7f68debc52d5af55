"""A checkpoint measured on recordings, and the report that shows it.

==============  ==================================================================================
recordings      the recordings that are measured
predict         logits for every decision of whole segments
decisions       what is decided over a segment, before and after smoothing, beside the truth
classification  confusion, accuracy and F1
combinations    those with every combination of modalities
scoring         the one measure: of a run, of the shipped checkpoint, of a report
agreement       whether the modalities by themselves say the same
runs            sequences of equal answers, edit score and segmental F1
delays          how late an activity is named, and how late it is left
temporal        both over all recordings, and how often answers change
calibration     whether a probability means what it says
unknown         whether what the network does not know is told from what it does
detection       average precision per decision
cost            time and memory of a decision, streamed
generalisation  whether modalities by themselves are as right in new scenes as in known ones
bootstrap       confidence intervals over recordings
live            recordings played into a node, and compared
measuring       all of it
schema          the file that holds it
gate            what a checkpoint must reach
curves          how right a run was, epoch by epoch, as its checkpoint keeps it
figures         SVG
curves_page     the curves drawn: in a report, and as a run's own page
tables          HTML
report          the folder with all of it
==============  ==================================================================================
"""
