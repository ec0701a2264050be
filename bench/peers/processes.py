"""Several processes of a PyTorch program, as torchrun starts them, with DistributedDataParallel over Gloo or NCCL.

The batch size is that of all processes together, as in byol; statistics of batch norm are each process's own: PyTorch has no
SyncBatchNorm on CPUs.
"""

import os

import torch
from torch import nn


def processes():
    """How many there are; 1 without a launcher."""
    return int(os.environ.get("WORLD_SIZE", 1))


def is_first():
    return int(os.environ.get("RANK", 0)) == 0


def join(options):
    """Meets the others, and leaves this process its share of a batch; each has a seed of its own."""
    if processes() == 1:
        return
    torch.distributed.init_process_group("nccl" if options.device == "cuda" else "gloo")
    options.batch_size //= processes()
    options.seed += int(os.environ["RANK"])
    if options.device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))


def shared(module):
    """The module, whose gradients are the means over all processes."""
    if processes() == 1:
        return module
    return nn.parallel.DistributedDataParallel(module, broadcast_buffers=False)
