"""The network of FaceBoxes (Zhang et al., IJCB 2017) in PyTorch, with the parameter names of FaceBoxes.PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from sshbench.detectors.cost import NetworkCost
from sshbench.errors import InputError
from sshbench.ssh.anchors import Float32Array
from sshbench.ssh.torch_weights import read_state_dict


def read_network(path: Path) -> FaceBoxesNetwork:
    """Read the weights; return the network, ready to run.

    Raises:
        InputError: The file does not hold weights of this network.
    """
    parameters = {name: torch.from_numpy(array) for name, array in read_state_dict(path).items()}
    network = FaceBoxesNetwork().eval()
    try:
        network.load_state_dict(parameters)
    except RuntimeError as error:
        raise InputError(f"not FaceBoxes weights ({error})", file=path, remedy="Check --weights") from error
    return network


def run(network: FaceBoxesNetwork, data: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Run the network on an array (1, 3, height, width); return deltas and scores."""
    with torch.inference_mode():
        deltas, scores = network(torch.from_numpy(data))
    return deltas.numpy(), scores.numpy()


def torch_cost(network: nn.Module, data: Float32Array) -> NetworkCost:
    """Count parameters and work of a PyTorch network on an array; PyTorch counts the work."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.from_numpy(data))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return NetworkCost(parameters=parameters, gflop=counter.get_total_flops() / 1e9)


class _Conv(nn.Module):
    """Convolution, batch normalisation, ReLU; with `both`, ReLU of the result and of its negative (CReLU)."""

    def __init__(self, inputs: int, outputs: int, side: int, stride: int = 1, *, both: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, side, stride, padding=side // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self._both = both

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return functional.relu(torch.cat((x, -x), 1) if self._both else x)


class _Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branch1x1 = _Conv(128, 32, 1)
        self.branch1x1_2 = _Conv(128, 32, 1)
        self.branch3x3_reduce = _Conv(128, 24, 1)
        self.branch3x3 = _Conv(24, 32, 3)
        self.branch3x3_reduce_2 = _Conv(128, 24, 1)
        self.branch3x3_2 = _Conv(24, 32, 3)
        self.branch3x3_3 = _Conv(32, 32, 3)

    def forward(self, x: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(x, 3, stride=1, padding=1)
        deep = self.branch3x3_3(self.branch3x3_2(self.branch3x3_reduce_2(x)))
        parts = (self.branch1x1(x), self.branch1x1_2(pooled), self.branch3x3(self.branch3x3_reduce(x)), deep)
        return torch.cat(parts, 1)


class FaceBoxesNetwork(nn.Module):
    """Rapidly digested convolutional layers, three inceptions, heads at strides 32, 64 and 128."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _Conv(3, 24, 7, 4, both=True)
        self.conv2 = _Conv(48, 64, 5, 2, both=True)
        self.inception1, self.inception2, self.inception3 = _Inception(), _Inception(), _Inception()
        self.conv3_1, self.conv3_2 = _Conv(128, 128, 1), _Conv(128, 256, 3, 2)
        self.conv4_1, self.conv4_2 = _Conv(256, 128, 1), _Conv(128, 256, 3, 2)
        widths = ((128, 21), (256, 1), (256, 1))  # channels, and priors per cell
        self.loc = nn.ModuleList(nn.Conv2d(channels, 4 * count, 3, padding=1) for channels, count in widths)
        self.conf = nn.ModuleList(nn.Conv2d(channels, 2 * count, 3, padding=1) for channels, count in widths)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return deltas (n, 4) and scores after softmax (n, 2) of one image (1, 3, height, width)."""
        x = functional.max_pool2d(self.conv1(x), 3, 2, 1)
        x = functional.max_pool2d(self.conv2(x), 3, 2, 1)
        first = self.inception3(self.inception2(self.inception1(x)))
        second = self.conv3_2(self.conv3_1(first))
        levels = (first, second, self.conv4_2(self.conv4_1(second)))
        deltas = [_rows(head(level), 4) for head, level in zip(self.loc, levels, strict=True)]
        scores = [_rows(head(level), 2) for head, level in zip(self.conf, levels, strict=True)]
        return torch.cat(deltas), torch.cat(scores).softmax(dim=1)


def _rows(output: Tensor, width: int) -> Tensor:
    return output.permute(0, 2, 3, 1).reshape(-1, width)
