"""The paper's two recipes for whole batches on the device that they lie on, each image with numbers of its own.

Three ways: torchvision v2's transforms image by image, kornia's, and `Batched`, tensor operations alone, which copy nothing
from the host (as `torch.where` with a number would) and can therefore be compiled and captured in a CUDA graph. Each takes uint8
[n, 3, height, width] and gives floats from 0 to 1, [n, 3, side, side].
"""

import math

import torch
import torch.nn.functional as F

from views import PAPER, blur_kernel, paper


def torchvision(side):
    def image_by_image(transform):
        return lambda images: torch.stack([transform(image) for image in images]).float() / 255

    return [image_by_image(transform) for transform in paper(side)]


def kornia(side):
    import kornia.augmentation as K

    def recipe(blur, solarize):
        kernel = blur_kernel(side)
        steps = torch.nn.Sequential(
            K.RandomResizedCrop((side, side), scale=(0.08, 1.0), resample="bicubic", cropping_mode="resample"),
            K.RandomHorizontalFlip(p=0.5),
            K.ColorJitter(0.4, 0.4, 0.2, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
            K.RandomGaussianBlur((kernel, kernel), (0.1, 2.0), p=blur),
            K.RandomSolarize(thresholds=(0.5, 0.5), additions=(0.0, 0.0), p=solarize),
        )
        return lambda images: steps(images.float() / 255).clamp(0, 1)

    return [recipe(**chances) for chances in PAPER]


class Batched:
    """One recipe. Unlike torchvision's, the jitter's four parts have a fixed order, and a crop's edges see past it."""

    TRIES = 10

    def __init__(self, side, blur, solarize, device):
        self.blur, self.solarize, self.device = blur, solarize, device
        self.radius = blur_kernel(side) // 2
        self.centers = (torch.arange(side, device=device) + 0.5) / side
        self.taps = torch.arange(-self.radius, self.radius + 1, device=device).float()
        self.order = torch.arange(self.TRIES, 0, -1, device=device)
        self.luminance = torch.tensor([0.2989, 0.587, 0.114], device=device).reshape(1, 3, 1, 1)
        self.sectors = torch.tensor([5.0, 3.0, 1.0], device=device).reshape(1, 3, 1, 1)
        self.render = self.draw

    def compile(self):
        self.render = torch.compile(self.draw, dynamic=False)
        return self

    def __call__(self, images):
        return self.render(images, *self.sample(*images.shape[::2], images.shape[3]))

    def uniform(self, shape, low, high):
        return torch.rand(shape, device=self.device) * (high - low) + low

    def chosen(self, n, chance):
        return torch.rand((n, 1, 1, 1), device=self.device) < chance

    def sample(self, n, height, width):
        """Crops in pixels [n, 4], flips [n], jitter [4, n, 1, 1, 1], gray, blur's weights [n, taps], solarised."""
        area = height * width * self.uniform((n, self.TRIES), 0.08, 1.0)
        ratio = torch.exp(self.uniform((n, self.TRIES), math.log(3 / 4), math.log(4 / 3)))
        widths, heights = torch.sqrt(area * ratio), torch.sqrt(area / ratio)
        first = (((widths <= width) & (heights <= height)) * self.order).argmax(1, keepdim=True)
        size = torch.cat([widths.gather(1, first).clamp(max=width), heights.gather(1, first).clamp(max=height)], 1)
        free = torch.cat([width - size[:, :1], height - size[:, 1:]], 1)
        crop = torch.cat([torch.rand((n, 2), device=self.device) * free, size], 1)
        flip = torch.rand(n, device=self.device) < 0.5

        jitter = self.uniform((4, n, 1, 1, 1), -1.0, 1.0) * self.chosen(n, 0.8)
        sigma = self.uniform((n, 1), 0.1, 2.0)
        weights = torch.exp(-0.5 * (self.taps / sigma) ** 2)
        weights = torch.where(self.chosen(n, self.blur).reshape(n, 1), weights, (self.taps == 0).float())
        weights = weights / weights.sum(1, keepdim=True)
        return crop, flip, jitter, self.chosen(n, 0.2), weights, self.chosen(n, self.solarize)

    def draw(self, images, crop, flip, jitter, gray, weights, solarized):
        n, _, height, width = images.shape
        left, top, crop_width, crop_height = crop.unsqueeze(2).unbind(1)
        across = torch.where(flip.unsqueeze(1), 1 - self.centers, self.centers)
        x = 2 * (left + across * crop_width) / width - 1
        y = 2 * (top + self.centers * crop_height) / height - 1
        side = len(self.centers)
        grid = torch.stack([x.unsqueeze(1).expand(n, side, side), y.unsqueeze(2).expand(n, side, side)], 3)
        view = F.grid_sample(images.float() / 255, grid, "bicubic", "border", align_corners=False).clamp(0, 1)

        brightness, contrast, saturation, hue = jitter.unbind(0)
        view = (view * (1 + 0.4 * brightness)).clamp(0, 1)
        middle = self.lightness(view).mean((2, 3), keepdim=True)
        view = torch.lerp(middle, view, 1 + 0.4 * contrast).clamp(0, 1)
        view = torch.lerp(self.lightness(view), view, 1 + 0.2 * saturation).clamp(0, 1)
        view = self.turn_hue(view, 0.1 * hue)
        view = torch.where(gray, self.lightness(view), view)
        view = self.blurred(view, weights)
        return torch.where(solarized & (view >= 128 / 255), 1 - view, view)

    def lightness(self, view):
        return (view * self.luminance).sum(1, keepdim=True)

    def turn_hue(self, view, turn):
        red, green, blue = view.split(1, 1)
        value = view.amax(1, keepdim=True)
        span = value - view.amin(1, keepdim=True)
        divisor = span.clamp(min=1e-9)
        sector = torch.where(
            value == red,
            (green - blue) / divisor,
            torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
        )
        k = (self.sectors + sector + 6 * turn) % 6
        return value - span * torch.minimum(k, 4 - k).clamp(0, 1)

    def blurred(self, view, weights):
        side, around = view.shape[3], self.radius
        across = F.pad(view, (around, around, 0, 0), mode="reflect")
        view = sum(self.weight(weights, tap) * across[:, :, :, tap : tap + side] for tap in range(2 * around + 1))
        down = F.pad(view, (0, 0, around, around), mode="reflect")
        return sum(self.weight(weights, tap) * down[:, :, tap : tap + side] for tap in range(2 * around + 1))

    @staticmethod
    def weight(weights, tap):
        return weights[:, tap].reshape(-1, 1, 1, 1)


def recipes(kind, side, device, compiled):
    """t and t'."""
    if kind == "torchvision":
        return torchvision(side)
    if kind == "kornia":
        return kornia(side)
    both = [Batched(side, device=device, **chances) for chances in PAPER]
    return [recipe.compile() for recipe in both] if compiled else both
