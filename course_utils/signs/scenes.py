"""Road-sign scenes without end: rendered on the device from a seed, with labels, masks and poses.

Serves all eight notebooks: it is the course's own data. Classes and their numbers: the German benchmark GTSRB
(Stallkamp et al. 2012). Training on random renderings for real pictures: Tobin et al. 2017 (domain randomisation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import runtime
from course_utils.arguments import is_number, is_whole
from course_utils.signs import drawings as sign_drawings
from course_utils.signs.backgrounds import Dice, enlarge, grids, over, street


@dataclass(frozen=True)
class SignClass:
    """One kind of sign: its plain name and its number in the German benchmark."""

    name: str
    number: int


CLASSES = (
    SignClass("30 limit", 1),
    SignClass("50 limit", 2),
    SignClass("60 limit", 3),
    SignClass("70 limit", 4),
    SignClass("80 limit", 5),
    SignClass("100 limit", 7),
    SignClass("120 limit", 8),
    SignClass("no passing", 9),
    SignClass("priority road", 12),
    SignClass("yield", 13),
    SignClass("stop", 14),
    SignClass("no vehicles", 15),
    SignClass("no entry", 17),
    SignClass("caution", 18),
    SignClass("right ahead", 33),
    SignClass("left ahead", 34),
    SignClass("ahead only", 35),
    SignClass("keep right", 38),
    SignClass("keep left", 39),
    SignClass("roundabout", 40),
)
CLASS_NAMES = tuple(sign.name for sign in CLASSES)
YIELD, STOP = CLASS_NAMES.index("yield"), CLASS_NAMES.index("stop")

SMALLEST, LARGEST = 32, 512  # sides of a picture, in pixels
MEAN, STD = (0.42, 0.42, 0.42), (0.27, 0.27, 0.27)  # of the pixels: what the networks of this world normalise by
APART = 1_000_003  # seeds from one set of scenes to the next, so that no two blocks share one
TEST_SEED = 2**40  # of test scenes: no training uses seeds up here


@dataclass(frozen=True)
class Dials:
    """How hard the scenes are: one dial a nuisance, each from 0 (none) to 1 (as bad as a real street gets).

    The defaults are the world in which the shipped networks are measured; `Dials.wild()` is what they are also
    trained on, to be ready for real photographs.
    """

    distance: float = 0.4  # how small the sign may get, and how far off the centre
    perspective: float = 0.5  # how far it is turned and tilted
    light: float = 0.4  # exposure, colour of the light, dusk, sun from behind, fog
    shadow: float = 0.4  # cast shadows and glare
    blur: float = 0.35  # defocus, motion, few pixels
    noise: float = 0.3  # the sensor's noise
    weathering: float = 0.4  # faded paint, dirt
    occlusion: float = 0.25  # leaves and posts in front
    clutter: float = 0.7  # how much stands behind and beside it

    def __post_init__(self):
        for dial in fields(self):
            value = getattr(self, dial.name)
            if not (is_number(value) and 0 <= value <= 1):
                raise ValueError(f"the dial {dial.name!r} runs from 0 (none) to 1 (hardest); got {value!r}.")

    @classmethod
    def wild(cls) -> Dials:
        """The hardest believable street: night, rain, twenty pixels."""
        return cls(0.35, 0.75, 1.0, 0.7, 1.0, 0.7, 0.8, 0.4, 1.0)

    @classmethod
    def clean(cls, **dials: float) -> Dials:
        """All dials at 0 but the named ones: a world with one nuisance."""
        return replace(cls(*[0.0] * len(fields(cls))), **dials)


@dataclass
class Scenes:
    """A batch of scenes and the truth about them.

    Attributes:
        images: [N, 3, S, S] in [0, 1].
        labels: [N], indices into `CLASSES`.
        masks: [N, 1, S, S] in [0, 1], how much of each pixel shows the sign.
        poses: [N, 3, 3], homographies from the sign plane to the picture, both in [-1, 1] with y down.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor
    poses: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> Scenes:
        """The same scenes on another device."""
        return Scenes(*(getattr(self, part.name).to(device) for part in fields(self)))

    def __getitem__(self, index) -> Scenes:
        """Some of the scenes; always a batch."""
        index = [index] if isinstance(index, int) else index
        return Scenes(*(getattr(self, part.name)[index] for part in fields(self)))


