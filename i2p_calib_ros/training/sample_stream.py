"""An endless stream of training samples, made where they are used or in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from i2p_calib_ros.errors import CalibrationInputError
from i2p_calib_ros.frames.frame import Frame, FrameRejected
from i2p_calib_ros.frames.sequence import SequenceFolder, iter_sequences
from i2p_calib_ros.network.inputs import TooFewPoints
from i2p_calib_ros.training.samples import TrainingSample, make_sample
from i2p_calib_ros.training.settings import TrainingSettings

_LEAST_VISIBLE = 32


class FramePool:
    """Random frames of the training sequences, from each folder equally often.

    In a folder, sequences are drawn by the cube root of their length: many frames of one drive are worth less than a
    new scene.
    """

    def __init__(self, data: Sequence[Path], hold_out: tuple[str, ...]) -> None:
        self.sequences: list[SequenceFolder] = []
        shares = []
        for folder in data:
            found = [s for s in iter_sequences(folder) if not s.name.startswith(hold_out)]
            if not found:
                raise CalibrationInputError(
                    f"no training sequence under {folder}: expected folders with a sequence.json"
                )
            weight = np.cbrt([len(s) for s in found])
            shares.append(weight / weight.sum() / len(data))
            self.sequences += found
        self._share = np.concatenate(shares)

    def draw(self, rng: np.random.Generator) -> tuple[SequenceFolder, Frame]:
        while True:
            sequence = self.sequences[int(rng.choice(len(self.sequences), p=self._share))]
            try:
                return sequence, sequence.load(int(rng.integers(len(sequence))))
            except FrameRejected:
                continue


class SampleStream(IterableDataset[TrainingSample]):
    """Usable samples without end. `seed` and the number of the worker process decide which."""

    def __init__(self, settings: TrainingSettings, seed: Sequence[int]) -> None:
        self._pool = FramePool(settings.data, settings.hold_out)
        self._sampling = settings.network.model_copy(update={"query_points": settings.query_points})
        self._seed = seed

    def __iter__(self) -> Iterator[TrainingSample]:
        worker = get_worker_info()
        # Counted from one: to numpy a seed is the same with a zero behind it, and the trainer draws with `seed` itself.
        rng = np.random.default_rng([*self._seed, 1 if worker is None else 1 + worker.id])
        while True:
            sequence, frame = self._pool.draw(rng)
            try:
                sample = make_sample(frame, sequence.initial_extrinsic(), self._sampling, rng)
            except TooFewPoints:
                continue
            if sample.lost or int(sample.visible.sum()) >= _LEAST_VISIBLE:
                yield sample

    def iterate(self, workers: int) -> Iterator[TrainingSample]:
        """The samples, made ahead by `workers` processes; by the caller itself if 0."""
        return iter(DataLoader(self, batch_size=None, num_workers=workers))
