"""PyTorch engine: runs the network on the CPU or a CUDA device."""

from __future__ import annotations

import torch

from i2p_calib_ros.engines.match_fields import FrameMatches
from i2p_calib_ros.engines.model_file import LoadedModel, default_device
from i2p_calib_ros.network.inputs import NetworkInputs


class TorchEngine:
    """`match(inputs, points)` for a loaded model.

    In bfloat16 on CUDA, in float32 on a CPU, where bfloat16 takes as long or longer even if the processor has it
    (`device` None picks CUDA if there is one).
    """

    def __init__(self, model: LoadedModel, device: str | None = None) -> None:
        self.card = model.card
        self.device = torch.device(device or default_device())
        self.network = model.network.to(self.device)
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
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            outputs = self.network(inputs)
        return FrameMatches.of(outputs, inputs, points.to(self.device), self.card.network.stride)
