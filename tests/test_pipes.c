/* Pipes at every instruction set that has them: each op, with the group as either operand and the
 * other one an array, one group or an element, gives the bits of its elementwise kernel; so does a
 * long pipe of several ops that stores in between; at any alignment, in place, and past the caches.
 * Nothing behind the last group is written. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/pipe.h"
#include "levels.h"
#include "plan_fixture.h"
#include "suite.h"

enum { MOST = 5, GUARD = 64, BYTE = 0x5a, ARRAYS = 4 };

/* Arrays of MOST groups and a guard, at any alignment of an element. */
static char array[ARRAYS][MOST * BPI_PIPE_GROUP + GUARD + 64];
static char expected[MOST * BPI_PIPE_GROUP];

static double next_number(void) {
    static const double special[] = {0.0, -0.0, 1, -1, NAN, INFINITY, -INFINITY, 0x1p-126, 1e30};
    const int64_t which = draw(40);
    return which < 9 ? special[which] : (double)draw(2001) / 100 - 10;
}

static void fill(bp_dtype dtype, void *x, size_t bytes) {
    for (int64_t k = 0; k < (int64_t)(bytes / bp_dtype_size(dtype)); k++)
        bpi_store(dtype, x, k, next_number());
}

/* The same bits; a NaN is a NaN. */
static bool same(bp_dtype dtype, const void *a, const void *b, int64_t k) {
    const size_t item = bp_dtype_size(dtype);
    return memcmp((const char *)a + (size_t)k * item, (const char *)b + (size_t)k * item, item) ==
               0 ||
           (isnan(bpi_load(dtype, a, k)) && isnan(bpi_load(dtype, b, k)));
}

static void compare(bp_dtype dtype, const void *y, size_t bytes, const char *what) {
    for (int64_t k = 0; k < (int64_t)(bytes / bp_dtype_size(dtype)); k++)
        if (!same(dtype, y, expected, k)) /* a passing ck_assert costs a system call */
            ck_abort_msg("%s %s %s: element %lld of %zu bytes is %a, not %a", bpi_cpu_name(),
                         bp_dtype_name(dtype), what, (long long)k, bytes, bpi_load(dtype, y, k),
                         bpi_load(dtype, expected, k));
}

static void *at(int k, bp_dtype dtype, int64_t elements) {
    return array[k] + (size_t)elements * bp_dtype_size(dtype);
}

/* ---- single ops ------------------------------------------------------------------------------ */

/* y = op(x, other), or op(other, x) with `second`: in `groups` groups, in array `to`. `mask` says
 * what the other operand is: an array, one group, or with 0 an element. */
static void check_op(const bpi_pipe *pipe, bp_dtype dtype, enum bpi_map_slot slot, bool second,
                     size_t mask, int groups, int to) {
    const size_t bytes = (size_t)groups * pipe->group, item = bp_dtype_size(dtype);
    const int64_t from = draw(4), by = draw(4);
    char *x = at(0, dtype, from), *other = at(1, dtype, by);
    char *y = to == 0 ? x : to == 1 ? other : at(to, dtype, draw(4));
    const double slope = 0.25;
    static char whole[MOST * BPI_PIPE_GROUP];
    memset(array, BYTE, sizeof array);
    fill(dtype, x, bytes);
    fill(dtype, other, bytes);
    for (size_t k = 0; k < bytes; k++) /* the other operand, as it is in effect */
        whole[k] = other[mask == SIZE_MAX ? k : mask ? k % pipe->group : k % item];
    const void *operands[2] = {second ? whole : x, second ? x : whole};
    bpi_map(slot, dtype)(bytes / item, operands, expected, &slope);
    const int group = second ? BPI_PIPE_SECOND : BPI_PIPE_FIRST;
    bpi_pipe_fn *run = bpi_pipe_find(&pipe->ops, slot, group, !mask);
    const bpi_pipe_step steps[] = {{pipe->load, x, {SIZE_MAX}, 0},
                                   {run, other, {mask}, slope},
                                   {pipe->finish, y, {SIZE_MAX}, 0}};
    ck_assert(run != NULL);
    pipe->run(steps, bytes);
    compare(dtype, y, bytes, bpi_map_name(slot));
    for (size_t k = 0; k < GUARD; k++)
        if (y[bytes + k] != BYTE)
            ck_abort_msg("%s writes behind the end", bpi_map_name(slot));
}

static void ops(bp_dtype dtype) {
    const bpi_pipe *pipe = bpi_pipe_for(dtype);
    if (!pipe)
        return;
    for (const bpi_pipe_op *op = pipe->ops.op; op < pipe->ops.op + pipe->ops.count; op++)
        for (int second = 0; second < 2; second++)
            for (int groups = 0; groups <= MOST; groups++) {
                if (!(op->group & (second ? BPI_PIPE_SECOND : BPI_PIPE_FIRST)))
                    continue;
                const bool two = bpi_map_arity(op->slot) == 2;
                size_t masks[2] = {op->scalar ? 0 : SIZE_MAX, op->scalar ? 0 : pipe->slot};
                for (int how = 0; how < 2; how++) {
                    check_op(pipe, dtype, op->slot, second, masks[how], groups, 0);
                    if (two && masks[how] == SIZE_MAX) /* in place of the other one */
                        check_op(pipe, dtype, op->slot, second, masks[how], groups, 1);
                    check_op(pipe, dtype, op->slot, second, masks[how], groups, 2);
                }
            }
}

