"""The rendered image: every pixel looks where the camera model says, whatever the model; light does what light does."""

from dataclasses import replace

import numpy as np
import pytest

from i2p_calib_ros.frames.world.camera.camera_image import depth_image, render_image
from i2p_calib_ros.frames.world.camera.imaging import Imaging, develop, random_imaging
from i2p_calib_ros.frames.world.camera.light import Light, random_light
from i2p_calib_ros.frames.world.camera.pixel_rays import pixel_rays
from i2p_calib_ros.frames.world.camera.shading import Footprints, Shader
from i2p_calib_ros.frames.world.materials import Material
from i2p_calib_ros.frames.world.mesh import Mesh, box, grid_mesh
from i2p_calib_ros.frames.world.motion import Trajectory
from i2p_calib_ros.frames.world.place import Actor, Place
from i2p_calib_ros.frames.world.textures import TEXTURES, TILE_PX, TextureAtlas
from i2p_calib_ros.frames.world.tracer import Tracer
from i2p_calib_ros.geometry.camera import Camera


def _K(focal: float, width: int, height: int) -> list[float]:
    return [focal, 0, width / 2 + 2.3, 0, focal * 1.01, height / 2 - 3.7, 0, 0, 1]


CAMERAS = {
    "pinhole": Camera.validated("plumb_bob", _K(150, 240, 120), [], 240, 120),
    "barrel": Camera.validated("plumb_bob", _K(170, 240, 160), [-0.3, 0.09, 1e-3, -2e-3, 0.0], 240, 160),
    "rational": Camera.validated(
        "rational_polynomial", _K(140, 240, 160), [0.5, 0.08, 1e-4, 2e-4, 0.003, 0.9, 0.23, 0.02], 240, 160
    ),
    "fisheye": Camera.validated("equidistant", _K(70, 240, 180), [0.02, -0.01, 0.003, -0.001], 240, 180),
}
TRUE_IMAGE = Imaging(blur_px=0.0, noise=0.0)
LOOKING_FORWARD = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=float)
BLACK = Material("black", albedo=(0.0, 0.0, 0.0))
LAMP = Material("lamp", albedo=(0.0, 0.0, 0.0), emission=(0.2, 0.2, 0.2))


@pytest.fixture(scope="module")
def dark() -> Light:
    """Nothing shines but what the surfaces emit."""
    light = random_light(np.random.default_rng(0))
    return Light(
        sun_direction=light.sun_direction,
        sky=np.zeros_like(light.sky),
        ambient=np.zeros_like(light.ambient),
        haze_range_m=1e9,
        wetness=0.0,
        **{name: np.zeros(3, dtype=np.float32) for name in ("sun_rgb", "bounce_rgb", "lamp_rgb", "haze_rgb")},
    )


def _place(static: Mesh, *materials: Material, actors: tuple[Actor, ...] = ()) -> Place:
    return Place("test", static, actors, materials, Trajectory.standing((0, 0, 0)), np.zeros((0, 3)))


def _ball(centre: np.ndarray, radius: float, material: int) -> Mesh:
    polar, azimuth = np.meshgrid(np.linspace(0, np.pi, 33), np.linspace(0, 2 * np.pi, 65), indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)
    return grid_mesh(centre + radius * points, material)


