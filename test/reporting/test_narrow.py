"""Pages on a phone: nothing wider than the screen, nothing too small to be read."""

import re

from activity_recognition.reporting.drawing import figure
from activity_recognition.reporting.stylesheet import PAGE

PHONE_PX = 320


def test_no_column_is_wider_than_a_phone_unless_it_may_shrink():
    columns = re.findall(r'minmax\(((?:min\([^)]*\)|[^,])*),', PAGE)
    assert len(columns) >= 3
    for least in columns:
        fixed = re.fullmatch(r'(\d+)(?:px)?', least.strip())
        assert 'min(' in least or (fixed and int(fixed[1]) <= PHONE_PX / 2), least
    assert re.search(r'\.columns > \* \{ min-width: 0; \}', PAGE)


def test_a_long_title_is_broken():
    assert re.search(r'h1 \{[^}]*overflow-wrap: anywhere', PAGE)


def test_a_figure_is_not_shrunk_until_nobody_can_read_it():
    drawn = figure(1000, 100, [], label='a figure')
    assert 'width="100%"' in drawn
    assert 'style="min-width:600px"' in drawn
    assert re.search(r'\.card \{[^}]*overflow-x: auto', PAGE)
