"""What surfaces are made of, as a camera and as a LiDAR see it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Material:
    """One surface. `texture` names a tile of `textures.TEXTURES`, whose values multiply `albedo`.

    albedo: linear RGB reflectance 0..1; tile_m: side of one texture tile on the surface; gloss: share 0..1 of light
    that is mirrored at normal incidence (paint 0.04, wet asphalt 0.1, glass and chrome more); emission: linear RGB
    radiance of a lamp relative to a white wall in the sun; lidar_reflectivity: diffuse reflectance 0..1 at 905 nm;
    retro: gain of a retro-reflector (plates, signs: 5..50; otherwise 0); transparent: glass, of which a LiDAR gets a
    return only near normal incidence and otherwise sees what lies behind.
    """

    name: str
    texture: str = "plain"
    albedo: tuple[float, float, float] = (0.5, 0.5, 0.5)
    tile_m: float = 2.0
    gloss: float = 0.0
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lidar_reflectivity: float = 0.3
    retro: float = 0.0
    transparent: bool = False


@dataclass
class Palette:
    """The materials of one place, in the order of the indices that its meshes hold."""

    materials: list[Material] = field(default_factory=list)
    _index: dict[Material, int] = field(default_factory=dict, repr=False)

    def add(self, material: Material) -> int:
        """Index of the material, which is added unless an equal one is there."""
        if material not in self._index:
            self._index[material] = len(self.materials)
            self.materials.append(material)
        return self._index[material]
