#!/usr/bin/env bash
# Everything a Hopper GPU is needed for, in one go, on a machine without internet:
#
#   scripts/gpu-session.sh [--out FOLDER] [--reference PATH] [--device cuda|host] [--specs FOLDER] [--native FILE] [--quick] [--minutes N] [--steps LIST]
#
# Builds, then, what only a GPU can tell first: `probes` of the tensor cores; `check`, the fast kernels against the general ones; `specs`, every resolved spec, its
# digests held against those of a folder (a bundle's reference/) or of the digests.jsonl of another session; `bench`; `parity`, evidence where Node is;
# `sanitizer`, where compute-sanitizer is; `peers`, other projects' products; `webgpu`, WGSL on this GPU. `--steps` names some of them, with commas: a second session
# with the same --out adds to the first one's. `--minutes` ends after so many, with what was recorded until then. `--device host` rehearses it without a
# GPU; `--native` names a runner that is built already. Results: --out, or evidence/<device>-<date>, summed also where a step fails or the session is interrupted.
# Exit codes: 0 all held, 1 something differs or was left out for time, 2 usage, 3 environment.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
all_steps=probes,check,specs,bench,parity,sanitizer,peers,webgpu
device=cuda out= reference= specs=$root/specs/resolved native= quick= minutes= steps=$all_steps
need_value() { [ "$1" -ge 2 ] || { echo "$2 needs a value" >&2; exit 2; }; }
while [ $# -gt 0 ]; do
  case $1 in
    --device) need_value $# "$1"; device=$2; shift 2 ;;
    --out) need_value $# "$1"; out=$2; shift 2 ;;
    --reference) need_value $# "$1"; reference=$2; shift 2 ;;
    --specs) need_value $# "$1"; specs=$2; shift 2 ;;
    --native) need_value $# "$1"; native=$2; shift 2 ;;
    --minutes) need_value $# "$1"; minutes=$2; shift 2 ;;
    --steps) need_value $# "$1"; steps=$2; shift 2 ;;
    --quick) quick=--quick; shift ;;
    -h|--help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "unknown option $1; see --help" >&2; exit 2 ;;
  esac
done
case $device in host|cuda) ;; *) echo "--device is host or cuda, not $device" >&2; exit 2 ;; esac
case $minutes in *[!0-9]*) echo "--minutes is a whole number, not $minutes" >&2; exit 2 ;; esac
[ -n "$steps" ] || { echo "--steps names none; steps are $all_steps" >&2; exit 2; }
for step in ${steps//,/ }; do
  case ",$all_steps," in *",$step,"*) ;; *) echo "there is no step $step; steps are $all_steps" >&2; exit 2 ;; esac
done
if [ -z "$out" ]; then
  model=host
  [ "$device" = host ] || model=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1 | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9.-')
  out=$root/evidence/${model:-cuda}-$(date +%F)
fi
[ -z "$reference" ] || [ -e "$reference" ] || { echo "no folder or file $reference with reference digests" >&2; exit 3; }
[ -d "$specs" ] || { echo "no folder $specs with resolved specs; fp8lab spec export writes them" >&2; exit 3; }
mkdir -p "$out" || exit 3
work=$(mktemp -d) || exit 3
failed=0 running=
say() { echo "$1" | tee -a "$out/session.txt" >&2; }
fail() { say "   FAILED: $1"; failed=1; }
stop() { say "error: $1"; exit 3; }
finish() {
  [ -z "$running" ] || kill "$running" 2>/dev/null
  rm -rf "$work"
  (cd "$out" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

seconds_left() { echo $((minutes * 60 - SECONDS)); }
# Runs a command, SECONDS at most and no longer than --minutes: 124 or 137 where it did not end. A signal to this script need not wait for it.
within() {
  local limit=$1 status=0
  shift
  if [ -n "$minutes" ] && [ "$(seconds_left)" -lt "$limit" ]; then limit=$(seconds_left); fi
  [ "$limit" -gt 0 ] || return 124
  timeout -k 10 "$limit" "$@" &
  running=$!
  wait "$running" || status=$?
  running=
  return $status
}
# Whether a step is wanted, and there is time for it.
begin() {
  case ",$steps," in *",$1,"*) ;; *) return 1 ;; esac
  if [ -n "$minutes" ] && [ "$(seconds_left)" -le 0 ]; then fail "$1 was left out: the $minutes minutes are over"; return 1; fi
  say "== $1 (at $SECONDS s)"
}

