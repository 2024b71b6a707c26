#!/usr/bin/env bash
# The README's program and its pieces of code, as printed there, against the installed library.
# shellcheck source-path=SCRIPTDIR disable=SC2046,SC2086,SC2154
. "$(dirname "$0")/common.sh"
fresh_folder readme
readme=$SOURCE_ROOT/README.md

# Prints the first fenced block of C in which $1 occurs.
block() {
    awk -v wanted="$1" '
        /^```c$/ { inside = 1; text = ""; next }
        /^```/   { if (inside && index(text, wanted)) { printf "%s", text; exit } inside = 0 }
        inside   { text = text $0 "\n" }' "$readme" | grep . || fail "README.md has no C with $1"
}

block 'int main' >app.c
lines=$(wc -l <app.c)
[ "$lines" -le 25 ] || fail "the program has $lines lines; 25 are the limit"

install_library
$CC -Wall -Wextra -Werror app.c -o app $(package --cflags --libs) || fail "does not build"
./app >app.out || fail "does not run"
cat app.out
[ -s app.out ] || fail "prints nothing"

# The layer and the op of one's own: what is written at the left margin of the op's block and makes
# a tensor is a statement, as is the block with the checks, which must pass.
op=$(block 'cube_op =')
{
    printf '#include <backprop.h>\n#include <stdio.h>\n\n'
    block '*residual('
    grep -v '^bp_tensor ' <<<"$op"
    cat <<'END'
int main(void) {
    bp_model *m = bp_model_new();
    bp_graph *g = bp_graph_new(m);
    bp_tensor *narrow = bp_input(g, "narrow", BP_F32, BP_SHAPE(3));
    if (bp_record(&cube_op, &narrow, 1, NULL))
        return puts("takes f32"), 1;
    bp_clear_error(g);
    bp_tensor *x = residual(bp_input(g, "x", BP_F64, BP_SHAPE(2, 3)), "layer");
    bp_write(bp_find(g, "x"), (double[]){1, -2, 3, 0.5, 2, -1});
END
    grep '^bp_tensor ' <<<"$op"
    echo 'bp_tensor *loss = bp_sum(y, BP_ALL, false);'
    block 'bp_check_op(' | sed -E 's|^(bp_check_[a-z]+\(.*\));.*|if (\1) return puts(report.text), 1;|'
    echo 'return bp_graph_free(g), bp_model_free(m), 0; }'
} >own.c
[ "$(grep -c '^if (bp_check_' own.c)" -eq 2 ] || fail "README.md does not show both checks"
$CC -Wall -Wextra -Werror own.c -o own $(package --cflags --libs) || fail "the op does not build"
./own || fail "the op does not pass"
for command in tools/quickstart tools/test; do
    [ -x "$SOURCE_ROOT/$command" ] || fail "$command is not there"
    grep -qF "$command" "$readme" || fail "README.md does not name $command"
done
