"""The paper's two recipes, t and t' (BYOL, Table 6), from torchvision's v2 transforms on uint8 tensors."""

from torchvision.transforms import InterpolationMode, v2

# Chances of blur and solarisation of t and t'.
PAPER = ({"blur": 1.0, "solarize": 0.0}, {"blur": 0.1, "solarize": 0.2})


def blur_kernel(side):
    """A tenth of the side, odd."""
    return 2 * max(side // 20, 1) + 1


def recipe(side, blur, solarize):
    return v2.Compose([
        v2.RandomResizedCrop(side, scale=(0.08, 1.0), interpolation=InterpolationMode.BICUBIC, antialias=True),
        v2.RandomHorizontalFlip(0.5),
        v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.2, 0.1)], 0.8),
        v2.RandomGrayscale(0.2),
        v2.RandomApply([v2.GaussianBlur(blur_kernel(side), (0.1, 2.0))], blur),
        v2.RandomSolarize(128, solarize),
    ])


def paper(side):
    """t and t'. Normalisation comes last and is left to the training program, for whole batches."""
    return [recipe(side, **chances) for chances in PAPER]
