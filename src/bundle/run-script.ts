/** The one script of a bundle: verifies it, builds, runs everything that wants the other machine. */
export const runScript = `#!/usr/bin/env bash
# Builds fp8lab's native path on this machine, runs every spec, the probes and the benchmarks, and writes evidence. No internet is needed.
#
#   ./run                        on a machine with a Hopper GPU
#   ./run --device host --quick  a rehearsal without a GPU
#
# Options are those of scripts/gpu-session.sh. Results: evidence/<device>-<date>/, which is the folder to bring home.
set -euo pipefail
cd "$(dirname "\${BASH_SOURCE[0]}")"
if [ ! -e SHA256SUMS ] || ! sha256sum --quiet -c SHA256SUMS >&2; then
  echo "error: this bundle is damaged: the files named above are missing or altered" >&2
  echo "fix: copy the archive again and compare its SHA-256 with the one that \\\`fp8lab bundle\\\` printed" >&2
  exit 4
fi
export FP8LAB_JSON_INCLUDE="$PWD/include"
reference=()
[ -z "$(ls -A reference 2>/dev/null)" ] || reference=(--reference reference)
exec scripts/gpu-session.sh --specs specs/resolved "\${reference[@]}" "$@"
`;
