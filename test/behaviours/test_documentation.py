"""What docs/behaviour_trees.md shows runs, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from activity_recognition.behaviours import Situation, ToBlackboard

DOCUMENT = (Path(__file__).resolve().parents[2] / 'docs' / 'behaviour_trees.md').read_text('utf-8')


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```$', DOCUMENT, flags=re.DOTALL | re.MULTILINE)


def first_column(heading: str) -> list[str]:
    """Names in the first column of the table with a heading, without code marks."""
    table = DOCUMENT[DOCUMENT.index(f'| {heading} |') :].split('\n\n')[0]
    return [re.findall('`(.*?)`', row.split('|')[1])[0] for row in table.splitlines()[2:]]


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_tree_of_five_minutes_helps(make_stage):
    from factories.ros_stage import activity_message

    code, _ = blocks('python')
    names: dict = {}
    exec(compile(code, 'behaviour_trees.md', 'exec'), names)
    stage = make_stage()
    tree = names['make_tree'](stage.tree_node)
    publisher = stage.advertise()

    def helps():
        now_ns = stage.tree_node.get_clock().now().nanoseconds
        publisher.publish(activity_message(now_ns, 'fallen', since_ns=now_ns - 2 * 10**9))
        tree.tick()
        return tree.root.tip().name == 'Call somebody'

    stage.spin_until(helps)


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_leaf_about_anybody_tells_who_waves(make_stage):
    from py_trees.blackboard import Blackboard

    from factories.ros_stage import activity_message

    _, code = blocks('python')
    names: dict = {}
    exec(compile(code, 'behaviour_trees.md', 'exec'), names)
    stage = make_stage()
    leaf = names['somebody_waves'](stage.tree_node)
    publisher = stage.advertise('activities', latched=False, depth=16)

    def waves():
        now_ns = stage.tree_node.get_clock().now().nanoseconds
        for subject, label in (('bob', 'walking'), ('ann', 'waving')):
            message = activity_message(now_ns, label, since_ns=now_ns - 10**9)
            message.subject_id, message.header.frame_id = subject, f'body_{subject}'
            publisher.publish(message)
        leaf.tick_once()
        return leaf.subject

    stage.spin_until(waves)
    assert Blackboard.get('/greeting/subject') == 'ann'
    assert Blackboard.get('/greeting/frame_id') == 'body_ann'


def test_the_tables_are_complete():
    assert first_column('`Situation`') == [situation.name for situation in Situation]
    assert first_column('key, as `/activity/<key>`') == list(ToBlackboard.KEYS)


def test_the_xml_is_well_formed():
    (xml,) = blocks('xml')
    assert ET.fromstring(xml).get('BTCPP_format') == '4'


@pytest.mark.ros
@pytest.mark.filterwarnings("ignore:module 'sre_:DeprecationWarning")
def test_the_parameters_of_the_example_are_named():
    import dataclasses

    from activity_recognition.behaviours.example_tree import ExampleTreeConfig

    example = DOCUMENT.split('## The example')[1].split('\n## ')[0]
    for field in dataclasses.fields(ExampleTreeConfig):
        assert f'`{field.name}`' in example
