"""Times flash-linear-attention (Triton) on the card and the shapes of this benchmark, to set beside its table.

  python3 fla.py FOLDER [--out fla.json] [--budget-ms 200] [--widths 32,64,128] [--wait FILE]

FOLDER holds its package `fla` (https://github.com/fla-org/flash-linear-attention, a checkout); PyTorch and Triton are the host's. Causal,
q and k positive (its denominators have no constant term), forward and forward + backward as its autograd runs them, medians of
triton.testing.do_bench after its own warm-up and autotuning. float32 is Triton's default there: TF32 products. Autotuning takes minutes a
shape; with --wait, it is done for all of them first, and timing begins when FILE exists.
"""
import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--out", default="fla.json")
parser.add_argument("--budget-ms", type=int, default=200)
parser.add_argument("--widths", default="32,64,128")
parser.add_argument("--wait")
options = parser.parse_args()
sys.path.insert(0, options.folder)

import torch  # noqa: E402
import triton  # noqa: E402
from fla.ops.linear_attn import chunk_linear_attn  # noqa: E402

# batch, heads, width, dtype, normalized
GROUPS = [
    (4, 16, 64, "float32", True),
    (4, 16, 32, "float32", True),
    (4, 16, 128, "float32", True),
    (2, 16, 128, "float32", True),
    (32, 16, 32, "float32", True),
    (4, 16, 64, "float32", False),
    (4, 16, 64, "bfloat16", True),
    (4, 16, 64, "bfloat16", False),
]
TOKENS = [1024, 4096, 16384, 65536]


def inputs(batch, tokens, heads, width, dtype):
    shape = (batch, tokens, heads, width)
    q, k = (torch.rand(shape, device="cuda", dtype=torch.float32) for _ in range(2))
    v, d = (torch.randn(shape, device="cuda", dtype=torch.float32) for _ in range(2))
    return [x.to(dtype).requires_grad_() for x in (q, k, v)] + [d.to(dtype)]


def error_of_a_head(q, k, v, o):
    """Relative error of the output against the definition in float64, last batch and head, the first 4,096 tokens."""
    q, k, v, o = (x[-1, :4096, -1].detach().double() for x in (q, k, v, o))
    scores = torch.tril(q @ k.T)
    truth = (scores @ v) / scores.sum(1, keepdim=True)
    return ((o - truth).norm() / truth.norm()).item()


def measure(batch, heads, width, name, normalized, tokens):
    q, k, v, d = inputs(batch, tokens, heads, width, getattr(torch, name))

    def forward():
        return chunk_linear_attn(q, k, v, normalize=normalized)[0]

    def both():
        for x in (q, k, v):
            x.grad = None
        forward().backward(d)

    result = {"batch": batch, "heads": heads, "tokens": tokens, "width": width, "dtype": name, "normalized": normalized}
    if normalized:
        result["error"] = error_of_a_head(q, k, v, forward())
    torch.cuda.reset_peak_memory_stats()
    both()
    result["trainPeakMiB"] = torch.cuda.max_memory_allocated() / 2**20
    with torch.no_grad():
        result["forward"] = triton.testing.do_bench(forward, warmup=50, rep=options.budget_ms, return_mode="median")
    result["both"] = triton.testing.do_bench(both, warmup=50, rep=options.budget_ms, return_mode="median")
    return result


def attempt(setting):
    batch, heads, width, name, normalized, tokens = setting
    result = {"batch": batch, "heads": heads, "tokens": tokens, "width": width, "dtype": name, "normalized": normalized}
    try:
        result.update(measure(*setting))
    except Exception as error:  # noqa: BLE001: out of memory, or a kernel that does not compile: a result like others
        result["failed"] = f"{type(error).__name__}: {error}"[:200]
    torch.cuda.empty_cache()
    return result


widths = [int(width) for width in options.widths.split(",")]
settings = [(*group, tokens) for group in GROUPS if group[2] in widths for tokens in TOKENS]
if options.wait:
    for setting in settings:
        if setting[-1] == TOKENS[1]:
            print("tuned for", attempt(setting), flush=True)
    while not os.path.exists(options.wait):
        time.sleep(0.1)

results = []
for setting in settings:
    result = attempt(setting)
    results.append(result)
    print({key: round(value, 5) if isinstance(value, float) else value for key, value in result.items()}, flush=True)
    with open(options.out, "w") as file:
        machine = {"device": torch.cuda.get_device_name(), "torch": torch.__version__, "triton": triton.__version__}
        json.dump({**machine, "results": results}, file, indent=1)
