"""Networks of LiteRT: loaded once, checked, run; whatever is wrong is a sentence."""

import sys
import threading

import numpy as np
import pytest

from activity_recognition.errors import MissingExtraError, ShapeError, WeightsError
from activity_recognition.front_ends.litert import (
    ArrayForm,
    InnerArray,
    LiteRtNetwork,
    load_network,
)
from factories.tflite import TfliteBuilder, write_doubling

FORM = ArrayForm((1, 4), 'float32')


@pytest.fixture
def doubling(tmp_path):
    pytest.importorskip('ai_edge_litert')
    return LiteRtNetwork(write_doubling(tmp_path / 'd.tflite'), inputs=[FORM], outputs=[FORM])


def test_it_runs(doubling):
    first = doubling.run(np.array([[1, 2, 3, -4]], np.float32))
    second = doubling.run(np.zeros((1, 4), np.float32))
    # The first call's output is its own.
    assert [array.tolist() for array in first] == [[[2, 4, 6, -8]]]
    assert second[0].tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize('array', [np.zeros((1, 3), np.float32), np.zeros((1, 4))])
def test_other_arrays_are_refused(doubling, array):
    with pytest.raises(ShapeError, match=r'expected float32 \(1, 4\), got float'):
        doubling.run(array)


def test_several_threads_share_it(doubling):
    wrong = []

    def work(number: int) -> None:
        for i in range(200):
            (found,) = doubling.run(np.full((1, 4), number + i, np.float32))
            if (found != 2 * (number + i)).any():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


@pytest.mark.parametrize(
    'forms',
    [
        {'inputs': [ArrayForm((1, 5), 'float32')], 'outputs': [FORM]},
        {'inputs': [FORM], 'outputs': [ArrayForm((1, 4), 'uint8')]},
        {'inputs': [FORM], 'outputs': [FORM, FORM]},
    ],
)
def test_a_network_of_other_forms_is_refused(tmp_path, forms):
    pytest.importorskip('ai_edge_litert')
    path = write_doubling(tmp_path / 'd.tflite')
    with pytest.raises(WeightsError, match=r'd\.tflite: expected (in|out)puts .*, got float32'):
        LiteRtNetwork(path, **forms)


@pytest.mark.parametrize('content', [b'', b'no network', b'\0\0\0\0TFL3' * 100])
def test_what_is_no_network_is_refused(tmp_path, content):
    pytest.importorskip('ai_edge_litert')
    path = tmp_path / 'broken.tflite'
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r'broken\.tflite: expected a network for LiteRT'):
        LiteRtNetwork(path, inputs=[FORM], outputs=[FORM])


def test_without_a_file(tmp_path):
    with pytest.raises(WeightsError, match=r'gone\.tflite: cannot read it \(No such file'):
        LiteRtNetwork(tmp_path / 'gone.tflite', inputs=[FORM], outputs=[FORM])


def test_without_the_package(tmp_path, monkeypatch):
    path = tmp_path / 'd.tflite'
    path.write_bytes(b'whatever')
    monkeypatch.setitem(sys.modules, 'ai_edge_litert.interpreter', None)
    with pytest.raises(MissingExtraError, match=r"pip install 'activity_recognition\[litert\]'"):
        LiteRtNetwork(path, inputs=[FORM], outputs=[FORM])


def test_by_name_it_is_loaded_once(tmp_path, monkeypatch):
    pytest.importorskip('ai_edge_litert')
    path = write_doubling(tmp_path / 'd.tflite')
    monkeypatch.setattr('activity_recognition.front_ends.litert.find_weights', lambda name: path)
    first = load_network('doubling', inputs=(FORM,), outputs=(FORM,))
    assert load_network('doubling', inputs=(FORM,), outputs=(FORM,)) is first


def test_what_lies_inside_is_read_too(tmp_path):
    schema = pytest.importorskip('ai_edge_litert.schema_py_generated')
    net = TfliteBuilder()
    given, doubled, fourfold = (net.tensor(name, (1, 4)) for name in ('a', 'b', 'c'))
    net.operator('ADD', (given, given), doubled, schema.AddOptionsT())
    net.operator('ADD', (doubled, doubled), fourfold, schema.AddOptionsT())
    path = net.write(tmp_path / 'twice.tflite', [given], [fourfold])
    network = LiteRtNetwork(path, inputs=[FORM], outputs=[FORM], inner=[InnerArray('b', (1, 4))])
    found = network.run(np.array([[1, 2, 3, -4]], np.float32))
    again = network.run(np.zeros((1, 4), np.float32))
    assert [array.tolist() for array in found] == [[[4, 8, 12, -16]], [[2, 4, 6, -8]]]
    assert [array.tolist() for array in again] == [[[0, 0, 0, 0]]] * 2
    with pytest.raises(WeightsError, match=r'twice\.tflite: expected a tensor d of shape \(1, 4\)'):
        LiteRtNetwork(path, inputs=[FORM], outputs=[FORM], inner=[InnerArray('d', (1, 4))])
