"""Times of other projects' block-scaled FP8 gemms on the same shapes and random data: torch._scaled_mm, Triton, DeepGEMM. JSON lines; a peer that is missing or
refuses a shape is a line with `skipped`."""

import json
import statistics

import torch

SHAPES = [(4096, 7168, 16384), (4096, 4096, 7168), (4096, 2112, 7168), (4096, 24576, 1536), (4096, 7168, 2048), (64, 7168, 16384), (128, 7168, 16384)]


def operands(m, n, k):
    torch.manual_seed(1)
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


def expected(a, sa, b, sb):
    """The product in f64 of the first 64 rows: what every peer's output is held against before its time counts."""
    rows = a[:64].double() * sa[:64].double().repeat_interleave(128, 1)[:, : a.shape[1]]
    full = sb.double().repeat_interleave(128, 0)[: b.shape[0]].repeat_interleave(128, 1)[:, : b.shape[1]]
    return rows @ (b.double() * full).t()


def largest_error(actual, wanted):
    """Largest difference as a share of the wanted values' root mean square."""
    return ((actual[: wanted.shape[0]].double() - wanted).abs().max() / wanted.square().mean().sqrt()).item()


def main():
    for m, n, k in SHAPES:
        made = operands(m, n, k)
        wanted = expected(*made)
        for name, peer in (("torch._scaled_mm", scaled_mm), ("triton", triton), ("deepgemm", deep_gemm)):
            line = {"kernel": "gemm", "implementation": name, "m": m, "n": n, "k": k}
            try:
                work = peer(*made)
                error = largest_error(work(), wanted)
                if not error < 0.05:
                    raise ValueError(f"the output is wrong: largest error {error:.3g} of the root mean square")
                times = measure(work)
                line |= times | {"largestError": error, "hotFlops": 2 * m * n * k / times["hotUs"] * 1e6}
            except Exception as error:  # a peer may fail in any way; the line says how
                line["skipped"] = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
