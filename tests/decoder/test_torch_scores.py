import numpy as np
import pytest

from wfst_asr.decoder.acoustic_scores import check_scores
from wfst_asr.decoder.decode import decode
from wfst_asr.decoder.search_graph import make_search_graph
from wfst_asr.errors import WfstAsrError
from wfst_asr.fst.arcs import arc_table

torch = pytest.importorskip("torch")


@pytest.fixture
def graph():
    loop = arc_table(1, [(0, 0, 1, 1, 0.5), (0, 0, 2, 2, 1.0)], finals={0: 0.0})
    return make_search_graph(loop, [-1, 0, 1], words=["<eps>", "yes", "no"])


def test_a_tensor_on_the_cpu_shares_its_memory_with_the_search():
    tensor = torch.zeros(4, 3)
    checked = check_scores(tensor, 3)
    tensor[2, 1] = -5.0
    assert checked[2, 1] == -5.0
    assert np.shares_memory(checked, tensor.numpy())


def test_a_tensor_with_gradients_shares_its_memory_too():
    tensor = torch.zeros(4, 3, requires_grad=True)
    assert np.shares_memory(check_scores(tensor, 3), tensor.detach().numpy())
    batch = torch.zeros(2, 4, 3)
    assert np.shares_memory(check_scores(batch[1, :2], 3), batch.numpy())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_types_are_converted(graph, dtype):
    tensor = torch.tensor([[-1.0, -9.0], [-9.0, -1.0]], dtype=dtype, requires_grad=True)
    assert decode(graph, tensor).text == "yes no"


def test_a_tensor_on_another_device_says_what_to_do(graph):
    with pytest.raises(WfstAsrError, match=r"Tensor are on the device 'meta'; .*: scores.cpu\(\)"):
        decode(graph, torch.zeros(2, 2, device="meta"))
    if torch.cuda.is_available():
        with pytest.raises(WfstAsrError, match="device 'cuda:0'"):
            decode(graph, torch.zeros(2, 2, device="cuda"))


def test_a_batch_says_what_to_do(graph):
    with pytest.raises(WfstAsrError, match=r"shape \(1, 2, 2\).*scores\[0, :num_frames\]"):
        decode(graph, torch.zeros(1, 2, 2))
    with pytest.raises(WfstAsrError, match=r"transposed: scores\.T"):
        decode(graph, torch.zeros(2, 5))
    with pytest.raises(WfstAsrError, match="to_dense"):
        decode(graph, torch.zeros(2, 2).to_sparse())