def _outline_centroid(camera: Camera, centre: np.ndarray, radius: float) -> np.ndarray:
    """Pixel (2,) at the middle of the area that a ball covers in the image."""
    axis = centre / np.linalg.norm(centre)
    first = np.cross(axis, [0, 1, 0.3])
    first /= np.linalg.norm(first)
    turn = np.linspace(0, 2 * np.pi, 100)[:, None]
    spread = np.tan(np.arcsin(radius / np.linalg.norm(centre)))
    rim = axis + spread * (np.cos(turn) * first + np.sin(turn) * np.cross(axis, first))
    x, y = camera.project(rim)[0].T
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    return np.array([((p[:-1] + p[1:]) * cross).sum() for p in (x, y)]) / (3 * cross.sum())


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_rays_project_to_the_centres_of_their_pixels(camera: Camera) -> None:
    rays = pixel_rays(camera)
    rows, columns = np.nonzero(rays.valid)
    pixels, valid = camera.project(rays.directions[rays.valid])
    assert valid.all()
    np.testing.assert_allclose(pixels, np.column_stack([columns, rows]), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(rays.directions, axis=-1), 1, atol=1e-12)


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_rays_beside_the_centres_follow_the_derivatives(camera: Camera) -> None:
    rays = pixel_rays(camera)
    # At the very rim of a lens the distortion folds and has no derivative.
    inner = rays.valid & (rays.directions[..., 2] > 0.35)
    shifted = rays.directions + 0.4 * rays.along_u - 0.3 * rays.along_v
    pixels, _ = camera.project(shifted[inner])
    rows, columns = np.nonzero(inner)
    np.testing.assert_allclose(pixels, np.column_stack([columns + 0.4, rows - 0.3]), atol=0.02)


def test_pixels_that_the_lens_does_not_reach_are_black(dark: Light) -> None:
    camera = CAMERAS["fisheye"]
    rays = pixel_rays(camera)
    assert 0.3 < rays.valid.mean() < 0.95
    assert not rays.valid[0, 0]
    place = _place(box((40, 40, 40), 0), LAMP)
    image = render_image(
        Tracer(place), place, dark, camera, LOOKING_FORWARD, 0.0, TRUE_IMAGE, np.random.default_rng(0)
    )
    assert (image[~rays.valid] == 0).all()
    assert (image[rays.valid] > 50).all()


@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_things_appear_where_the_camera_model_projects_them(camera: Camera, dark: Light) -> None:
    rng = np.random.default_rng(3)
    columns, rows = np.meshgrid(np.arange(20, camera.width - 20, 28), np.arange(16, camera.height - 16, 24))
    rays = pixel_rays(camera)
    seen = rays.valid[rows, columns] & (rays.directions[rows, columns, 2] > 0.3)
    rows, columns = rows[seen], columns[seen]
    towards = rays.directions[rows, columns] + rng.uniform(-0.3, 0.3, (len(rows), 1)) * rays.along_u[rows, columns]
    distance = rng.uniform(5, 30, len(rows))
    centres_camera = towards * distance[:, None]
    pixel_rad = np.linalg.norm(rays.along_v, axis=-1)[rows, columns]
    centres = centres_camera @ LOOKING_FORWARD[:3, :3].T
    radii = 6.0 * pixel_rad * distance
    balls = [_ball(c, r, 0) for c, r in zip(centres, radii)]
    place = _place(Mesh.merge(balls), LAMP)
    image = render_image(Tracer(place), place, dark, camera, LOOKING_FORWARD, 0.0, TRUE_IMAGE, rng)
    # Undo the tone curve (below its shoulder it is sRGB), so that values are shares of pixels covered.
    share = ((image[..., 0] / 255 + 0.055) / 1.055) ** 2.4
    share[image[..., 0] == 0] = 0
    found = []
    for row, column in zip(rows, columns):
        window = np.s_[row - 9 : row + 10, column - 9 : column + 10]
        weights = share[window]
        grid = np.mgrid[window]
        found.append([(weights * grid[1]).sum() / weights.sum(), (weights * grid[0]).sum() / weights.sum()])
    offsets = np.array(found) - [_outline_centroid(camera, c, r) for c, r in zip(centres_camera, radii)]
    assert len(offsets) > 15
    # Five samples a pixel place one outline to a few hundredths of a pixel; all together show any bias.
    assert np.abs(offsets).max() < 0.15
    assert np.sqrt((offsets**2).mean()) < 0.05
    assert np.abs(offsets.mean(axis=0)).max() < 0.02