build=${FP8LAB_BUILD:-$root/build/gpu-session}
if [ -z "$native" ]; then
  say "== build"
  cuda=OFF targets=fp8lab-native
  if [ "$device" = cuda ]; then
    cuda=ON targets="fp8lab-native fp8lab-bench fp8lab-probes"
    CUDACXX=${CUDACXX:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}
    command -v "$CUDACXX" >/dev/null || stop "no nvcc on PATH, nor as $CUDACXX: the CUDA path cannot be built"
    export CUDACXX
  fi
  mkdir -p "$build"
  [ -n "${CMAKE_GENERATOR:-}" ] || ! command -v ninja >/dev/null || export CMAKE_GENERATOR=Ninja
  # MPI is for `moe` alone, which is not run here.
  options="-DFP8LAB_CUDA=$cuda -DFP8LAB_EMULATOR=OFF -DFP8LAB_MPI=OFF -DCMAKE_UNITY_BUILD=ON"
  configure() { within 600 cmake -S "$root/native-cuda" -B "$build" $options -DFP8LAB_JSON_INCLUDE="${FP8LAB_JSON_INCLUDE:-}"; }
  # What another generator or compiler left there stands in the way.
  { configure || { rm -rf "$build/CMakeCache.txt" "$build/CMakeFiles"; configure; }; } >"$build/build.log" 2>&1 &&
    within 1200 cmake --build "$build" -j "$(nproc)" --target $targets >>"$build/build.log" 2>&1 ||
    { cp "$build/build.log" "$out/build.log"; tail -20 "$build/build.log" >&2; stop "the build failed or did not end (see build.log)"; }
else
  build=$(dirname "$native")
fi
binary() { find "$build" -name "$1" -type f -perm -u+x | head -1; }
native=${native:-$(binary fp8lab-native)}
[ -x "$native" ] || stop "no runner at ${native:-$build}"

within 60 "$native" info >"$out/info.json" || fail info
if [ "$device" = cuda ]; then
  ! grep -q '"cuda":null' "$out/info.json" || stop "$(grep -o '"cudaProblem":.*' "$out/info.json")"
  bench=$(binary fp8lab-bench) probes=$(binary fp8lab-probes)
  [ -n "$bench" ] && [ -n "$probes" ] || stop "no fp8lab-bench and fp8lab-probes in $build: the CUDA path was not built"
  # Evidence tells of the card, not of the machine it stands in.
  own='Serial Number|UUID|GUID|Board ID|Host ID|Hostname|Bus Id|Bus|Bus Location|Process ID'
  within 30 nvidia-smi -q 2>&1 | sed -E "s/(($own) *|^ +Name *):.*/\1: (left out)/I" >"$out/nvidia-smi.txt"

  if begin probes; then within 120 "$probes" >"$out/probes.jsonl" || fail "probes (see probes.jsonl)"; fi
  if begin check; then within 300 "$bench" check >"$out/check.jsonl" || fail "kernel check (see check.jsonl)"; fi
fi

