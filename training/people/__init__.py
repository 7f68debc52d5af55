"""The checkpoints `people` and `people_real`: recordings composed by a table, and their training.

``bodies`` has joints by label, ``sounds`` what is heard, ``composing`` joins both and words into
recordings, ``making`` trains on them and measures; ``python -m
activity_recognition.training.people`` is the command.
"""
