# What bench/run.sh and bench/gpu.sh share. They source it and set: data, byol, python, raw, round, temporary.

fail() {
    echo "${0#"$PWD"/}: $*" >&2
    exit 1
}

# A number of at least 1.
check_number() {
    [[ $2 =~ ^[1-9][0-9]*$ ]] || fail "$1 $2: give a number of at least 1"
}

# The program's words, into `byol`. BYOL may hold several, as in 'env LD_LIBRARY_PATH=DIR DIR/byol'.
find_byol() {
    read -r -a byol <<<"${BYOL:-cargo run --release --quiet --bin byol --}"
}

warn_of_load() {
    local load
    load=$(cut -d' ' -f1 /proc/loadavg 2>/dev/null || echo 0)
    if awk "BEGIN { exit !($load > 0.5) }"; then
        echo "warning: the load average is $load; other programs on this machine disturb the figures" >&2
    fi
}

# The command line, without this machine's folders and without what does not change the figures.
command_shown() {
    sed -E "s#--data [^ ]+#--data DIR#; s# --(log|document) [^ ]+##g" <<<"$1"
}

# measure SUBJECT PROGRAM COMMAND...: the last line that the command prints is its result. A program that fails, or runs
# past `limit` seconds, is reported and left out; `watch` holds the words of a program that runs the command, if any.
failures=0
limit=1800
watch=()
measure() {
    local subject=$1 program=$2 shown line status=0
    shift 2
    shown="$*"
    shown=${shown//"${byol[*]}"/byol}
    shown=${shown//"$data"/DIR}
    shown=${shown//"$temporary"\/}
    shown=${shown//"$python"/python}
    [ -z "${tcmalloc:-}" ] || shown=${shown//"$tcmalloc"/"${tcmalloc##*/}"}
    line=$(timeout --kill-after=5 "$limit" "${watch[@]}" "$@" 2>"$temporary/stderr" | tail -n 1) || status=$?
    if [ "$status" = 0 ]; then
        "$python" bench/summary.py add "$raw" "$subject" "$program" "$round" "$shown" "$line" || status=$?
    else
        [ "$status" != 124 ] && [ "$status" != 137 ] || echo "stopped after $limit s" >>"$temporary/stderr"
        "$python" bench/summary.py fail "$raw" "$subject" "$program" "$round" "$shown" "$status"
        tail -n 15 "$temporary/stderr" | sed 's/^/    /' >&2
    fi
    [ "$status" = 0 ] || failures=$((failures + 1))
}

# byol's settings for the method, networks and views that the PyTorch programs have, at a batch size.
networks() {
    echo "--set method=byol --set patches=1 --set view_size=0 --set encoder=resnet18 --set stem=imagenet --set width=1.0" \
        "--set image_size=96 --set batch_size=$1 --set projector_hidden=4096 --set projection_size=256" \
        "--set optimizer=adam --set views=paper"
}

# Writes what was measured, and ends with 1 if something could not be.
finish() {
    "$python" bench/summary.py write "$raw" "$1"
    [ "$failures" = 0 ] || fail "$failures measurements failed; they are named above"
}