digests() { grep -o '"sha256":"[0-9a-f]*"'; }
expected() { # of a spec: a file of its own in a folder, or its line of another session's digests.jsonl
  if [ -d "$reference" ]; then cat "$reference/$1.json" 2>/dev/null
  else grep -F "\"spec\":\"${1#*.}\",\"kernel\":\"${1%%.*}\"" "$reference"; fi
}
run_specs() {
  local count=0 differing=0 without=0 hung=' ' spec name kernel limit status
  : >"$out/digests.jsonl"
  for spec in "$specs"/*.json; do
    [ -e "$spec" ] || continue
    name=$(basename "$spec" .json)
    kernel=${name%%.*}
    # A kernel that hangs would take a limit for each of its specs.
    case $hung in *" $kernel "*) fail "$name was left out: an earlier $kernel did not end"; continue ;; esac
    if [ -n "$minutes" ] && [ "$(seconds_left)" -le 0 ]; then fail "specs from $name on were left out: the $minutes minutes are over"; break; fi
    count=$((count + 1)) limit=60 status=0
    ! grep -q '"large": *true' "$spec" || limit=600
    within $limit "$native" run "$spec" --device "$device" --digest >"$work/result" 2>"$work/error" || status=$?
    if [ $status = 124 ] || [ $status = 137 ]; then
      hung="$hung$kernel "
      fail "$name did not end"
      continue
    fi
    if grep -q '"code":"no-cuda-kernel"' "$work/error"; then without=$((without + 1)); continue; fi
    [ $status = 0 ] || { fail "$name: $(cat "$work/error")"; continue; }
    cat "$work/result" >>"$out/digests.jsonl"
    [ -n "$reference" ] || continue
    expected "$name" >"$work/expected" || { fail "$name has no reference digest"; continue; }
    if [ "$(digests <"$work/result")" != "$(digests <"$work/expected")" ]; then
      differing=$((differing + 1)); fail "$name differs from the reference"
    fi
  done
  [ "$count" -gt 0 ] || fail "no spec in $specs"
  [ $without = 0 ] || say "   $without specs have no CUDA kernel"
  echo "{\"device\":\"$device\",\"specs\":$count,\"withoutKernel\":$without,\"differing\":$differing,\"compared\":$([ -n "$reference" ] && echo true || echo false)}" >"$out/summary.json"
}
if begin specs; then run_specs; fi

if [ "$device" = cuda ] && begin bench; then
  # cuBLASLt where pip put it beside torch.
  blas=$(python3 -c 'import glob, nvidia; print(":".join(d for p in nvidia.__path__ for d in glob.glob(p + "/*/lib")))' 2>/dev/null)
  LD_LIBRARY_PATH=${LD_LIBRARY_PATH-}${blas:+${LD_LIBRARY_PATH:+:}$blas} within 1200 "$bench" run $quick >"$out/bench.jsonl" || fail "bench (see bench.jsonl)"
fi

node=
for one in node "$root/bin/node"; do # a bundle's own first, unless it is for another processor
  [ ! -e "$root/dist/cli.js" ] || ! "$one" --version >/dev/null 2>&1 || node=$one
done
fp8lab() { local limit=$1; shift; FP8LAB_NATIVE=$native within "$limit" "$node" "$root/dist/cli.js" "$@" 2>"$work/log"; }
if [ -z "$node" ]; then
  say "   no Node with a built command line here: digests only, no evidence by parity"
elif begin parity; then
  # The reference is slow next to the runner, so the whole suite has a limit; what was recorded until then stays.
  fp8lab 1500 parity "$specs" --backends "native:$device" --record "$out/parity" >"$out/parity.txt" || { cat "$work/log" >>"$out/parity.txt"; fail "parity (see parity.txt)"; }
fi

# Runs a command under memcheck. A tool that cannot work on this machine gives no summary: that is no failure of the kernels.
memcheck() {
  within 120 compute-sanitizer --tool memcheck --error-exitcode 1 "${@:2}" >"$work/memcheck" 2>&1
  local status=$?
  { echo "== $1"; cat "$work/memcheck"; } >>"$out/sanitizer.txt"
  if ! grep -q 'ERROR SUMMARY' "$work/memcheck"; then say "   compute-sanitizer gave no summary of $1 (see sanitizer.txt)"
  elif [ $status != 0 ]; then fail "compute-sanitizer on $1 (see sanitizer.txt)"; fi
}
sanitize() {
  command -v compute-sanitizer >/dev/null || { say "   compute-sanitizer is not installed: left out"; return; }
  : >"$out/sanitizer.txt"
  for spec in "$specs"/{*.edge-ragged,grouped-gemm.*edges,dispatch.edge-masked,combine.edge-masked,gate.edge-wide}.json; do
    [ ! -e "$spec" ] || memcheck "$(basename "$spec" .json)" "$native" run "$spec" --device cuda
  done
  memcheck probes "$probes"
}
if [ "$device" = cuda ]; then
  if begin sanitizer; then sanitize; fi
  if python3 -c 'import torch' 2>/dev/null && begin peers; then
    within 600 python3 "$root/native-cuda/bench/peers.py" >"$out/peers.jsonl" 2>"$out/peers.log" || fail "peers (see peers.log)"
  fi
  if [ -n "$node" ] && begin webgpu; then
    fp8lab 900 parity "$specs" --backends webgpu:node --adapter hardware --record "$out/parity" >"$out/webgpu.txt" ||
      { cat "$work/log" >>"$out/webgpu.txt"; say "   WGSL did not run or differs (see webgpu.txt): a Vulkan driver of the GPU is needed"; }
    for tier in exact fast; do
      fp8lab 600 bench --tier "$tier" --backends webgpu:node --adapter hardware --out "$out/webgpu-$tier" >"$out/webgpu-$tier.txt" || cat "$work/log" >>"$out/webgpu-$tier.txt"
    done
  fi
fi
say "== $([ $failed = 0 ] && echo 'all held' || echo 'something differs or was left out')"
echo "$out" >&2
exit $failed
