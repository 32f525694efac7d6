"""`i2p-calib`: replay a recording, convert, make synthetic drives, evaluate, train, export, doctor.

No ROS installation needed.

Exit codes: 0 done, 2 the input is not usable as given (also: no usable frame in it).
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Optional

import numpy as np
import typer
from rich.table import Table

from i2p_calib_ros.allocator import keep_freed_memory
from i2p_calib_ros.console import err, out, plain, print_evaluation, print_replay, progress
from i2p_calib_ros.errors import CalibrationInputError

if TYPE_CHECKING:
    from i2p_calib_ros.engines.model_file import LikelihoodKind
    from i2p_calib_ros.engines.torch_engine import TorchEngine
    from i2p_calib_ros.evaluation.replay_result import ReplayResult
    from i2p_calib_ros.frames.frame import Frame

_DEMO_PLACE = "city street"
_DEMO_IMAGE_SIZE = (960, 320)

# Readers, engines and plots are imported by the command that needs them, so that --help and mistakes answer at once.

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Camera-LiDAR calibration with covariance.",
)
convert_app = typer.Typer(no_args_is_help=True, help="Recordings from sequence folders, and back.")
app.add_typer(convert_app, name="convert")
world_app = typer.Typer(no_args_is_help=True, help="Synthetic drives whose extrinsic is known exactly.")
app.add_typer(world_app, name="world")

Model = Annotated[str, typer.Option(help="model name, or path of a model's .yaml")]
Device = Annotated[Optional[str], typer.Option(help="cpu or cuda; the GPU when there is one by default")]  # noqa: UP045
Likelihood = Annotated[
    Optional[Literal["dense", "reprojection"]],  # noqa: UP045
    typer.Option(help="how points vote for a pose; the model's own by default"),
]
Sweep = Annotated[
    Literal["timed", "stamped", "instant", "clockwise", "counterclockwise"],
    typer.Option(
        help="when points were measured, to move them to the image's moment. timed: by their time field, if any; "
        "stamped: at the cloud's stamp, as where a driver compensates them; instant: with the image, whatever stamps "
        "say; (counter)clockwise: without a field by azimuth, of a LiDAR that turns ten times a second and triggers "
        "the camera when it looks ahead"
    ),
]
JsonFile = Annotated[Optional[Path], typer.Option("--json", help="also write the result to this file")]  # noqa: UP045
Slop = Annotated[float, typer.Option(help="largest time between image and cloud of a pair, seconds")]
ImageTopic = Annotated[Optional[str], typer.Option(help="image topic")]  # noqa: UP045
CameraInfoTopic = Annotated[Optional[str], typer.Option(help="camera info topic")]  # noqa: UP045
PointsTopic = Annotated[Optional[str], typer.Option(help="point cloud topic")]  # noqa: UP045
NewModel = Annotated[str, typer.Option(help="name of the new model")]
Description = Annotated[str, typer.Option(help="one sentence for the model card")]
Licence = Annotated[str, typer.Option(help="terms of the weights, from all data they were trained on")]
ModelsFolder = Annotated[Path, typer.Option("--out", help="folder that gets models/NAME.yaml and weights/NAME.*")]


def main() -> None:
    """Entry point: user errors become one message and exit code 2."""
    keep_freed_memory()
    try:
        app()
    except CalibrationInputError as error:
        err.print(f"[bold red]error:[/] {plain(str(error))}", soft_wrap=True)
        sys.exit(2)


@app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="rosbag2 directory, .mcap, .db3, or a sequence folder")],
    image: ImageTopic = None,
    camera_info: CameraInfoTopic = None,
    points: PointsTopic = None,
    slop: Slop = 0.05,
    initial: Annotated[
        str, typer.Option(help="initial extrinsic: 'tf' of the recording, a YAML / JSON file, or 'unknown'")
    ] = "tf",
    spread: Annotated[
        str, typer.Option(help="how wrong the initial extrinsic may be: standard deviation about each axis")
    ] = "4deg,0.15m",
    perturb: Annotated[
        Optional[str], typer.Option(help="start this far off the initial extrinsic, e.g. 5deg,0.2m")  # noqa: UP045
    ] = None,
    seed: Annotated[int, typer.Option(help="of the direction of --perturb")] = 0,
    truth: Annotated[
        Optional[str], typer.Option(help="judge against 'tf' of the recording, or a YAML / JSON file")  # noqa: UP045
    ] = None,
    sweep: Sweep = "timed",
    frames: Annotated[Optional[int], typer.Option(help="stop after this many frames")] = None,  # noqa: UP045
    out_dir: Annotated[
        Path, typer.Option("--out", help="folder for extrinsic.yaml, report.html, result.json")
    ] = Path("out"),
    json_file: JsonFile = None,
    model: Model = "vpp_real",
    likelihood: Likelihood = None,
    device: Device = None,
) -> None:
    """Calibrate from a recording: table, extrinsic.yaml and report.html with pictures."""
    from i2p_calib_ros.evaluation.replay import initial_prior, replay_source, resolve_extrinsic
    from i2p_calib_ros.frames.source import open_source
    from i2p_calib_ros.heading_search import unknown_extrinsic

    spread_by_axis = _pair(spread, "--spread")
    moved_by = None if perturb is None else _pair(perturb, "--perturb")
    source = open_source(
        recording, image_topic=image, camera_info_topic=camera_info, points_topic=points, slop_s=slop
    )
    T_truth = None if truth is None else resolve_extrinsic(truth, source)
    if initial == "unknown":
        if moved_by is not None:
            raise CalibrationInputError("--perturb moves a known extrinsic; with --initial unknown there is none")
        prior = unknown_extrinsic()
    else:
        prior = initial_prior(resolve_extrinsic(initial, source), spread_by_axis, moved_by, seed)
    engine = _engine(model, likelihood, device)
    total = len(source) if frames is None else min(frames, len(source))
    with progress("replay", total) as advance:
        result = replay_source(
            source, engine, prior, T_truth=T_truth, sweep=sweep, max_frames=frames, on_frame=advance
        )
    _write_results(result, out_dir, json_file)
    print_replay(result, out_dir)


@app.command()
def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="folder for the bag and the results")] = Path(
        "out/demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="of the street, the rig and the decalibration")] = 3,
    frames: Annotated[int, typer.Option(min=1, help="length of the drive, at 10 Hz")] = 50,
    by: Annotated[str, typer.Option(help="how far the camera has moved since it was calibrated")] = "5deg,0.2m",
    model: Model = "vpp_real",
) -> None:
    """Make a synthetic drive with a camera that has moved, calibrate it, write the report. Needs no data."""
    _require_world()
    from i2p_calib_ros.frames.world.drive import Decalibration, SyntheticDrive
    from i2p_calib_ros.frames.world.world_files import write_drive_bag

    moved = Decalibration.random(np.random.default_rng(seed), *_pair(by, "--by"))
    drive = SyntheticDrive(seed, frames, kind=_DEMO_PLACE, size=_DEMO_IMAGE_SIZE, decalibration=moved)
    out_dir.mkdir(parents=True, exist_ok=True)
    bag = out_dir / "drive.mcap"
    bag.unlink(missing_ok=True)
    with progress("drive", frames) as advance:
        write_drive_bag(drive, bag, on_frame=lambda: advance(""))
    replay(bag, truth=str(bag.with_suffix(".truth.json")), out_dir=out_dir, model=model)


@convert_app.command("sequence")
def convert_sequence(
    folder: Annotated[Path, typer.Argument(help="folder with a sequence.json")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="OUT.mcap, OUT.db3, or a directory")],
    compressed: Annotated[bool, typer.Option(help="CompressedImage instead of Image")] = False,
) -> None:
    """Write a sequence folder as a rosbag2 with camera info and the reference extrinsic on /tf_static."""
    from i2p_calib_ros.frames.bag_writer import write_bag
    from i2p_calib_ros.frames.sequence import SequenceFolder

    source = SequenceFolder(folder)
    with progress("convert", len(source)) as advance:
        written = write_bag(source, target, compressed=compressed, on_frame=lambda: advance(""))
    out.print(
        f"{written}\nnext: i2p-calib replay {target} --perturb 5deg,0.2m --truth tf",
        soft_wrap=True,
    )


@convert_app.command("recording")
def convert_recording(
    recording: Annotated[Path, typer.Argument(help="rosbag2 directory, .mcap, .db3, or a sequence folder")],
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="sequence folder to make")],
    image: ImageTopic = None,
    camera_info: CameraInfoTopic = None,
    points: PointsTopic = None,
    slop: Slop = 0.05,
    truth: Annotated[
        str, typer.Option(help="the extrinsic to state as true: 'tf' of the recording, or a YAML / JSON file")
    ] = "tf",
    sweep: Sweep = "timed",
    image_delay: Annotated[
        float, typer.Option(help="how much later than its stamp an image is, seconds (`replay` estimates it)")
    ] = 0.0,
) -> None:
    """Write a recording as a sequence folder to train on, its points where they are when the images are taken.

    Frames whose motion the clouds do not tell are left out; --sweep instant without a delay takes all as they are.
    """
    from i2p_calib_ros.evaluation.replay import resolve_extrinsic
    from i2p_calib_ros.frames.motion_compensation import frames_as_of_images
    from i2p_calib_ros.frames.sequence_writer import write_sequence
    from i2p_calib_ros.frames.source import open_source

    source = open_source(
        recording, image_topic=image, camera_info_topic=camera_info, points_topic=points, slop_s=slop
    )
    T_camera_lidar = resolve_extrinsic(truth, source)
    left_out: Counter[str] = Counter()
    about = {"name": source.name, "sweep": sweep, "image_delay_s": image_delay}
    with progress("convert", len(source)) as advance:

        def counted(frame: Frame) -> Frame:
            advance("")
            return frame

        frames = frames_as_of_images(map(counted, source), sweep, image_delay, left_out)
        written = write_sequence(frames, folder, source.camera, T_camera_lidar, about)
    left_out += source.rejected
    if not written:
        raise CalibrationInputError(
            f"{recording} has no usable frame; nothing was written. Left out: {dict(left_out)}. Where the motion is "
            "not known, --sweep instant without --image-delay takes frames as they are."
        )
    lines = [f"{folder}: {written} frames", *(f"left out: {count} x {reason}" for reason, count in left_out.items())]
    lines.append(f"next: i2p-calib train --data {folder} --run runs/mine")
    out.print("\n".join(lines), soft_wrap=True)


@world_app.command("make")
def make_world_files(
    out_dir: Annotated[
        Path, typer.Option("--out", help="folder that gets the drives; a run that was stopped goes on in it")
    ],
    frames: Annotated[int, typer.Option(min=1, help="frames in all")] = 3000,
    seed: Annotated[int, typer.Option(min=0, help="everything follows from it")] = 0,
    frames_per_drive: Annotated[int, typer.Option(min=1, help="frames of one place with one rig")] = 15,
    every: Annotated[int, typer.Option(min=1, help="take every n-th sweep of the 10 Hz LiDAR")] = 3,
    processes: Annotated[Optional[int], typer.Option(min=1, help="one a core by default")] = None,  # noqa: UP045
    size: Annotated[Optional[str], typer.Option(help="of all images, e.g. 640x192; random by default")] = None,  # noqa: UP045
    kind: Annotated[Optional[str], typer.Option(help="of all places; any by default")] = None,  # noqa: UP045
    lidar: Annotated[Optional[str], typer.Option(help="of all rigs, e.g. VLP-16; any by default")] = None,  # noqa: UP045
    sector: Annotated[
        float, typer.Option(min=10, max=180, help="degrees left and right of the camera's heading that clouds reach")
    ] = 100.0,
    bag: Annotated[bool, typer.Option(help="bags with the truth beside them instead of sequence folders")] = False,
    decalibration: Annotated[
        str, typer.Option(help="of the camera in a bag: constant, drifting, or a bump half-way")
    ] = "constant",
    by: Annotated[str, typer.Option(help="size of the decalibration")] = "0deg,0m",
) -> None:
    """Make synthetic drives: random places, light, rigs and sensors. The same seed makes the same files."""
    _require_world()
    from i2p_calib_ros.frames.world.world_files import WorldSettings, make_world

    settings = WorldSettings(
        frames,
        seed,
        frames_per_drive,
        every,
        None if size is None else _size(size),
        kind,
        lidar,
        sector,
        bag,
        decalibration,
        *_pair(by, "--by"),
    )
    with progress("world make", frames) as advance:
        for made in make_world(settings, out_dir, processes or os.cpu_count() or 1):
            for _ in range(made):
                advance("")
    first = out_dir / settings.drives()[0][0]
    usage = (
        f"i2p-calib replay {first}.mcap --truth {first}.truth.json"
        if bag
        else f"i2p-calib train --data {out_dir} --run runs/synthetic"
    )
    out.print(f"{out_dir}: {frames} frames\nnext: {usage}", soft_wrap=True)


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="a sequence folder, or a folder of them")],
    protocol: Annotated[
        str, typer.Option(help="local: single frames; sequence: fused over a drive; global: single frames, no prior")
    ] = "local",
    trials: Annotated[int, typer.Option(min=1, help="start errors to try, in all")] = 200,
    bounds: Annotated[
        str, typer.Option(help="start error about each axis, uniform within these bounds")
    ] = "10deg,0.5m",
    only: Annotated[str, typer.Option(help="only sequences whose name starts with this")] = "",
    passes: Annotated[
        int, typer.Option(min=1, help="looks at a frame, each from the last one's estimate")
    ] = 2,
    sweep: Sweep = "timed",
    seed: int = 0,
    processes: Annotated[
        int, typer.Option(min=1, help="to share the trials; with one thread each, slower a frame, sooner done in all")
    ] = 1,
    json_file: JsonFile = None,
    model: Model = "vpp_real",
    likelihood: Likelihood = None,
    device: Device = None,
) -> None:
    """Measure accuracy on sequences with a known extrinsic."""
    from i2p_calib_ros.evaluation.protocols import PROTOCOLS, GlobalStart, StartError, run_protocol
    from i2p_calib_ros.evaluation.trials import summarize
    from i2p_calib_ros.frames.sequence import iter_sequences

    if protocol not in PROTOCOLS:
        raise CalibrationInputError(f"unknown protocol '{protocol}'; there are: {', '.join(PROTOCOLS)}")
    sequences = [s for s in iter_sequences(data) if s.name.startswith(only)]
    if not sequences:
        raise CalibrationInputError(f"no sequence under {data}: expected folders with a sequence.json")
    start = GlobalStart() if protocol == "global" else StartError(*_pair(bounds, "--bounds"))
    engine = _engine(model, likelihood, device)
    with progress("evaluate", trials) as advance:
        results = run_protocol(
            protocol,
            sequences,
            engine,
            trials=trials,
            start=start,
            passes=passes,
            sweep=sweep,
            seed=seed,
            processes=processes,
            progress=lambda: advance(""),
        )
    summary = {
        "protocol": protocol,
        "model": engine.card.name,
        "likelihood": engine.card.likelihood.kind,
        "start": str(start),
        "bounds": asdict(start),
        "sweep": sweep,
        "seed": seed,
        **summarize(results),
    }
    if json_file is not None:
        _write_json(json_file, json.dumps(summary, indent=2))
    print_evaluation(summary)


@app.command()
def train(
    data: Annotated[list[Path], typer.Option(help="folder of sequences; given again: drawn from equally often")],
    run: Annotated[
        Path, typer.Option(help="folder of the run: checkpoint and log; an existing one is resumed")
    ],
    hours: Annotated[float, typer.Option(help="time budget over all starts of this run")] = 2.0,
    hold_out: Annotated[
        list[str], typer.Option(help="sequences whose name starts with this are not read")
    ] = [],  # noqa: B006
    architecture: Annotated[
        Literal["vpp", "vpp_coarse", "vpp_tiny", "vp2p"],
        typer.Option(
            help="vpp: ours; vpp_coarse: without the fine stage; vpp_tiny: for small computers; vp2p: VP2P-Match, "
            "network and losses as published"
        ),
    ] = "vpp",
    start_from: Annotated[
        Optional[str], typer.Option(help="begin with the weights of this model, where the networks have the same parts")  # noqa: UP045
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="of the first steps; falls to nothing over the time")] = 2e-3,
    pose_loss_from: Annotated[
        float, typer.Option(min=0, max=1, help="share of the time after which the pose loss joins the matching losses")
    ] = 0.3,
    samples_per_step: Annotated[int, typer.Option(min=1, help="frames of one update, over all processes")] = 4,
    processes: Annotated[
        Optional[int], typer.Option(min=1, help="one a GPU, or without GPUs one a core, by default; see also torchrun")  # noqa: UP045
    ] = None,
    seed: int = 1,
) -> None:
    """Train the network on sequences with a trusted extrinsic; can be stopped and resumed at any moment."""
    from i2p_calib_ros.network.architectures import ARCHITECTURES
    from i2p_calib_ros.training.settings import TrainingSettings
    from i2p_calib_ros.training.trainer import train as run_training

    checkpoint = run_training(
        TrainingSettings(
            tuple(data),
            run,
            hours,
            hold_out=tuple(hold_out),
            start_from=start_from,
            learning_rate=learning_rate,
            pose_loss_from=pose_loss_from,
            samples_per_step=samples_per_step,
            processes=processes,
            seed=seed,
            network=ARCHITECTURES[architecture],
        )
    )
    out.print(f"checkpoint {checkpoint}\nnext: i2p-calib export {run} --name NAME --out .")


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="folder of a training run")],
    name: NewModel,
    description: Description = "",
    licence: Licence = "unstated",
    out_dir: ModelsFolder = Path("."),
) -> None:
    """Make a model file (YAML card and weights) of a training run's checkpoint."""
    from i2p_calib_ros.training.export import export_model

    _print_card(export_model(run, name, out_dir, description=description, licence=licence))


