#!/usr/bin/env bash
# Everything a Hopper GPU is needed for, in one go, on a machine without internet:
#
#   scripts/gpu-session.sh [--out FOLDER] [--reference PATH] [--device cuda|host] [--specs FOLDER] [--native FILE] [--quick]
#
# Builds, probes the tensor cores, runs every resolved spec and holds its digests against those of a folder (a bundle's reference/) or of the
# digests.jsonl of another session, checks the fast kernels against the general ones, records evidence where Node is, runs compute-sanitizer where it is, and
# measures. `--device host` rehearses it without a GPU; `--native` names a runner that is built already. Results: --out, or evidence/<device>-<date>.
# Exit codes: 0 all held, 1 something differs, 2 usage, 3 environment.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
device=cuda out= reference= specs=$root/specs/resolved native= quick=
need_value() { [ "$1" -ge 2 ] || { echo "$2 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
  case $1 in
    --device) need_value $# "$1"; device=$2; shift 2 ;;
    --out) need_value $# "$1"; out=$2; shift 2 ;;
    --reference) need_value $# "$1"; reference=$2; shift 2 ;;
    --specs) need_value $# "$1"; specs=$2; shift 2 ;;
    --native) need_value $# "$1"; native=$2; shift 2 ;;
    --quick) quick=--quick; shift ;;
    -h|--help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option $1; see --help" >&2; exit 2 ;;
  esac
done
case $device in host|cuda) ;; *) echo "--device is host or cuda, not $device" >&2; exit 2 ;; esac
if [ -z "$out" ]; then
  model=host
  [ "$device" = host ] || model=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1 | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9.-')
  out=$root/evidence/${model:-cuda}-$(date +%F)
fi
[ -z "$reference" ] || [ -e "$reference" ] || { echo "no folder or file $reference with reference digests" >&2; exit 3; }
[ -d "$specs" ] || { echo "no folder $specs with resolved specs; fp8lab spec export writes them" >&2; exit 3; }
mkdir -p "$out" || exit 3
work=$(mktemp -d) || exit 3
trap 'rm -rf "$work"' EXIT
failed=0
step() { echo "== $1" >&2; }
fail() { echo "   FAILED: $1" >&2; failed=1; }

build=${FP8LAB_BUILD:-$root/build/gpu-session}
if [ -z "$native" ]; then
  step build
  cuda=ON; [ "$device" = host ] && cuda=OFF
  mkdir -p "$build"
  cmake -S "$root/native-cuda" -B "$build" -DFP8LAB_CUDA=$cuda -DFP8LAB_EMULATOR=OFF -DCMAKE_UNITY_BUILD=ON -DFP8LAB_JSON_INCLUDE="${FP8LAB_JSON_INCLUDE:-}" >"$build/build.log" 2>&1 &&
    cmake --build "$build" -j >>"$build/build.log" 2>&1 || { tail -20 "$build/build.log" >&2; exit 3; }
else
  build=$(dirname "$native")
fi
binary() { find "$build" -name "$1" -type f -perm -u+x | head -1; }
native=${native:-$(binary fp8lab-native)}
[ -x "$native" ] || { echo "no runner at ${native:-$build}" >&2; exit 3; }

step device
"$native" info >"$out/info.json" || fail info
if [ "$device" = cuda ]; then
  bench=$(binary fp8lab-bench) probes=$(binary fp8lab-probes)
  [ -n "$bench" ] && [ -n "$probes" ] || { echo "the CUDA path was not built: is nvcc on PATH?" >&2; exit 3; }
  nvidia-smi -q >"$out/nvidia-smi.txt" 2>&1 || true
  step probes
  timeout 120 "$probes" >"$out/probes.jsonl" || fail "probes (see probes.jsonl)"
fi