def test_depth_is_that_of_a_plane() -> None:
    camera = CAMERAS["barrel"]
    wall = box((0.2, 100, 100), 0, (7.1, 0, 0))
    floor = box((100, 100, 1), 0, (0, 0, -2.0))
    depth = depth_image(Tracer(_place(Mesh.merge([wall, floor]), BLACK)), camera, LOOKING_FORWARD)
    directions = pixel_rays(camera).directions
    down = directions[..., 1] / directions[..., 2]
    expected = np.where(down * 7.0 > 1.5, 1.5 / np.maximum(down, 1e-9), 7.0)
    np.testing.assert_allclose(depth, expected, rtol=1e-4)


def test_moving_things_are_seen_where_they_are_at_the_time(dark: Light) -> None:
    track = Trajectory.upright([0.0, 1.0], [[10, 3, 0], [10, -3, 0]], [0.0, 0.0])
    place = _place(box((1, 1, 1), 0, (-50, 0, 0)), BLACK, LAMP, actors=(Actor(box((0.5, 0.5, 0.5), 1), track),))
    tracer, camera = Tracer(place), CAMERAS["pinhole"]
    for time_s in (0.0, 0.35, 1.0):
        image = render_image(
            tracer, place, dark, camera, LOOKING_FORWARD, time_s, TRUE_IMAGE, np.random.default_rng(0)
        )
        rows, columns = np.nonzero(image[..., 0] > 20)
        expected, _ = camera.project([-track.pose(time_s)[1, 3], 0, 10 - 0.25])
        assert abs((columns.min() + columns.max()) / 2 - expected[0]) < 1.0
        assert abs((rows.min() + rows.max()) / 2 - expected[1]) < 1.0


def test_stopped_traffic_is_what_rays_of_that_time_meet() -> None:
    rng = np.random.default_rng(5)
    actors = tuple(
        Actor(box((2, 1, 1), 0), Trajectory.upright([0, 1], rng.uniform(-20, 20, (2, 3)), rng.uniform(-3, 3, 2)))
        for _ in range(8)
    )
    tracer = Tracer(_place(box((60, 60, 0.1), 0, (0, 0, -8)), BLACK, actors=actors))
    directions = rng.normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    moving, stopped = tracer.trace((0, 0, 0), directions, 0.4), tracer.at(0.4).trace((0, 0, 0), directions)
    assert moving.hit.any() and not moving.hit.all()
    np.testing.assert_allclose(stopped.distance_m, moving.distance_m, rtol=1e-4)
    np.testing.assert_allclose(stopped.normal, moving.normal, atol=1e-4)