@app.command()
def average(
    models: Annotated[list[str], typer.Argument(help="names or .yaml files of models trained on from one start")],
    name: NewModel,
    description: Description = "",
    licence: Licence = "unstated",
    out_dir: ModelsFolder = Path("."),
) -> None:
    """Make a model of the mean of several models' weights; it can err less than each."""
    from i2p_calib_ros.training.export import average_models

    _print_card(average_models(models, name, out_dir, description=description, licence=licence))


def _print_card(card: Path) -> None:
    out.print(f"{card}\nnext: i2p-calib evaluate --model {card} --data FOLDER_OF_SEQUENCES")


@app.command()
def doctor(
    recording: Annotated[Optional[Path], typer.Argument(help="also say what this recording holds")] = None,  # noqa: UP045
) -> None:
    """Say what is installed, which engine would run, and which topics a recording has."""
    from i2p_calib_ros.doctor import describe_installation, describe_recording

    for title, rows in [*describe_installation(), *(describe_recording(recording) if recording else [])]:
        table = Table(title=title, title_justify="left", show_header=False)
        for row in rows:
            table.add_row(*map(plain, row))
        out.print(table)


def _pair(text: str, option: str) -> tuple[float, float]:
    """`5deg,0.2m` -> (5.0, 0.2)."""
    angle, _, length = text.replace(" ", "").partition(",")
    try:
        if not angle.endswith("deg") or not length.endswith("m"):
            raise ValueError
        scale = 0.01 if length.endswith("cm") else 1.0
        values = float(angle.removesuffix("deg")), float(length.removesuffix("m").removesuffix("c")) * scale
        if min(values) < 0 or not all(v < 1e6 for v in values):
            raise ValueError
    except ValueError:
        raise CalibrationInputError(
            f"{option} '{text}': expected degrees and metres, such as 5deg,0.2m or 5deg,20cm"
        ) from None
    return values