def render(
    labels: int | Tensor | list[int],
    *,
    size: int = 64,
    seed: int = 0,
    dials: Dials | None = None,
    device: str | torch.device | None = None,
) -> Scenes:
    """Render road-sign scenes.

    Args:
        labels: a number of scenes (classes are then drawn at random), or the classes themselves, [N].
        size: side of the square pictures, 32 to 512 pixels.
        seed: the same seed, labels, size, dials and kind of device give the same scenes.
        dials: the nuisances; None takes the defaults.
        device: where to render; None takes the best there is.

    Returns:
        `Scenes` with images, labels, masks and poses.

    >>> scenes = render([STOP, YIELD], seed=1, device="cpu")
    >>> scenes.images.shape, scenes.labels.tolist()
    (torch.Size([2, 3, 64, 64]), [10, 9])
    """
    where, dials = runtime.device(device), dials or Dials()
    if not is_whole(size) or not SMALLEST <= size <= LARGEST:
        raise ValueError(f"size must be a whole number of pixels from {SMALLEST} to {LARGEST}; got {size!r}.")
    generator = runtime.generator(seed, where)
    labels = _labels(labels, generator)
    # Small blocks stay in the processor's cache; a GPU wants few, large ones.
    block = 64 if where.type == "cpu" else 8192 * 64 * 64 // size**2
    parts = [_render_block(chosen, size, generator, dials) for chosen in labels.split(max(1, block))]
    return Scenes(*(torch.cat([getattr(part, f.name) for part in parts]) for f in fields(Scenes)))


def render_blocks(count: int, block: int, *, seed: int = 0, labels: Tensor | None = None, **how) -> Iterator[Scenes]:
    """Render many scenes, some of them an item; no block shares a seed with another, of this seed or of another one.

    Args:
        count: of scenes, fewer than `APART`.
        block: how many are rendered at a time.
        seed: of all of them.
        labels: the classes themselves, [count]; None draws them at random.
        how: size, dials and device, as for `render`.
    """
    for start in range(0, count, block):
        amount = min(block, count - start)
        some = amount if labels is None else labels[start : start + amount]
        yield render(some, seed=seed * APART + start, **how)


def _labels(labels: int | Tensor | list[int], generator: torch.Generator) -> Tensor:
    if is_whole(labels):
        if labels < 1:
            raise ValueError(f"ask for at least one scene; got {labels}.")
        return torch.randint(len(CLASSES), (labels,), generator=generator, device=generator.device)
    labels = torch.as_tensor(labels, device=generator.device)
    if labels.ndim != 1 or labels.is_floating_point() or labels.dtype == torch.bool or len(labels) == 0:
        raise ValueError("labels must be a number of scenes, or a list of class indices such as [10, 9].")
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise ValueError(f"labels run from 0 to {len(CLASSES) - 1}; got {int(labels.min())} … {int(labels.max())}.")
    return labels.long()


def _render_block(labels: Tensor, size: int, generator: torch.Generator, dials: Dials) -> Scenes:
    """From the street to the sensor: background, neighbours, post, sign, things in front, light, camera."""
    dice = Dice(len(labels), generator)
    x, y = grids(size, dice.device)
    poses = _poses(dice, dials)
    scene = street(dice, size, dials.clutter)
    scene = _post(scene, dice, poses, x, y)
    scene = _neighbour(scene, dice, poses, size, dials)
    paint, cover, plane = _sign(labels, poses, size, dice)
    paint = _weather(paint, cover, dice, size, dials)
    dusk = 5 * dials.light * dice.uniform() * dice.chance(0.4)  # stops of light that are missing
    paint = _shade(paint, cover, plane, dusk, dice, size, dials)
    scene = scene * (1 - cover) + paint
    front_colour, front = _in_front(dice, size, x, y, dials)
    scene, mask = over(scene, front_colour, front), cover * (1 - front)
    scene = _expose(scene, dusk, dice, dials)
    scene = _camera(scene, dice, size, dials)
    return Scenes(scene.clamp_(0, 1), labels, mask, poses)


# -- where the sign stands ------------------------------------------------------------------------------------------


