# shellcheck shell=bash disable=SC2154,SC2034
# lib.sh - what up, down and tour share: places, ports, processes, health.
#
# Sourced. Sets root, run, build, conf. A node is known by its number n, which
# counts from 1. Nothing here stops a process without having seen in /proc that
# it is our daemon on that node's data.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
run=${COAT_RUN_DIR:-$root/run}
build=${COAT_BUILD_DIR:-$root/build}
conf=$run/cluster.conf
me=${0##*/}

say() { echo "$me: $*"; }
die() { echo "$me: $*" >&2; exit 1; }
usage_error() { echo "$me: $* (see $me --help)" >&2; exit 2; }

# The comment at the head of the script is its help.
print_help() { sed -n '3,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$1"; }

# A number between two bounds, or a usage error that names the option.
check_number() { # OPTION VALUE LOW HIGH
    if ! [[ $2 =~ ^[0-9]{1,6}$ ]] || ((10#$2 < $3 || 10#$2 > $4)); then
        usage_error "$1 takes a number from $3 to $4, not '$2'"
    fi
}

# ---- what the data in run/ was made with ----

# Sets recorded_nodes, recorded_groups, recorded_base_port and
# recorded_initialised; empty where there is no data yet.
read_conf() {
    local key value
    recorded_nodes='' recorded_groups='' recorded_base_port=''
    recorded_initialised=''
    [ -e "$conf" ] || return 0
    while IFS='=' read -r key value; do
        case $key in
        nodes) recorded_nodes=$value ;;
        groups) recorded_groups=$value ;;
        base_port) recorded_base_port=$value ;;
        initialised) recorded_initialised=$value ;;
        esac
    done <"$conf"
    if [ -z "$recorded_nodes" ] || [ -z "$recorded_groups" ] ||
        [ -z "$recorded_base_port" ]; then
        die "$conf is damaged: it must name nodes, groups and base_port"
    fi
}

write_conf() { # INITIALISED
    cat >"$conf.new" <<END
# What this cluster was made with; written by deploy/up.
nodes=$nodes
groups=$groups
base_port=$base_port
initialised=$1
END
    mv "$conf.new" "$conf"
}

# ---- places and ports ----

node_dir() { echo "$run/n$1"; }
port_of() { echo $((base_port + 10 * $1 + $2)); } # NODE OFFSET

endpoints() { # every client address, with commas
    local n list=''
    for ((n = 1; n <= nodes; n++)); do
        list+=${list:+,}127.0.0.1:$(port_of "$n" 0)
    done
    echo "$list"
}

# The first file of that name in the build folder that can be run.
find_program() { # NAME
    local found
    found=$(find "$build" -name "$1" -type f -perm -u+x -print -quit \
        2>/dev/null)
    [ -n "$found" ] || die "$1 is not in $build: run deploy/up"
    echo "$found"
}

# ---- processes ----

