import dataclasses
import json
from pathlib import Path

import run
import torch
from record import hardware_name, provenance, to_json, write_record
from run import goal_rows


def test_records_are_named_after_theme_hardware_and_date(tmp_path):
    began = dataclasses.replace(
        provenance(),
        cpu='Intel(R) Core(TM) i7-1185G7 CPU @ 3.00GHz',
        cores=2,
        date='2025-03-04T05:06:07+00:00',
    )
    assert hardware_name(began) == 'intel-core-i7-1185g7-2-cores'
    path = write_record('soak', '# Soak\n', '{}\n', began, tmp_path)
    assert path.name == 'soak_intel-core-i7-1185g7-2-cores_2025-03-04.md'
    assert path.with_suffix('.json').read_text(encoding='utf-8') == '{}\n'


def test_what_a_gpu_did_is_named_after_the_gpu():
    began = dataclasses.replace(
        provenance(), accelerator='NVIDIA H100 80GB HBM3, CUDA 13.0', cpu='Xeon'
    )
    assert hardware_name(began) == 'nvidia-h100-80gb-hbm3'
    assert any('machine: NVIDIA H100 80GB HBM3, CUDA 13.0, Xeon,' in line for line in began.lines())


def test_without_a_gpu_none_is_named():
    assert provenance().accelerator == ''
    if not torch.cuda.is_available():
        assert provenance('cuda').accelerator == ''


def test_provenance_names_command_machine_and_versions():
    began = provenance()
    assert began.command.startswith('python benchmarks/')
    assert began.cpu
    assert began.memory_gib > 0
    assert 'torch' in began.packages
    assert any(began.cpu in line for line in began.lines())


def test_json_has_no_nan():
    assert json.loads(to_json({'a': [float('nan'), 1.0], 'b': float('inf')})) == {
        'a': [None, 1.0],
        'b': None,
    }


def test_a_failed_and_a_skipped_benchmark_show_in_the_table():
    assert goal_rows('soak', None)[0][-1] == 'failed'
    skipped = goal_rows('transport_1080p', {'goals': [], 'notes': ['no room']})
    assert skipped[0][-1] == 'skipped: no room'
    goal = {'name': 'lost', 'value': 0.0, 'at_least': None, 'at_most': 0, 'verdict': 'reached'}
    assert goal_rows('transport_1080p', {'goals': [goal]}) == [
        ('transport_1080p', 'lost', '0', '≤ 0', 'reached')
    ]


def test_only_tables_are_no_skip():
    outcome = {'goals': [], 'notes': ['so many rounds'], 'tables': [{'title': 'Parts'}]}
    assert goal_rows('components', outcome)[0][-1].startswith('no goal')


def test_every_benchmark_that_runs_by_default_is_a_script():
    folder = Path(run.__file__).parent
    for name in (*run.BENCHMARKS, *run.STUDIES):
        assert 'def main(' in (folder / f'{name}.py').read_text(encoding='utf-8'), name
    assert run.SHORTER.keys() <= set(run.BENCHMARKS)