def _poses(dice: Dice, dials: Dials) -> Tensor:
    """Homographies [N, 3, 3] of a plane turned in space and seen by a pinhole camera."""

    def angle(degrees: float) -> Tensor:
        return dice.normal() * (math.radians(degrees) * dials.perspective)

    yaw, pitch, roll = angle(40).clamp(-0.9, 0.9), angle(18).clamp(-0.6, 0.6), angle(8)
    largest, smallest = 0.92, 0.92 - 0.62 * dials.distance
    radius = smallest + (largest - smallest) * dice.uniform()[:, 0, 0, 0]
    room = (1 - radius) * 0.9 + 0.06 * dials.distance  # a sign may be cut a little by the edge
    wander = (dice.uniform(-1, 1, channels=2)[:, :, 0, 0] * room[:, None]) * min(1.0, 0.3 + 2 * dials.distance)
    cy, sy, cp, sp, cr, sr = yaw.cos(), yaw.sin(), pitch.cos(), pitch.sin(), roll.cos(), roll.sin()
    stretch = 1 + 0.06 * dials.perspective * dice.normal()
    near = 0.3 * radius  # how strongly the perspective shows: a nearer camera sees more of it
    rows = [
        stretch * radius * (cy * cr + sy * sp * sr), radius * (sy * sp * cr - cy * sr), wander[:, 0],
        radius * cp * sr, radius * cp * cr, wander[:, 1],
        near * (cy * sp * sr - sy * cr), near * (sy * sr + cy * sp * cr), torch.ones_like(radius),
    ]  # fmt: skip
    poses = torch.stack(rows, dim=1).view(-1, 3, 3)
    # The projected centre is wander only when the third row is (0, 0, 1); keep it there.
    poses[:, 0] += wander[:, :1] * poses[:, 2] * torch.tensor([1.0, 1.0, 0.0], device=dice.device)
    poses[:, 1] += wander[:, 1:] * poses[:, 2] * torch.tensor([1.0, 1.0, 0.0], device=dice.device)
    return poses


def _plane(poses: Tensor, size: int) -> Tensor:
    """Where each pixel looks on the sign plane, [N, size, size, 2]."""
    x, y = grids(size, poses.device)
    pixels = torch.stack(
        [
            x.expand(1, 1, size, size),
            y.expand(1, 1, size, size),
            torch.ones(1, 1, size, size, device=poses.device),
        ]
    )
    rays = torch.linalg.inv(poses) @ pixels.view(3, -1)  # [N, 3, size²]
    plane = rays[:, :2] / rays[:, 2:].clamp(min=0.05)
    return plane.transpose(1, 2).reshape(len(poses), size, size, 2)