def test_the_same_seed_gives_the_same_image() -> None:
    place = _place(
        Mesh.merge([box((80, 80, 0.1), 0), box((1, 1, 3), 1, (6, 1, 1))]),
        Material("ground", "asphalt"),
        Material("paint", "paint", gloss=0.05),
    )
    pose = LOOKING_FORWARD.copy()
    pose[2, 3] = 1.5

    def image(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        light, imaging = random_light(rng), random_imaging(rng)
        return render_image(Tracer(place), place, light, CAMERAS["pinhole"], pose, 0.0, imaging, rng)

    assert np.array_equal(image(4), image(4))
    assert not np.array_equal(image(4), image(5))


def test_a_box_casts_the_suns_shadow_away_from_the_sun(dark: Light) -> None:
    sun = np.array([1, 0, 1], dtype=np.float32) / np.float32(np.sqrt(2))
    light = replace(dark, sun_direction=sun, sun_rgb=np.ones(3, dtype=np.float32))
    place = _place(Mesh.merge([box((80, 80, 0.1), 0, (0, 0, -0.05)), box((1, 1, 2), 0, (0, 0, 1))]), Material("grey"))
    shader = Shader(Tracer(place), place, light, 0.0, np.zeros(3), np.random.default_rng(0))
    # On the ground behind the box, beyond the tip of its shadow, beside it, and on the sunny side.
    spots = np.array([[-1.5, 0, 0], [-3.5, 0, 0], [-1.5, 1.5, 0], [1.5, 0, 0]])
    hits = shader.tracer.trace(spots + [0, 0, 0.5], np.tile([0, 0, -1.0], (4, 1)))
    np.testing.assert_array_equal(shader.sunlight(hits), [0, 1, 1, 1])


def test_a_lamp_lights_what_is_below_it_and_not_what_is_behind_a_wall(dark: Light) -> None:
    light = replace(dark, lamp_rgb=np.ones(3, dtype=np.float32))
    ground, wall = box((80, 80, 0.1), 0, (0, 0, -0.05)), box((0.1, 20, 3), 0, (3, 0, 1.5))
    place = replace(_place(Mesh.merge([ground, wall]), Material("grey")), lamps=np.array([[0.0, 0.0, 4.0]]))
    shader = Shader(Tracer(place), place, light, 0.0, np.zeros(3), np.random.default_rng(0))
    spots = np.array([[0, 0, 0.2], [-5, 0, 0.2], [5, 0, 0.2]])
    down = np.tile(np.array([0, 0, -1], dtype=np.float32), (3, 1))
    hits = shader.tracer.trace(spots, down)
    footprints, none = Footprints.round(hits.distance_m, np.ones(3), np.full(3, 1.0)), np.zeros(3, dtype=np.float32)
    matt, _ = shader.radiance(hits, down, footprints, none, none)
    assert matt[0, 0] == pytest.approx(0.5 / 16, rel=0.1)
    assert matt[0, 0] > 3 * matt[1, 0] > 0
    assert matt[2, 0] == 0


def test_ground_under_a_table_sees_little_sky() -> None:
    light = random_light(np.random.default_rng(2))
    ground, table = box((80, 80, 0.1), 0, (0, 0, -0.05)), box((4, 4, 0.1), 0, (0, 0, 0.5))
    place = _place(Mesh.merge([ground, table]), Material("grey"))
    shader = Shader(Tracer(place), place, light, 0.0, np.zeros(3), np.random.default_rng(0))
    spots = np.repeat([[0, 0, 0.2], [20, 0, 0.2]], 160, axis=0)
    hits = shader.tracer.trace(spots, np.tile([0, 0, -1.0], (320, 1)))
    seen = shader.open_to_sky(hits, np.arange(320) % 16)
    assert seen[:160].mean() < 0.15
    assert seen[160:].mean() == 1


def test_ambient_light_is_the_integral_of_the_sky() -> None:
    rng = np.random.default_rng(1)
    light = random_light(rng)
    normals = np.array([[0, 0, 1], [0.6, 0, 0.8], [0, -0.6, 0.8]], dtype=np.float32)
    directions = rng.normal(size=(40000, 3)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sky = light.sky_radiance(directions)
    sky[directions[:, 2] < 0] = light.bounce_rgb
    cosine = np.maximum(normals @ directions.T, 0)
    np.testing.assert_allclose(light.ambient_radiance(normals), cosine @ sky * 4 / len(sky), rtol=0.1)


@pytest.fixture(scope="module")
def atlas() -> TextureAtlas:
    return TextureAtlas(seed=0)


def test_textures_keep_the_albedo_on_average(atlas: TextureAtlas) -> None:
    rng = np.random.default_rng(0)
    for index in range(len(TEXTURES)):
        uv = rng.uniform(-3, 3, (20000, 2)).astype(np.float32)
        texture = np.full(len(uv), index, dtype=np.int32)
        width = np.full(len(uv), 0.002, dtype=np.float32)
        mean = atlas.sample(texture, uv, np.zeros_like(uv), width).mean(axis=0)
        np.testing.assert_allclose(mean, 1, atol=0.05, err_msg=atlas.names[index])


def test_textures_fade_to_their_mean_with_distance(atlas: TextureAtlas) -> None:
    uv = np.random.default_rng(0).uniform(0, 1, (1000, 2)).astype(np.float32)
    stripes = np.full(len(uv), atlas.names.index("sign_stripes"), dtype=np.int32)
    spread = [
        atlas.sample(stripes, uv, np.zeros_like(uv), np.full(len(uv), width, dtype=np.float32)).std()
        for width in (0.002, 0.1, 4.0)
    ]
    assert spread[0] > 0.8
    assert spread[0] > spread[1] > spread[2]
    assert spread[2] < 0.02


def test_textures_stay_sharp_across_a_long_footprint(atlas: TextureAtlas) -> None:
    # Ridges run along v: seen from far along them they stay visible, and blur into one the other way.
    uv = np.random.default_rng(0).uniform(0, 1, (4000, 2)).astype(np.float32)
    ridges = np.full(len(uv), atlas.names.index("corrugated"), dtype=np.int32)
    narrow = np.full(len(uv), 1 / TILE_PX, dtype=np.float32)
    along, across = (np.tile(np.array(axis, dtype=np.float32), (len(uv), 1)) for axis in ((0, 1 / 16), (1 / 16, 0)))
    assert atlas.sample(ridges, uv, along, narrow).std() > 3 * atlas.sample(ridges, uv, across, narrow).std()


def test_texture_tiles_join_without_a_seam(atlas: TextureAtlas) -> None:
    v = np.linspace(0.01, 0.99, 500, dtype=np.float32)
    left, right = (np.column_stack([np.full_like(v, u), v]) for u in (0.9999, 1.0001))
    texture = np.full(len(v), atlas.names.index("brick"), dtype=np.int32)
    width, none = np.full_like(v, 1 / TILE_PX), np.zeros_like(left)
    difference = atlas.sample(texture, left, none, width) - atlas.sample(texture, right, none, width)
    assert np.abs(difference).max() < 0.1


def test_footprint_of_unknown_direction_grows_at_a_grazing_angle() -> None:
    footprints = Footprints.round(np.full(2, 10.0), np.array([1.0, 0.25]), np.full(2, 0.002))
    np.testing.assert_allclose(footprints.shorter_m, [0.02, 0.04], rtol=1e-6)


def test_a_lens_darkens_corners_and_a_sensor_adds_noise() -> None:
    scene = np.full((60, 100, 3), 0.2, dtype=np.float32)
    rng = np.random.default_rng(0)
    plain = develop(scene, TRUE_IMAGE, rng).astype(float)
    assert plain.std() == 0
    dark_corners = develop(scene, replace(TRUE_IMAGE, vignetting=0.4), rng).astype(float)
    assert dark_corners[0, 0, 0] < dark_corners[30, 50, 0] - 20
    noisy = develop(scene, replace(TRUE_IMAGE, noise=0.02), rng).astype(float)
    assert noisy.std() > 1
    assert abs(noisy.mean() - plain.mean()) < 1


def test_a_camera_may_overdo_edges_and_scatter_light() -> None:
    scene = np.full((64, 128, 3), 0.05, dtype=np.float32)
    scene[:, 64:] = 0.3
    blurred = replace(TRUE_IMAGE, blur_px=0.6)
    plain, sharpened, hazy = (
        develop(scene, imaging, np.random.default_rng(0))[32, :, 0].astype(int)
        for imaging in (blurred, replace(blurred, sharpening=1.0), replace(blurred, glare=0.1))
    )
    assert sharpened.min() < plain.min() - 5 and sharpened.max() > plain.max() + 5
    assert sharpened[10] == plain[10]
    assert hazy[60] > plain[60] + 5
    assert np.abs(np.diff(sharpened)).argmax() == 63  # the edge stays where it is


def test_exposure_is_automatic_and_can_be_wrong() -> None:
    scene = np.random.default_rng(0).uniform(0.1, 0.3, (60, 100, 3)).astype(np.float32)
    means = [
        develop(scene * level, replace(TRUE_IMAGE, exposure_stops=stops), np.random.default_rng(0)).mean()
        for level, stops in ((1, 0), (0.01, 0), (1, 1), (1, -1))
    ]
    assert means[0] - 45 < means[1] < means[0]  # dusk stays a little darker than day
    assert means[2] > means[0] + 20
    assert means[3] < means[0] - 20


def test_grey_cameras_have_three_equal_channels() -> None:
    scene = np.random.default_rng(0).uniform(0, 0.5, (32, 48, 3)).astype(np.float32)
    image = develop(scene, Imaging(grey=True, jpeg_quality=80), np.random.default_rng(0))
    assert np.ptp(image.astype(int), axis=2).max() <= 2
