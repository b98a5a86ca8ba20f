#!/usr/bin/env bash
# Copyright 2026 The mat_ros Authors
# SPDX-License-Identifier: Apache-2.0
#
# Make, repair or confirm .venv:  scripts/setup_venv.sh EXTRA...
#
# A second run only compares fingerprints. The script repairs a broken .venv in place when pip can repair it, and makes
# a new one otherwise. A .venv is broken after an interrupted install, when files of a package or its Python are
# deleted, or when its folder was moved. When the new .venv fails too, for example without a network, the script
# restores the old one. PYTHON=... chooses the Python, also for an existing .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requested="$*"
venv=$PWD/.venv
stamp=$venv/mat_ros_setup # lines: fingerprint, extras, packages, packages that lack files since their installation
log=$venv/mat_ros_setup.log
tell_every=${MAT_ROS_SETUP_TELLS:-5} # seconds between two lines about the progress

say() { echo "setup: $*" >&2; }
fail() { say "$*"; exit 1; }

# --- the present state -----------------------------------------------------------------------------------------------

python_runs() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2> /dev/null; }
version_of() { "$1" -c 'import sys; print(sys.version)' 2> /dev/null || true; }

# Print why .venv cannot be repaired, or nothing where it can. A moved .venv still runs, but its scripts name the old
# path.
what_ails_venv() {
  local python=$venv/bin/python
  if ! "$python" -c 'import pip' 2> /dev/null; then
    echo "is broken"
  elif ! grep -qsF "$venv" "$venv/bin/activate"; then
    echo "was moved here, or is incomplete"
  elif ! python_runs "$python"; then
    echo "has a Python that is not one from 3.10 to 3.13"
  elif [ -n "${PYTHON:-}" ] && [ "$(version_of "$PYTHON")" != "$(version_of "$python")" ]; then
    echo "was not made by PYTHON=$PYTHON"
  fi
}

# Print everything that compiled or installed files depend on, which excludes the sources of plain Python.
fingerprint() {
  {
    "$venv/bin/python" -c 'import sys; print(sys.version, sys.prefix)'
    sha256sum pyproject.toml setup.py scripts/build_*.py scripts/setup_venv.sh
    find msg srv mat_ros/backends/native mat_ros/nodes/native -name '*.msg' -o -name '*.srv' -o -name '*.cpp' \
      -o -name '*.h' 2> /dev/null | LC_ALL=C sort | xargs -r sha256sum
  } | sha256sum | cut -d ' ' -f 1
}

installed_extras() { [ -f "$stamp" ] && sed -n 2p "$stamp" || true; }

# Check one module for each part of an extra. Quick modules are imported, which finds an incomplete package.
venv_keeps_its_promises() {
  "$venv/bin/python" - $1 << 'PYTHON' 2>> "$log"
import importlib, importlib.util, platform, sys
extras = set(sys.argv[1:])
quick, slow = ["numpy", "yaml", "rich", "safetensors"], []
if "ros" in extras and sys.platform == "linux" and platform.machine() == "x86_64":
    quick += ["rclpy", "sensor_msgs.msg", "mat_ros.msg"]
if extras & {"sim", "train"}:
    slow += ["mujoco"]
if "train" in extras:
    slow += ["torch", "onnx", "gymnasium"]
if "record" in extras:
    quick += ["mcap"]
if "dev" in extras:
    quick += ["pytest", "hypothesis"]
if "colcon" in extras:
    slow += ["colcon_core"]
for name in quick:
    importlib.import_module(name)
absent = [name for name in slow if importlib.util.find_spec(name) is None]
sys.exit(f"not installed: {absent}" if absent else 0)
PYTHON
}

installed_packages() { ls "$venv"/lib/python3.*/site-packages | grep '^[^~].*\.dist-info$' | xargs; }

# Print the packages with deleted files, as requirements. Deleted bytecode does not count.
damaged_packages() {
  "$venv/bin/python" - $(sed -n 3p "$stamp" 2> /dev/null) << 'PYTHON'
import csv, os, sys, sysconfig
os.chdir(sysconfig.get_path("purelib"))
present = [name for name in os.listdir() if name.endswith(".dist-info") and not name.startswith("~")]
names = {info.partition("-")[0] for info in present}
lost = [info for info in sys.argv[1:] if info.partition("-")[0] not in names]
for info in sorted(present + lost):
    try:
        with open(f"{info}/RECORD", newline="", encoding="utf-8") as record:
            files = [row[0] for row in csv.reader(record) if row and not row[0].endswith(".pyc")]
    except FileNotFoundError:  # pip writes RECORD last
        files = [f"{info}/RECORD"]
    if not all(map(os.path.exists, files)):
        name, _, version = info.removesuffix(".dist-info").partition("-")
        print(f"{name}=={version}")
PYTHON
}

