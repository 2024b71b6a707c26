#!/usr/bin/env bash
# The README's program, exactly as printed there, against the installed library.
# shellcheck source-path=SCRIPTDIR disable=SC2046,SC2086,SC2154
. "$(dirname "$0")/common.sh"
fresh_folder readme
readme=$SOURCE_ROOT/README.md

# The first fenced block that holds a main function.
awk '/^```c$/ { inside = 1; text = ""; next }
     /^```/   { if (inside && text ~ /int main/) { printf "%s", text; exit } inside = 0 }
     inside   { text = text $0 "\n" }' "$readme" >app.c
[ -s app.c ] || fail "README.md has no C program"
lines=$(wc -l <app.c)
[ "$lines" -le 25 ] || fail "the program has $lines lines; 25 are the limit"

install_library
$CC -Wall -Wextra -Werror app.c -o app $(package --cflags --libs) || fail "does not build"
./app >app.out || fail "does not run"
cat app.out
[ -s app.out ] || fail "prints nothing"
for command in tools/quickstart tools/test; do
    [ -x "$SOURCE_ROOT/$command" ] || fail "$command is not there"
    grep -qF "$command" "$readme" || fail "README.md does not name $command"
done
