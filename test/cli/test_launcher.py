"""Nodes as processes: what their environment has beside that of the command."""

import pytest

from activity_recognition.commands import launcher
from activity_recognition.startup import NodeSpec


class Started:
    """Stands in for processes and keeps what one was started with."""

    def start(self, name, command, *, environment, output):
        self.environment = environment


@pytest.mark.parametrize('wanted', [True, False])
def test_memory_is_in_large_pages_where_the_node_wants_it(wanted, monkeypatch):
    monkeypatch.delenv('GLIBC_TUNABLES', raising=False)
    processes = Started()
    launcher.start_node(processes, NodeSpec(name='a', module='b', large_pages=wanted))
    expected = {'GLIBC_TUNABLES': 'glibc.malloc.hugetlb=1'} if wanted else {}
    assert processes.environment == expected
