"""A block-scaled FP8 gemm in Triton: A [m, k] by 1x128, B [n, k] by 128x128, f32 scales, a promotion to f32 every 128 of k, bf16 out.

The form in which DeepSeek-V3's inference code does this product: one program a tile, `tl.dot` from zero for each 128 of k, scaled and added. Written here as a peer to
measure; its sums are those of `tl.dot` on the device, not fp8lab's contract."""

import torch
import triton
import triton.language as tl

CONFIGS = [
    triton.Config({"tile_m": m, "tile_n": n}, num_warps=warps, num_stages=stages)
    for m, n, warps, stages in ((64, 64, 4, 5), (64, 128, 4, 4), (128, 64, 4, 4), (128, 128, 8, 3), (128, 128, 8, 4), (16, 128, 4, 5))
]


@triton.autotune(configs=CONFIGS, key=["n", "k"])
@triton.jit
def kernel(a, b, sa, sb, d, m, n, k, tile_m: tl.constexpr, tile_n: tl.constexpr):
    rows = (tl.program_id(0) * tile_m + tl.arange(0, tile_m)) % m
    columns = (tl.program_id(1) * tile_n + tl.arange(0, tile_n)) % n
    inner = tl.arange(0, 128)
    blocks = tl.cdiv(k, 128)
    total = tl.zeros((tile_m, tile_n), tl.float32)
    for block in range(blocks):
        left = k - block * 128
        x = tl.load(a + rows[:, None] * k + block * 128 + inner[None, :], mask=inner[None, :] < left, other=0.0)
        y = tl.load(b + columns[None, :] * k + block * 128 + inner[:, None], mask=inner[:, None] < left, other=0.0)
        row_scale = tl.load(sa + rows * blocks + block)
        column_scale = tl.load(sb + columns // 128 * blocks + block)
        total += tl.dot(x, y) * row_scale[:, None] * column_scale[None, :]
    out_rows = tl.program_id(0) * tile_m + tl.arange(0, tile_m)
    out_columns = tl.program_id(1) * tile_n + tl.arange(0, tile_n)
    inside = (out_rows[:, None] < m) & (out_columns[None, :] < n)
    tl.store(d + out_rows[:, None].to(tl.int64) * n + out_columns[None, :], total.to(tl.bfloat16), mask=inside)


def triton_gemm(a, sa, b, sb):
    m, k = a.shape
    n = b.shape[0]
    d = torch.empty(m, n, dtype=torch.bfloat16, device=a.device)

    def work():
        kernel[lambda meta: (triton.cdiv(m, meta["tile_m"]), triton.cdiv(n, meta["tile_n"]))](a, b, sa, sb, d, m, n, k)
        return d

    return work