is_up_to_date() {
  [ -f "$stamp" ] && [ "$(sed -n 1p "$stamp")" = "$(fingerprint)" ] || return 1
  local extra
  for extra in $requested; do
    [[ " $(installed_extras) " == *" $extra "* ]] || return 1
  done
  [ "$(damaged_packages | xargs)" = "$(sed -n 4p "$stamp")" ] && venv_keeps_its_promises "$(installed_extras)"
}

# --- packages of the system ------------------------------------------------------------------------------------------

python_has_venv() { "$1" -c 'import ensurepip, venv' 2> /dev/null; }
python_has_header() {
  "$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))'
}

python_draws() {
  "$1" -c 'from ctypes.util import find_library as f; exit(not (f("EGL") and (f("OpenGL") or f("GL"))))'
}

install_system_packages() {
  local become=()
  if [ "$(id -u)" != 0 ]; then become=(sudo -n); fi
  local line="apt-get install -y --no-install-recommends $*"
  if ! command -v apt-get > /dev/null; then
    fail "please install what Debian calls: $* (or choose another Python with PYTHON=...), then run this again"
  elif [ "$(id -u)" != 0 ] && ! sudo -n true 2> /dev/null; then
    fail "please run this once, then try again:  sudo $line"
  fi
  say "$line"
  { "${become[@]}" apt-get update -q && "${become[@]}" env DEBIAN_FRONTEND=noninteractive $line; } > /dev/null \
    || fail "apt failed; please run it by hand:  $line"
}

# The newest Python comes first. A Python that lacks venv or header comes only when no other Python has both.
choose_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" > /dev/null || fail "PYTHON=$PYTHON is not installed"
    python_runs "$PYTHON" || fail "PYTHON=$PYTHON is not a Python from 3.10 to 3.13"
    echo "$PYTHON" && return
  fi
  for candidate in python3.13 python3.12 python3.11 python3.10 python3; do
    if python_runs "$candidate" && python_has_venv "$candidate" && python_has_header "$candidate"; then
      echo "$candidate" && return
    fi
  done
  echo /usr/bin/python3
}

