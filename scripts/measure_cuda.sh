#!/usr/bin/env bash
# Measure SSH on a CUDA device, in at most ten minutes, and write everything into one new folder:
#
#   scripts/measure_cuda.sh results/measured/cuda-$(date +%F)
#   scripts/measure_cuda.sh /tmp/dry --cpu     # the same steps on the CPU, small, to see that they work
#
# Needs the extra `ssh` with a CUDA build of PyTorch, and pytest. PYTHON names another interpreter than python3.
# A step that fails or takes too long is said at the end, in steps.txt, and does not end the others; the exit code is 1.
set -u
if [ $# -lt 1 ] || { [ $# -gt 1 ] && [ "$2" != "--cpu" ]; }; then
    sed -n '2,8s/^# \{0,1\}//p' "$0"
    exit 2
fi
out=$1
if [ -e "$out" ]; then
    echo "$out exists already. Name a new folder" >&2
    exit 2
fi
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
if [ "${2:-}" = "--cpu" ]; then
    device=cpu precisions="fp32" backends="torch" architecture=ssh-tiny sizes=60x80,80x120 time=0 count=2
else
    device=cuda precisions="fp16 fp32" backends="torch cudagraphs compile" architecture=ssh-vgg16
    sizes=400x800,600x1000,800x1200,1200x1600 time=3 count=12
fi
mkdir -p "$out"
failed=0
deadline=575
SECONDS=0

# step SECONDS NAME COMMAND...: what it prints goes to NAME.txt. They share $deadline seconds.
step() {
    local limit=$1 name=$2 began=$SECONDS code
    shift 2
    if [ $device = cpu ]; then
        limit=600
    elif [ $limit -gt $((deadline - SECONDS)) ]; then
        limit=$((deadline - SECONDS))
    fi
    if [ $limit -le 0 ]; then
        echo "$name: no time left" | tee -a "$out/steps.txt"
        failed=1
        return
    fi
    timeout "$limit" "$@" >"$out/$name.txt" 2>&1
    code=$?
    [ $code -eq 0 ] || failed=1
    echo "$name: exit code $code, $((SECONDS - began)) s (limit $limit)" | tee -a "$out/steps.txt"
}

if [ $device = cuda ]; then
    step 20 device nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv
fi
# Versions, devices, and every backend against the network in numpy: parity with the CPU in fp32 is among them.
step 60 doctor "$python" -m sshbench doctor --json
SSHBENCH_TEST_DEVICE=$device step 120 tests \
    "$python" -m pytest -q -n 0 -p no:cacheprovider "$root/tests/ssh/test_on_device.py" --rootdir "$root"
# The same AP on the device as on the CPU.
for where in $(printf '%s\n' cpu $device | sort -u); do
    step 40 "sample-$where" "$python" -m sshbench eval --dataset sample --detector ssh-tiny --backend torch \
        --device $where --out "$out/sample-$where" --json
done
step 20 random "$python" -m sshbench weights random --architecture $architecture -o "$out/random.safetensors"
# Table 2 of the paper: one image, four sizes, the stages that its authors timed.
for backend in $backends; do
    for precision in $precisions; do
        [ "$backend $precision" = "compile fp32" ] && continue
        step 75 "timing-$backend-$precision" "$python" -m sshbench timing --detector ssh --weights \
            "$out/random.safetensors" --backend $backend --precision $precision --device $device --sizes $sizes \
            --min-time $time --min-count $count -o "$out/timing-$backend-$precision.json"
    done
done
# What share of the total is around the network.
deadline=598
step 20 stages "$python" "$root/scripts/stage_shares.py" "$out"/timing-*.json -o "$out/stages.csv"
rm -f "$out/random.safetensors"
cat "$out/stages.txt"
exit $failed
