"""Times of other projects' block-scaled FP8 gemms on the same shapes and random data: torch._scaled_mm, Triton, DeepGEMM and its grouped forms. JSON lines; a peer that is missing or
refuses a shape is a line with `skipped`."""

import json
import statistics

import torch

SHAPES = [(4096, 7168, 16384), (4096, 4096, 7168), (4096, 2112, 7168), (4096, 24576, 1536), (4096, 7168, 2048), (64, 7168, 16384), (128, 7168, 16384)]

# groups, rows of each, rows that each has room for, n, k: those of gemm.cpp.
CONTIGUOUS = [(4, 8192, 8192, 4096, 7168), (4, 8192, 8192, 7168, 2048), (8, 4096, 4096, 4096, 7168), (8, 4096, 4096, 7168, 2048)]
MASKED = [(6, 1024, 1024, 4096, 7168), (6, 1024, 1024, 7168, 2048), (32, 192, 256, 4096, 7168), (32, 20, 128, 4096, 7168)]


def operands(m, n, k, seed=1):
    torch.manual_seed(seed)
    x = torch.randn(m, k, device="cuda").view(m, k // 128, 128)
    w = torch.randn(n, k, device="cuda")
    padded = torch.zeros((n + 127) // 128 * 128, k, device="cuda")
    padded[:n] = w
    blocks = padded.view(-1, 128, k // 128, 128)
    sa = x.abs().amax(-1).clamp(1e-4) / 448
    sb = blocks.abs().amax((1, 3)).clamp(1e-4) / 448
    a = (x / sa[..., None]).to(torch.float8_e4m3fn).view(m, k)
    b = (blocks / sb[:, None, :, None]).to(torch.float8_e4m3fn).view(-1, k)[:n].contiguous()
    return a, sa, b, sb


def measure(work, runs=30):
    for _ in range(5):
        work()
    flush = torch.empty(256 << 20, dtype=torch.uint8, device="cuda")

    def once(count, cold):
        if cold:
            flush.fill_(1)
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(count):
            work()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) * 1000 / count

    cold = [once(1, True) for _ in range(runs)]
    hot = [once(20, False) for _ in range(runs)]
    return {"coldUs": statistics.median(cold), "hotUs": statistics.median(hot), "runs": runs}


def scaled_mm(a, sa, b, sb):
    column_major = sa.t().contiguous().t()
    return lambda: torch._scaled_mm(a, b.t(), scale_a=column_major, scale_b=sb.t(), out_dtype=torch.bfloat16)


def deep_gemm(a, sa, b, sb):
    import deep_gemm as library

    d = torch.empty(a.shape[0], b.shape[0], dtype=torch.bfloat16, device="cuda")

    def work():
        library.fp8_gemm_nt((a, sa), (b, sb), d)
        return d

    return work


def triton(a, sa, b, sb):
    from triton_gemm import triton_gemm

    return triton_gemm(a, sa, b, sb)


def grouped_operands(groups, room, n, k):
    made = [operands(room, n, k, seed=1 + group) for group in range(groups)]
    return [torch.stack(parts) for parts in zip(*made)]


def deep_gemm_contiguous(a, sa, b, sb, rows):
    import deep_gemm as library

    groups, room, k = a.shape
    indices = torch.arange(groups, dtype=torch.int32, device="cuda").repeat_interleave(room)
    d = torch.empty(groups * room, b.shape[1], dtype=torch.bfloat16, device="cuda")

    def work():
        library.m_grouped_fp8_gemm_nt_contiguous((a.view(-1, k), sa.view(-1, k // 128)), (b, sb), d, indices)
        return d[:rows]

    return work


def deep_gemm_masked(a, sa, b, sb, rows):
    import deep_gemm as library

    groups, room, _ = a.shape
    counts = torch.full((groups,), rows, dtype=torch.int32, device="cuda")
    d = torch.empty(groups, room, b.shape[1], dtype=torch.bfloat16, device="cuda")

    def work():
        library.m_grouped_fp8_gemm_nt_masked((a, sa), (b, sb), d, counts, rows)
        return d[0, :rows]

    return work


def expected(a, sa, b, sb):
    """The product in f64 of the first 64 rows: what every peer's output is held against before its time counts."""
    rows = a[:64].double() * sa[:64].double().repeat_interleave(128, 1)[:, : a.shape[1]]
    full = sb.double().repeat_interleave(128, 0)[: b.shape[0]].repeat_interleave(128, 1)[:, : b.shape[1]]
    return rows @ (b.double() * full).t()


def largest_error(actual, wanted):
    """Largest difference as a share of the wanted values' root mean square."""
    return ((actual[: wanted.shape[0]].double() - wanted).abs().max() / wanted.square().mean().sqrt()).item()


def report(line, flops, wanted, make):
    """Prints a peer's line: its times once its output is right, or why there are none."""
    try:
        work = make()
        error = largest_error(work(), wanted)
        if not error < 0.05:
            raise ValueError(f"the output is wrong: largest error {error:.3g} of the root mean square")
        times = measure(work)
        line |= times | {"largestError": error, "hotFlops": flops / times["hotUs"] * 1e6}
    except Exception as error:  # a peer may fail in any way; the line says how
        line["skipped"] = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    print(json.dumps(line), flush=True)


def dense():
    for m, n, k in SHAPES:
        made = operands(m, n, k)
        wanted = expected(*made)
        for name, peer in (("torch._scaled_mm", scaled_mm), ("triton", triton), ("deepgemm", deep_gemm)):
            line = {"kernel": "gemm", "implementation": name, "grouping": "dense", "m": m, "n": n, "k": k}
            report(line, 2 * m * n * k, wanted, lambda peer=peer: peer(*made))


def grouped():
    for grouping, peer, shapes in (("contiguous", deep_gemm_contiguous, CONTIGUOUS), ("masked", deep_gemm_masked, MASKED)):
        for groups, rows, room, n, k in shapes:
            made = grouped_operands(groups, room, n, k)
            wanted = expected(*(part[0] for part in made))[:rows]
            line = {"kernel": "gemm", "implementation": "deepgemm", "grouping": grouping, "groups": groups, "m": groups * rows, "n": n, "k": k}
            report(line, 2 * groups * rows * n * k, wanted, lambda: peer(*made, rows))
            del made
            torch.cuda.empty_cache()


def main():
    dense()
    grouped()


if __name__ == "__main__":
    main()