# The libraries that draw the pictures of reports are installed with the others. Without them only the pictures fail, so
# their absence stops no setup.
prepare_system() {
  local python=$1 packages=() pictures=()
  if [[ " $requested " == *" sim "* ]]; then pictures=(libegl1 libopengl0 libgl1-mesa-dri); fi
  if [ -x "$python" ] || command -v "$python" > /dev/null; then
    python_runs "$python" || fail "$python is not a Python from 3.10 to 3.13; choose one with PYTHON=..."
    local version
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    python_has_venv "$python" || packages+=("$version-venv")
    python_has_header "$python" || packages+=("$version-dev")
    if python_draws "$python"; then pictures=(); fi
  else
    packages+=(python3 python3-venv python3-dev)
  fi
  command -v g++ > /dev/null || packages+=(g++)
  if [ ${#packages[@]} != 0 ]; then
    install_system_packages "${packages[@]}" "${pictures[@]}"
  elif [ ${#pictures[@]} != 0 ]; then
    (install_system_packages "${pictures[@]}") || say "continuing: only the pictures of reports need these packages"
  fi
}

# --- the venv --------------------------------------------------------------------------------------------------------

# Use the Python below all environments, because the found Python may be in the .venv that is moved aside.
make_venv() {
  local base
  base=$("$1" -c 'import sys; print(getattr(sys, "_base_executable", "") or sys.executable)')
  say "making .venv with $("$base" --version)"
  # An existing $venv.old comes from an interrupted run. It is better than the unfinished $venv.
  if [ -e "$venv.old" ]; then rm -rf "$venv"; elif [ -e "$venv" ]; then mv "$venv" "$venv.old"; fi
  "$base" -m venv "$venv"
}

put_old_venv_back() {
  if [ -e "$venv.old" ]; then
    cp "$log" "$venv.old/" 2> /dev/null || true
    rm -rf "$venv" && mv "$venv.old" "$venv"
  fi
}

build_requirements() {
  "$venv/bin/python" -c '
try:
    import tomllib
except ImportError:  # Python 3.10
    from pip._vendor import tomli as tomllib
print("\n".join(tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"]))'
}

install_package() {
  local extras=$1 build damaged
  rm -rf "$venv"/lib/python3.*/site-packages/~* # files that an interrupted pip put aside
  mapfile -t damaged < <(damaged_packages | grep -v '^mat_ros==')
  # pip 23.0, which Python 3.10 and Debian 12 contain, tries versions of all packages for too long.
  "$venv/bin/python" -m pip install 'pip>=25.1,<27' || true # without a network the old pip is enough
  # Without build isolation pip compiles a changed message in seconds, with the same wheels that will run it.
  mapfile -t build < <(build_requirements)
  { [ ${#damaged[@]} = 0 ] || "$venv/bin/python" -m pip install --ignore-installed --no-deps "${damaged[@]}"; } \
    && "$venv/bin/python" -m pip install "${build[@]}" \
    && "$venv/bin/python" -m pip install --no-build-isolation --editable ".[${extras// /,}]" \
    && link_into_ament_index
} >> "$log" 2>&1

# An editable install leaves out data_files, so ROS's tools find launch files and nodes through these links.
link_into_ament_index() {
  mkdir -p "$venv/share/ament_index/resource_index/packages" "$venv/lib/mat_ros"
  touch "$venv/share/ament_index/resource_index/packages/mat_ros"
  ln -sfn "$PWD" "$venv/share/mat_ros"
  local name
  for name in $(grep '^[a-z]' scripts/executables.txt); do
    ln -sf "$PWD/scripts/run_node" "$venv/lib/mat_ros/$name"
  done
}

# Print now and then what pip does and how much is left. pip's log names each package that it fetches. pip installs
# them together at the end, and each one then has a folder of facts in the .venv.
tell_progress() {
  local began=$SECONDS wanted fetched now total before="" spent pause
  exec {pause}<> <(:) # nobody writes into it, so that reading waits; a `sleep` would outlive this function
  while ! read -r -t "$tell_every" -u "$pause" && kill -0 $$ 2> /dev/null; do
    spent=$(printf '%d:%02d' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)))
    read -r wanted fetched total now < <(awk '
      /^Collecting / { wanted++ }
      /(Downloading|Using cached) [^ ]+[.]whl [(]/ { fetched++; now = $2 " " $3 " " $4; sub(/.*[/]/, "", now) }
      /^(Building|Preparing) editable/ { now = "the messages and the native library of mat_ros, which are compiled" }
      /^Installing collected packages:/ { total = split($0, names, ",") }
      /^Successfully installed/ { total = wanted = fetched = 0; now = "" }
      END { print wanted + 0, fetched + 0, total + 0, now }' "$log" 2> /dev/null) || continue
    if [ "$total" != 0 ]; then
      before=${before:-$(installed_packages | wc -w)}
      say "$spent  $(($(installed_packages | wc -w) - before)) of $total packages are installed"
    else
      before=""
      say "$spent  $fetched of $wanted packages are fetched${now:+; now $now}"
    fi
  done
}

bring_up_to_date() {
  local extras
  extras=$(printf '%s\n' $(installed_extras) $requested | sort -u | xargs)
  if [ -f "$stamp" ]; then sed -i '1s/.*/unfinished/' "$stamp"; fi
  : > "$log"
  say "installing .[${extras// /,}] and compiling the messages (the first time takes minutes)"
  local done=1 teller
  tell_progress 9>&- & # without the lock
  teller=$!
  if install_package "$extras" && venv_keeps_its_promises "$extras"; then done=0; fi
  kill "$teller" 2> /dev/null || true
  wait "$teller" 2> /dev/null || true
  if [ "$done" = 0 ]; then
    printf '%s\n' "$(fingerprint)" "$extras" "$(installed_packages)" "$(damaged_packages | xargs)" > "$stamp"
  else
    return 1
  fi
}

# When two runs start at once (from an editor and a terminal), the second waits for the first.
exec 9> .venv.lock
if command -v flock > /dev/null && ! flock -n 9; then
  say "waiting until another setup in this folder has ended"
  flock 9 || true
fi

if [ -e "$venv" ]; then
  ailment=$(what_ails_venv)
  if [ -z "$ailment" ]; then
    if is_up_to_date; then exit 0; fi
    prepare_system "$venv/bin/python"
    if bring_up_to_date; then
      rm -rf "$venv.old"
      exit 0
    fi
    ailment="cannot be repaired ($(tail -n 1 "$log"))"
  fi
  say "the existing .venv $ailment"
fi
python=$(choose_python)
prepare_system "$python"
if make_venv "$python" && bring_up_to_date; then
  rm -rf "$venv.old"
else
  tail -n 25 "$log" >&2 || true
  put_old_venv_back
  fail "failed; the whole log is in $log"
fi
