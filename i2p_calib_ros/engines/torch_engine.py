"""PyTorch engine: runs the network on the CPU or a CUDA device."""

from __future__ import annotations

import torch

from i2p_calib_ros.engines.match_fields import FrameMatches
from i2p_calib_ros.engines.model_file import LoadedModel, default_device
from i2p_calib_ros.network.inputs import NetworkInputs


class TorchEngine:
    """`match(inputs, points)` for a loaded model.

    bf16 is used where the processor has it (`device` None picks CUDA if there is one).
    """

    def __init__(self, model: LoadedModel, device: str | None = None) -> None:
        self.card = model.card
        self.device = torch.device(device or default_device())
        self.network = model.network.to(self.device)
        self.reduced_precision = has_fast_bf16(self.device)
        kind = (
            torch.cuda.get_device_name(self.device)
            if self.device.type == "cuda"
            else f"{torch.get_num_threads()} threads"
        )
        self.description = f"PyTorch {torch.__version__}, {self.device.type}, {kind}"

    @torch.inference_mode()
    def match(self, inputs: NetworkInputs, points: torch.Tensor) -> FrameMatches:
        """The matches of one frame; `points` (q, 3) are the query points in the frame that poses map from."""
        inputs = inputs.to(self.device)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.reduced_precision):
            outputs = self.network(inputs)
        return FrameMatches.of(outputs, inputs, points.to(self.device), self.card.network.stride)


def has_fast_bf16(device: torch.device) -> bool:
    """Whether bfloat16 pays on this device: a processor that only emulates it is several times slower with it."""
    if device.type == "cpu":
        return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return True