START_TEST(an_op_gives_the_bits_of_its_kernel) { at_every_level(ops); }
END_TEST

static void slots(bp_dtype dtype) {
    const bpi_pipe *pipe = bpi_pipe_for(dtype);
    if (!pipe)
        return;
    (void)dtype;
    ck_assert_uint_le(pipe->group, BPI_PIPE_GROUP);
    for (enum bpi_map_slot slot = BPI_MAP_ADD; slot < BPI_MAP_COUNT; slot++) {
        const bool found = bpi_pipe_find(&pipe->ops, slot, BPI_PIPE_FIRST, false) != NULL;
        const bool two = bpi_map_arity(slot) == 2;
        ck_assert(found || !bpi_pipe_find(&pipe->ops, slot, BPI_PIPE_SECOND, false));
        const bool other = bpi_pipe_find(&pipe->ops, slot, BPI_PIPE_SECOND, false) != NULL;
        ck_assert(!found || two == other);
    }
}

START_TEST(either_operand_can_be_the_group) { at_every_level(slots); }
END_TEST

/* ---- several --------------------------------------------------------------------------------- */

/* t = -a; s = t b; y = b - (|s| + t), where t is in one group and s handed out; in place of b. */
static void check_several(const bpi_pipe *pipe, bp_dtype dtype, bool past) {
    const size_t bytes = MOST * pipe->group, n = bytes / bp_dtype_size(dtype);
    char *a = at(0, dtype, past ? 16 : 1), *b = at(1, dtype, 3), *s = at(2, dtype, 2);
    char *y = past ? at(3, dtype, 64 / (int64_t)bp_dtype_size(dtype)) : b;
    y += past ? -(uintptr_t)y % 64 : 0;
    static char t[2 * BPI_PIPE_GROUP], whole[2][MOST * BPI_PIPE_GROUP];
    fill(dtype, a, bytes);
    fill(dtype, b, bytes);
    bpi_map(BPI_MAP_NEG, dtype)(n, (const void *[]){a}, whole[0], NULL);
    bpi_map(BPI_MAP_MUL, dtype)(n, (const void *[]){whole[0], b}, whole[1], NULL);
    memcpy(expected, whole[1], bytes);
    bpi_map(BPI_MAP_ABS, dtype)(n, (const void *[]){whole[1]}, whole[1], NULL);
    bpi_map(BPI_MAP_ADD, dtype)(n, (const void *[]){whole[1], whole[0]}, whole[1], NULL);
    bpi_map(BPI_MAP_SUB, dtype)(n, (const void *[]){b, whole[1]}, whole[1], NULL);
    const bpi_pipe_step steps[] = {
        {pipe->load, a, {SIZE_MAX}, 0},
        {pipe->fetch, a, {256}, 0},
        {bpi_pipe_find(&pipe->ops, BPI_MAP_NEG, BPI_PIPE_FIRST, false), NULL, {0}, 0},
        {pipe->store, t, {pipe->slot}, 0},
        {bpi_pipe_find(&pipe->ops, BPI_MAP_MUL, BPI_PIPE_FIRST, false), b, {SIZE_MAX}, 0},
        {pipe->store, s, {SIZE_MAX}, 0},
        {pipe->load, s, {SIZE_MAX}, 0},
        {bpi_pipe_find(&pipe->ops, BPI_MAP_ABS, BPI_PIPE_FIRST, false), NULL, {0}, 0},
        {bpi_pipe_find(&pipe->ops, BPI_MAP_ADD, BPI_PIPE_FIRST, false), t, {pipe->slot}, 0},
        {bpi_pipe_find(&pipe->ops, BPI_MAP_SUB, BPI_PIPE_SECOND, false), b, {SIZE_MAX}, 0},
        {past ? pipe->finish_past : pipe->finish, y, {SIZE_MAX}, 0}};
    pipe->run(steps, bytes);
    pipe->fence();
    compare(dtype, s, bytes, "what is stored in between");
    memcpy(expected, whole[1], bytes);
    compare(dtype, y, bytes, past ? "what is stored past the caches" : "the last result");
    for (size_t k = pipe->group; k < sizeof t; k++)
        ck_assert(t[k] == 0);
}

static void several(bp_dtype dtype) {
    const bpi_pipe *pipe = bpi_pipe_for(dtype);
    if (!pipe)
        return;
    for (int round = 0; round < 10; round++) {
        check_several(pipe, dtype, false);
        check_several(pipe, dtype, true);
    }
}

START_TEST(values_go_on_in_registers_and_are_stored_in_between) { at_every_level(several); }
END_TEST

int main(void) {
    const TTest *tests[] = {an_op_gives_the_bits_of_its_kernel, either_operand_can_be_the_group,
                            values_go_on_in_registers_and_are_stored_in_between};
    return run_tests("pipes", NULL, NULL, 60, tests, sizeof tests / sizeof *tests);
}