def _size(text: str) -> tuple[int, int]:
    """`640x192` -> (640, 192)."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 32):
        raise CalibrationInputError(f"--size '{text}': expected width and height in pixels, such as 640x192")
    return int(width), int(height)


def _write_results(result: ReplayResult, out_dir: Path, json_file: Path | None) -> None:
    from i2p_calib_ros.evaluation.extrinsic_file import write_extrinsic
    from i2p_calib_ros.evaluation.report import write_report

    out_dir.mkdir(parents=True, exist_ok=True)
    write_extrinsic(out_dir / "extrinsic.yaml", result.extrinsic())
    text = json.dumps(result.to_json(), indent=2)
    for path in (out_dir / "result.json", json_file):
        if path is not None:
            _write_json(path, text)
    write_report(result, out_dir / "report.html")


def _engine(model: str, likelihood: LikelihoodKind | None, device: str | None) -> TorchEngine:
    """The engine of a model, with another likelihood than its card's where one is asked for."""
    from i2p_calib_ros.engines.model_file import load_model
    from i2p_calib_ros.engines.torch_engine import TorchEngine

    loaded = load_model(model)
    return TorchEngine(loaded if likelihood is None else loaded.with_likelihood(likelihood), device)


def _require_world() -> None:
    missing = [name for name in ("embreex", "shapely") if find_spec(name) is None]
    if missing:
        raise CalibrationInputError(
            f"the synthetic world needs {' and '.join(missing)}, which are not installed: pip install embreex shapely "
            "(embreex has wheels for x86-64; on other machines use a recording: i2p-calib replay BAG)"
        )


def _write_json(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")



if __name__ == "__main__":
    main()
