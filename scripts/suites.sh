#!/bin/sh
# suites.sh COMMAND...: runs a `cargo test`, shows what it prints, then says how long each suite took. The exit status is the
# command's.
times=$(mktemp)
trap 'rm -f "$times"' EXIT
start=$(date +%s)
{
    "$@" 2>&1
    echo $? >"$times"
} | awk -v start="$start" -v stamp="date +%s" '
    function now(    seconds) { stamp | getline seconds; close(stamp); return seconds }
    { print; fflush() }
    # cargo: Running unittests src/lib.rs (target/debug/deps/twofold_spec-0123456789abcdef), or Doc-tests twofold_spec
    /^ +(Running|Doc-tests) / {
        if (!began) { began = now(); compile = began - start }
        name = $0
        sub(/^ +Running /, "", name); sub(/^ +Doc-tests /, "doc tests of ", name)
        if (match(name, /deps\/[^)]*/)) {
            program = substr(name, RSTART + 5, RLENGTH - 5)
            sub(/-[0-9a-f]+$/, "", program)
            sub(/ \(.*/, "", name); sub(/^unittests /, "", name)
            name = program ", " name
        }
    }
    /^test result: .* finished in / {
        seconds = $NF
        sub(/s$/, "", seconds)
        n = $0
        sub(/^[^.]*\. /, "", n); sub(/ .*/, "", n)
        order[++n_suites] = name
        took[name] += seconds; tests[name] += n
    }
    END {
        if (!began) began = now()
        printf "\n%8s %7s  suite\n%8.1f %7s  compiling, and the programs that compile\n", "seconds", "tests", began - start, ""
        for (i = 1; i <= n_suites; i++)
            if (tests[order[i]]) printf "%8.1f %7d  %s\n", took[order[i]], tests[order[i]], order[i]
    }'
status=$(cat "$times")
exit "${status:-1}"