def _paint(index: Tensor, plane: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Look the drawings up: premultiplied colours [N, 3, H, W] and coverage [N, 1, H, W]."""
    several, place = index.unique(return_inverse=True)  # each drawing once, however many scenes it stands in
    wanted = [divmod(one, sign_drawings.VARIANTS) for one in several.tolist()]  # class and maker
    drawings = sign_drawings.sheets([(CLASSES[k].number, v) for k, v in wanted], size * 3 // 4, index.device)[place]
    looked = F.grid_sample(drawings, plane, mode="bilinear", padding_mode="zeros", align_corners=False)
    return looked[:, :3], looked[:, 3:]


def _sign(labels: Tensor, poses: Tensor, size: int, dice: Dice) -> tuple[Tensor, Tensor, Tensor]:
    plane = _plane(poses, size)
    maker = torch.randint(sign_drawings.VARIANTS, labels.shape, generator=dice.generator, device=dice.device)
    paint, cover = _paint(labels * sign_drawings.VARIANTS + maker, plane, size)
    return paint, cover, plane


def _post(scene: Tensor, dice: Dice, poses: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The post that carries the sign."""
    middle, bottom = poses[:, 0, 2].view(-1, 1, 1, 1), poses[:, 1, 2].view(-1, 1, 1, 1)
    half = dice.uniform(0.03, 0.09)
    cover = torch.sigmoid((half - (x - middle).abs()) * 60) * (y > bottom)
    steel = dice.uniform(0.25, 0.7) * (1 - 0.4 * ((x - middle) / half).clamp(-1, 1))
    return over(scene, steel, cover * dice.chance(0.6))


def _neighbour(scene: Tensor, dice: Dice, poses: Tensor, size: int, dials: Dials) -> Tensor:
    """Up to three in ten signs share their post with another one, on the side away from the picture's centre."""
    some = torch.randperm(dice.count, generator=dice.generator, device=dice.device)
    some = some[: round(dice.count * 0.3 * dials.clutter)]
    if len(some) == 0:
        return scene
    few = Dice(len(some), dice.generator)
    shift = torch.eye(3, device=dice.device).repeat(len(some), 1, 1)
    shift[:, 1, 2] = 2.0 * torch.where(poses[some, 1, 2] >= 0, 1.0, -1.0)
    kinds = len(CLASSES) * sign_drawings.VARIANTS
    index = torch.randint(kinds, (len(some),), generator=dice.generator, device=dice.device)
    paint, cover = _paint(index, _plane(poses[some] @ shift, size), size)
    scene = scene.clone()
    scene[some] = scene[some] * (1 - cover) + paint * few.uniform(0.4, 1.0)
    return scene


# -- what age, sun and trees do to it -------------------------------------------------------------------------------


def _weather(paint: Tensor, cover: Tensor, dice: Dice, size: int, dials: Dials) -> Tensor:
    """Faded paint, another maker's pigments, dirt; on premultiplied colours."""
    w = dials.weathering
    mix = torch.eye(3, device=dice.device) + 0.1 * w * dice.normal(3, 3)  # pigments
    paint = torch.einsum("nij,njhw->nihw", mix, paint)
    grey = paint.mean(dim=1, keepdim=True)
    paint = torch.lerp(paint, grey, dice.uniform(0, 0.55 * w))
    lift = dice.uniform(0, 0.25 * w)  # sun-bleached: black turns grey
    paint = paint * (1 - lift) + cover * lift * 0.8
    spots = (dice.noise(size, (6, 16, size // 2), 0.8) - dice.uniform(0.8, 3.0)).clamp(0, 1)
    return over(paint, dice.uniform(0.1, 0.45, channels=3) * cover, spots * 0.8 * w)


def _shade(paint: Tensor, cover: Tensor, plane: Tensor, dusk: Tensor, dice: Dice, size: int, dials: Dials) -> Tensor:
    """Light on the plate: its own brightness, a gradient, a cast shadow (of a roof or of leaves), a glare."""
    s, (u, v) = dials.shadow, (plane[..., 0].unsqueeze(1), plane[..., 1].unsqueeze(1))
    direction = dice.uniform(0, 2 * math.pi)
    along = u * direction.cos() + v * direction.sin()  # [N, 1, H, W]
    # Sun from behind, by day, leaves a plate the sky's light alone: a tenth to all of what its surroundings get.
    behind = stops(-3.3 * dice.uniform() * dice.chance(0.3 * dials.light) * (dusk == 0))
    light = torch.exp(dice.normal(1, 1, 1) * 0.3 * dials.light) * behind * (1 + 0.35 * s * dice.uniform(-1, 1) * along)
    straight = torch.sigmoid((along - dice.uniform(-1, 1)) * dice.uniform(6, 40))
    leafy = torch.sigmoid(dice.noise(size, (5, 10, 20), 0.7) * dice.uniform(4, 12) - dice.uniform(-2, 6))
    cast = torch.lerp(straight, leafy, dice.chance(0.5)) * dice.chance(0.7 * s)
    light = light * (1 - cast * dice.uniform(0.3, 0.75))
    spot = (u - dice.uniform(-1, 1)) ** 2 + (v - dice.uniform(-1, 1)) ** 2
    glare = torch.exp(-spot / dice.uniform(0.05, 0.8)) * dice.uniform(0.1, 0.7) * dice.chance(0.35 * s)
    return paint * light + cover * glare


def _in_front(dice: Dice, size: int, x: Tensor, y: Tensor, dials: Dials) -> tuple[Tensor, Tensor]:
    """Leaves that hang in from a side, or a post or wire that crosses."""
    angle = dice.uniform(0, 2 * math.pi)
    along = x * angle.cos() + y * angle.sin()
    noise = dice.noise(size, (5, 10, 20), 0.8)
    leaves = torch.sigmoid((along - dice.uniform(0.75, 1.4) + 0.22 * noise) * 25)
    bar = torch.sigmoid((dice.uniform(0.02, 0.1) - (along - dice.uniform(-0.9, 0.9)).abs()) * 60)
    kind = dice.uniform()
    # The chances add up to the dial: leaves in two of three occluded scenes, a bar in one.
    cover = leaves * (kind < 0.67 * dials.occlusion) + bar * (kind > 1 - 0.33 * dials.occlusion)
    green = torch.tensor([0.2, 0.28, 0.12], device=dice.device).view(1, 3, 1, 1)
    colour = torch.lerp(
        green * dice.uniform(0.4, 1.8), dice.uniform(0.1, 0.6).expand(-1, 3, -1, -1), (kind > 0.5) * 1.0
    )
    return colour * (1 + 0.25 * noise).clamp(0.2, 2), cover


# -- the camera -----------------------------------------------------------------------------------------------------


def stops(exposure: Tensor) -> Tensor:
    """What so many stops (factors of 2 of light) multiply a pixel by: a screen's pixel is light to the power 1/2.2."""
    return torch.exp2(exposure / 2.2)


def _expose(scene: Tensor, dusk: Tensor, dice: Dice, dials: Dials) -> Tensor:
    """Air, light, camera; the dial is how dark dusk gets, how far metering errs, and the chance of fog.

    Fog: Koschmieder 1924, contrast falls as exp(-3.9 distance / visibility), here from 1/50 to 1/3 of the visibility.
    Dusk: at f/2.8, ISO 1600 and the 10 ms that a moving camera may expose, light is enough down to 120 lux; at the end
    of civil twilight (3.4 lux) five stops are missing. Its light is bluer.
    Metering: on the mean of the view. A sky outshines road and walls three- to fivefold, the sun what stands in the
    shade of houses five- to tenfold: such a place comes out up to 4 stops too dark; before a dark wood, one too bright.
    Beside that an error of one stop (standard deviation). What lies above white is lost: a blown sky.
    Flare: light scattered in lens and windscreen.
    """
    d, few = dials.light, dice.uniform
    far = torch.exp(few(math.log(0.02), math.log(0.33))) * dice.chance(0.35 * d)  # distance / visibility
    clear, air = torch.exp(-3.9 * far), few(0.45, 1.0)
    warmth = dice.normal(1, 1, 1) * 0.1 * d - 0.03 * dusk
    cast = torch.exp(torch.cat([warmth, 0 * warmth, -warmth], dim=1) + dice.normal(3, 1, 1) * 0.04 * d)
    error = d * (dice.normal(1, 1, 1).clamp(-2, 2) - few(-1, 4) * dice.chance(0.7))
    flare = 0.06 * d * few() ** 2
    exposure = torch.where(dusk > 0, torch.minimum(error, -dusk), error)  # what is missing no metering makes up for
    gain = cast * stops(exposure) * (1 - flare)
    gamma = torch.exp(dice.normal(1, 1, 1) * 0.3 * d)  # each camera has its own tone curve
    return (scene * (clear * gain)).add_((1 - clear) * air * gain + flare).clamp_(0, 1.15).pow(gamma)


def _camera(scene: Tensor, dice: Dice, size: int, dials: Dials) -> Tensor:
    """Defocus and motion, then a sensor with fewer pixels than the picture shows, with noise."""
    scene = _blur(scene, dice, dials)
    strength = dials.noise * 0.07 * dice.uniform() ** 2 + 0.004 * min(1.0, dials.noise * 4)
    # How many pixels the sensor has for this crop: shares are fixed, so that nothing waits for the device.
    order = torch.randperm(dice.count, generator=dice.generator, device=dice.device)
    shares, finest = (1.0, 0.8, 0.62, 0.48, 0.37, 0.28), 1 - 0.75 * dials.blur
    scales = [share for share in shares if share >= finest or share == 1.0]
    taken = []
    for i, share in enumerate(scales):
        chosen = order[i * dice.count // len(scales) : (i + 1) * dice.count // len(scales)]
        if len(chosen) == 0:
            continue
        part, pixels = scene[chosen], max(12, round(size * share))
        if pixels < size:
            part = F.interpolate(part, size=(pixels, pixels), mode="bilinear", antialias=True, align_corners=False)
        grain = torch.randn(part.shape, generator=dice.generator, device=dice.device)
        part = part + grain * strength[chosen]
        if pixels < size:
            part = enlarge(part, size)
        taken.append(part)
    return torch.cat(taken)[torch.argsort(order)]


def _blur(scene: Tensor, dice: Dice, dials: Dials) -> Tensor:
    """Convolve every scene with its own 7×7 kernel: an ellipse, round for defocus and long for motion."""
    if dials.blur == 0:
        return scene
    count, _, size, _ = scene.shape
    unit = size / 64  # blur scales with the picture
    round_ = (0.25 + 0.9 * dials.blur * dice.uniform() ** 2) * unit
    long = round_ + 2.2 * dials.blur * dice.uniform() * dice.chance(0.3) * unit
    angle = dice.uniform(0, math.pi)
    gap = max(1, round(unit))  # seven taps must reach as far in a large picture as in a small one
    reach = torch.arange(-3, 4, device=dice.device, dtype=torch.float32) * gap
    x, y = reach.view(1, 1, 1, -1), reach.view(1, 1, -1, 1)
    along, across = x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()
    kernel = torch.exp(-0.5 * ((along / long) ** 2 + (across / round_) ** 2))  # [N, 1, 7, 7]
    kernel = (kernel / kernel.sum(dim=(2, 3), keepdim=True)).repeat_interleave(3, dim=0)
    padded = F.pad(scene, (3 * gap,) * 4, mode="replicate").flatten(0, 1).unsqueeze(0)  # [1, 3 N, H, W]
    return F.conv2d(padded, kernel, groups=count * 3, dilation=gap).view_as(scene)