step "specs on $device"
count=0 differing=0
: >"$out/digests.jsonl"
digests() { grep -o '"sha256":"[0-9a-f]*"'; }
expected() { # of a spec: a file of its own in a folder, or its line of another session's digests.jsonl
  if [ -d "$reference" ]; then cat "$reference/$1.json" 2>/dev/null
  else grep -F "\"spec\":\"${1#*.}\",\"kernel\":\"${1%%.*}\"" "$reference"; fi
}
for spec in "$specs"/*.json; do
  [ -e "$spec" ] || continue
  name=$(basename "$spec" .json)
  count=$((count + 1))
  timeout 600 "$native" run "$spec" --device "$device" --digest >"$work/result" 2>"$work/error" || { fail "$name: $(cat "$work/error")"; continue; }
  cat "$work/result" >>"$out/digests.jsonl"
  [ -n "$reference" ] || continue
  expected "$name" >"$work/expected" || { fail "$name has no reference digest"; continue; }
  if [ "$(digests <"$work/result")" != "$(digests <"$work/expected")" ]; then
    differing=$((differing + 1)); fail "$name differs from the reference"
  fi
done
[ "$count" -gt 0 ] || fail "no spec in $specs"
echo "{\"device\":\"$device\",\"specs\":$count,\"differing\":$differing,\"compared\":$([ -n "$reference" ] && echo true || echo false)}" >"$out/summary.json"

node=$root/bin/node
[ -x "$node" ] || node=$(command -v node || true)
if [ -n "$node" ] && [ -e "$root/dist/cli.js" ]; then
  step "evidence by parity"
  # The reference is slow next to the runner, so the whole suite has a limit; what was recorded until then stays.
  FP8LAB_NATIVE=$native timeout 1500 "$node" "$root/dist/cli.js" parity "$specs" --backends "native:$device" --record "$out/parity" >"$out/parity.txt" 2>"$work/log" ||
    { cat "$work/log" >>"$out/parity.txt"; fail "parity (see parity.txt)"; }
  if [ "$device" = cuda ]; then
    step "WGSL on this GPU"
    timeout 900 "$node" "$root/dist/cli.js" parity "$specs" --backends webgpu:node --adapter hardware --record "$out/parity" >"$out/webgpu.txt" 2>"$work/log" ||
      { cat "$work/log" >>"$out/webgpu.txt"; echo "   WGSL did not run or differs (see webgpu.txt): a Vulkan driver of the GPU is needed" >&2; }
    step "WGSL bench on this GPU"
    for tier in exact fast; do
      timeout 600 "$node" "$root/dist/cli.js" bench --tier "$tier" --backends webgpu:node --adapter hardware --out "$out/webgpu-$tier" >"$out/webgpu-$tier.txt" 2>"$work/log" ||
        cat "$work/log" >>"$out/webgpu-$tier.txt"
    done
  fi
else
  echo "   no Node here: digests only, no evidence files" >&2
fi

if [ "$device" = cuda ]; then
  step "fast kernels against general ones"
  timeout 300 "$bench" check >"$out/check.jsonl" || fail "kernel check (see check.jsonl)"
  if command -v compute-sanitizer >/dev/null; then
    step compute-sanitizer
    timeout 600 compute-sanitizer --tool memcheck --error-exitcode 1 "$probes" >"$out/sanitizer.txt" 2>&1 || fail "compute-sanitizer (see sanitizer.txt)"
    small=$(find "$specs" -name '*edge*.json' | sort | head -8)
    for spec in $small; do
      timeout 300 compute-sanitizer --tool memcheck --error-exitcode 1 "$native" run "$spec" --device cuda >>"$out/sanitizer.txt" 2>&1 || fail "compute-sanitizer on $spec"
    done
  else
    echo "   compute-sanitizer is not installed: left out" >&2
  fi
  step bench
  timeout 1800 "$bench" run $quick >"$out/bench.jsonl" || fail "bench (see bench.jsonl)"
  if python3 -c 'import torch' 2>/dev/null; then
    timeout 600 python3 "$root/native-cuda/bench/peers.py" >"$out/peers.jsonl" 2>"$out/peers.log" || fail "peers (see peers.log)"
  fi
fi

# Evidence tells of the card, not of the machine it stood in.
sed -i -E 's/(Serial Number|GPU UUID|Board ID|Hostname|Bus Id|Bus Location)( *):.*/\1\2: (left out)/I' "$out/nvidia-smi.txt" 2>/dev/null || true
(cd "$out" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
step "$([ $failed = 0 ] && echo 'all held' || echo 'something differs'): $out"
exit $failed