# Is process PID the daemon of node N? The kernel's word, not the pid file's.
is_node() { # PID N
    local arguments dir
    [ -r "/proc/$1/cmdline" ] || return 1
    mapfile -d '' -t arguments 2>/dev/null <"/proc/$1/cmdline" || return 1
    [ ${#arguments[@]} -gt 0 ] || return 1
    [ "${arguments[0]##*/}" = coatcheckd ] || return 1
    dir=$(node_dir "$2")/data
    [[ " ${arguments[*]} " == *" --data $dir "* ]]
}

# Prints the pid of node N if it runs; fails if it does not.
node_pid() { # N
    local pid
    pid=$(cat "$(node_dir "$1")/pid" 2>/dev/null) || return 1
    [[ $pid =~ ^[0-9]+$ ]] && is_node "$pid" "$1" || return 1
    echo "$pid"
}

# Start node N in the background; its output goes to its log. Does not wait.
start_node() { # N
    local dir threads
    dir=$(node_dir "$1")
    mkdir -p "$dir/data"
    # The nodes share the machine's cores.
    threads=$(($(nproc) / nodes))
    threads=$((threads < 1 ? 1 : threads > 16 ? 16 : threads))
    touch "$dir/log"
    log_start=$(stat -c %s "$dir/log")
    # Descriptor 9 is the lock of `up`: a daemon must not keep it.
    setsid "$daemon" --data "$dir/data" \
        --listen "127.0.0.1:$(port_of "$1" 0)" \
        --peer-listen "127.0.0.1:$(port_of "$1" 1)" \
        --redis-listen "127.0.0.1:$(port_of "$1" 2)" --threads "$threads" \
        >>"$dir/log" 2>&1 </dev/null 9>&- &
    echo $! >"$dir/pid"
    disown
}

# Wait until node N listens; a daemon that died is shown by its last words.
wait_node() { # N SECONDS
    local dir end
    dir=$(node_dir "$1")
    end=$((SECONDS + $2))
    while ((SECONDS < end)); do
        if tail -c +$((log_start + 1)) "$dir/log" | grep -q node_ready; then
            return 0
        fi
        # Right after the fork it is not the daemon yet: look twice.
        if ! node_pid "$1" >/dev/null && sleep 0.3 &&
            ! node_pid "$1" >/dev/null; then
            die "node $1 did not start: $(tail -n 1 "$dir/log")" \
                "(log: $dir/log)"
        fi
        sleep 0.1
    done
    die "node $1 is not ready after $2 s: $(tail -n 1 "$dir/log")" \
        "(log: $dir/log)"
}

# Start node N if it does not run, and wait until it listens.
ensure_node() { # N
    local pid
    if pid=$(node_pid "$1"); then
        say "node $1 runs already (pid $pid)"
        return 0
    fi
    start_node "$1"
    wait_node "$1" 60
    say "node $1 started (pid $(node_pid "$1"))," \
        "clients on 127.0.0.1:$(port_of "$1" 0)"
}

# ---- what the cluster says of itself ----

# The slot of a key without a hash tag: CRC-16/XMODEM mod 16384, as
# proto/slot.h says; here so that the tour can show where a key lives.
slot_of_key() { # KEY
    local i bit byte crc=0
    for ((i = 0; i < ${#1}; i++)); do
        printf -v byte %d "'${1:i:1}"
        crc=$((crc ^ byte << 8))
        for bit in 1 2 3 4 5 6 7 8; do
            crc=$((crc & 0x8000 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1))
        done
    done
    echo $((crc % 16384))
}

# Does `coatcheck status` call the cluster healthy? Every node answers, every
# group has a leader and all of its replicas.
healthy() {
    [[ $("$cli" -o json status 2>/dev/null | tr -d '[:space:]') == \
        *'"healthy":true'* ]]
}

wait_healthy() { # SECONDS
    local end=$((SECONDS + $1)) shown=0
    until healthy; do
        if ((SECONDS >= end)); then
            "$cli" status >&2 || true
            die "not healthy after $1 s: see above, and $run/nN/log"
        fi
        [ $shown = 1 ] || say "waiting until every group has its leader"
        shown=1
        sleep 0.2
    done
}

# The node that leads the group; waits while there is none.
leader_of_group() { # GROUP
    local end=$((SECONDS + 30)) leader=''
    until [[ $leader =~ ^[0-9]+$ ]]; do
        ((SECONDS < end)) || die "group $1 has no leader"
        leader=$("$cli" status 2>/dev/null | awk -v group="$1" \
            '/^ *GROUP / { on = 1 } on && $1 == group { print $3 }')
    done
    echo "$leader"
}

group_of_slot() { # SLOT
    "$cli" -o json map | tr -d '[:space:]' |
        grep -o '"first":[0-9]*,"last":[0-9]*,"group":[0-9]*' |
        tr -c '0-9\n' ' ' |
        awk -v slot="$1" '$1 <= slot && slot <= $2 { print $3 }'
}
