/* Chains whose cheap ops run through pipes: which ops these are, and that a planned run has the
 * bits of a naive one at any size, however operands are fed and whatever is handed out, on any
 * number of threads, and where results are so large that they are written past the caches. */
#include <backprop.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"
#include "suite.h"

/* ---- comparing ------------------------------------------------------------------------------- */

static char *values_of(bp_tensor *y) {
    const size_t bytes = bpi_type_bytes(y->type);
    char *values = malloc(bytes + 1);
    ck_assert_msg(bp_read(y, values, bytes) == BP_OK, "%s", bp_error(graph));
    return values;
}

static void expect_as_naive(bp_tensor *const *y, int count, const char *what) {
    ck_assert_msg(bp_eval(y, count) == BP_OK, "%s", bp_error(graph));
    for (int k = 0; k < count; k++) {
        char *planned = values_of(y[k]);
        bp_set_executor(graph, BP_NAIVE);
        char *naive = values_of(y[k]);
        bp_set_executor(graph, BP_PLANNED);
        const size_t bytes = bpi_type_bytes(y[k]->type);
        for (int64_t i = 0; memcmp(planned, naive, bytes) != 0; i++)
            if (bpi_load(y[k]->type->dtype, planned, i) != bpi_load(y[k]->type->dtype, naive, i))
                ck_abort_msg("%s: result %d, element %lld: %a, not %a", what, k, (long long)i,
                             bpi_load(y[k]->type->dtype, planned, i),
                             bpi_load(y[k]->type->dtype, naive, i));
        free(planned);
        free(naive);
    }
}

/* An input of numbers that are rounded by nearly every op. */
static bp_tensor *numbers(const char *name, bp_dtype dtype, bp_shape shape) {
    bp_tensor *x = bp_input(graph, name, dtype, shape);
    const size_t bytes = bpi_type_bytes(x->type);
    char *values = malloc(bytes + 1);
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        bpi_store(dtype, values, k, (double)(k * 7919 % 1999) / 999 - 1 + (double)draw(3));
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    free(values);
    return x;
}

static const bpi_chain *chain_of(bp_tensor *const *y, int count) {
    const bpi_program *p = program_of(y, count);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_ptr_nonnull(p->steps[0].chain);
    return p->steps[0].chain;
}

/* ---- which ops run in pipes ------------------------------------------------------------------ */

START_TEST(cheap_ops_in_a_row_are_one_pipe) {
    const bp_shape shape = BP_SHAPE(50, 61);
    bp_tensor *x = numbers("x", BP_F32, shape), *z = numbers("z", BP_F32, shape);
    bp_tensor *y = bp_scale(bp_relu(bp_sub(z, bp_mul(x, z))), 0.7);
    const bpi_chain *c = chain_of(&y, 1);
    ck_assert_int_eq(c->ops, 4);
    ck_assert_int_eq(c->parts, 1);
    if (bpi_pipe_for(BP_F32)) { /* a load, the ops, and the end */
        ck_assert_ptr_eq(c->part[0].pipe, bpi_pipe_for(BP_F32));
        ck_assert_int_eq(c->steps, 6);
        ck_assert(c->flows && !c->part[0].past);
    } else {
        ck_assert_int_eq(c->steps, 0);
        ck_assert_ptr_null(c->part[0].pipe);
    }
    expect_as_naive(&y, 1, "one pipe");
}
END_TEST

START_TEST(other_ops_end_a_pipe) {
    bp_tensor *x = numbers("x", BP_F64, BP_SHAPE(3000)), *z = numbers("z", BP_F64, BP_SHAPE(3000));
    bp_tensor *h = bp_abs(bp_add(x, z)), *s = bp_where(bp_less(h, z), x, h);
    bp_tensor *y = bp_neg(bp_mul(s, s)), *both[] = {y, h};
    const bpi_chain *c = chain_of(both, 2);
    ck_assert_int_eq(c->ops, 6);
    ck_assert(!c->flows);
    if (bpi_pipe_for(BP_F64)) {
        ck_assert_int_eq(c->parts, 3);
        ck_assert(c->part[0].pipe && !c->part[1].pipe && c->part[2].pipe);
        ck_assert(c->part[0].end == 2 && c->part[1].end == 4 && c->part[2].end == 6);
    }
    expect_as_naive(both, 2, "three parts");
}
END_TEST

START_TEST(what_is_read_twice_is_stored_on_the_way) {
    bp_tensor *x = numbers("x", BP_F32, BP_SHAPE(2077)), *z = numbers("z", BP_F32, BP_SHAPE(2077));
    bp_tensor *a = bp_mul(x, z), *b = bp_add(a, x), *y = bp_sub(bp_mul(b, a), b);
    const bpi_chain *c = chain_of(&y, 1);
    if (bpi_pipe_for(BP_F32))
        ck_assert_int_eq(c->steps, 1 + 4 + 2 + 1); /* a and b are stored */
    expect_as_naive(&y, 1, "stored on the way");
}
END_TEST

/* ---- random chains --------------------------------------------------------------------------- */

/* An op on two values out of a pool; nothing grows much, nor becomes infinite. */
static bp_tensor *random_op(bp_tensor *a, bp_tensor *b, bp_tensor *small) {
    switch (draw(13)) {
    case 0: return bp_add(a, b);
    case 1: return bp_sub(a, b);
    case 2: return bp_sub(b, a);
    case 3: return bp_mul(a, small);
    case 4: return bp_mul(small, a);
    case 5: return bp_maximum(a, b);
    case 6: return bp_minimum(a, b);
    case 7: return bp_neg(a);
    case 8: return bp_abs(a);
    case 9: return bp_relu(a);
    case 10: return bp_leaky_relu(a, 0.3);
    case 11: return bp_div(a, bp_add(bp_abs(b), bp_full(graph, a->type->dtype, BP_SCALAR, 1.5)));
    default: return bp_where(bp_less(a, b), a, small);
    }
}

/* Operands whole, as a row, as a column and as a scalar; what several ops make of them is asked
 * for, of which the last ones read the first ones. */
static int random_chain(bp_dtype dtype, bp_shape shape, bp_tensor **asked) {
    enum { FEEDS = 6, OPS = 9 };
    const int64_t rows = shape.size[0], width = shape.size[1];
    bp_tensor *pool[FEEDS + OPS] = {
        numbers("x", dtype, shape),
        numbers("z", dtype, shape),
        draw(2) ? numbers("row", dtype, BP_SHAPE(width)) : numbers("more", dtype, shape),
        draw(2) ? numbers("column", dtype, BP_SHAPE(rows, 1)) : numbers("other", dtype, shape),
        numbers("scalar", dtype, BP_SCALAR),
        bp_full(graph, dtype, BP_SCALAR, 0.7)};
    int count = 0;
    for (int k = FEEDS; k < FEEDS + OPS; k++) {
        bp_tensor *last = pool[k > FEEDS && draw(3) ? k - 1 : draw(2)];
        bp_tensor *other = pool[draw(k)];
        pool[k] = draw(2) && other->type->shape.rank == 2 && k > FEEDS
                      ? random_op(other, last, pool[2 + draw(4)])
                      : random_op(last, other, pool[2 + draw(4)]);
        if (k + 1 == FEEDS + OPS || !draw(5))
            asked[count++] = pool[k];
    }
    return count;
}

START_TEST(random_chains_have_the_bits_of_naive_runs) {
    static const int64_t widths[] = {1, 3, 31, 64, 65, 128, 257, 1000, 1024, 1500};
    for (int round = 0; round < 250; round++) {
        const bp_shape shape = BP_SHAPE(draw(2) ? 1 + draw(4) : 30, widths[draw(10)]);
        const bp_dtype dtype = draw(2) ? BP_F32 : BP_F64;
        bp_tensor *asked[16];
        char what[64];
        bpi_format(what, sizeof what, "round %d, %s [%lld,%lld]", round, bp_dtype_name(dtype),
                   (long long)shape.size[0], (long long)shape.size[1]);
        const int count = random_chain(dtype, shape, asked);
        expect_as_naive(asked, count, what);
        bp_graph_reset(graph);
    }
}
END_TEST

/* Halves, whose sums are exact: of a value that nothing else needs, over whole operands alone, and
 * with others. */
START_TEST(sums_take_what_a_pipe_computes) {
    for (int64_t width = 1; width < 2000; width = width * 3 + 1) {
        double values[40];
        for (int k = 0; k < 40; k++)
            values[k] = (double)draw(64) / 2 - 16;
        bp_tensor *x = input("x", BP_SHAPE(40, 1)), *z = numbers("z", BP_F64, BP_SHAPE(1, width));
        ck_assert_int_eq(bp_write(x, values), BP_OK);
        bp_tensor *w = bp_where(bp_less(z, x), bp_full(graph, BP_F64, BP_SCALAR, 0.5), x);
        bp_tensor *y = bp_neg(bp_mul(bp_add(w, x), w));
        bp_tensor *asked[] = {bp_sum(y, BP_ALL, false), bp_sum(y, BP_AXES(0), false)};
        ck_assert_int_eq(chain_of(asked, 2)->sums, 2);
        expect_as_naive(asked, 2, "sums");
        bp_graph_reset(graph);
        bp_tensor *whole = input("whole", BP_SHAPE(40 * width));
        double *halves = malloc((size_t)(40 * width) * sizeof *halves);
        for (int64_t k = 0; k < 40 * width; k++)
            halves[k] = values[k % 40];
        ck_assert_int_eq(bp_write(whole, halves), BP_OK);
        free(halves);
        bp_tensor *sum = bp_sum(bp_neg(bp_mul(bp_abs(whole), whole)), BP_ALL, false);
        ck_assert_int_eq(chain_of(&sum, 1)->sums, 1);
        expect_as_naive(&sum, 1, "a sum of whole operands");
        bp_graph_reset(graph);
    }
}
END_TEST

/* The chain writes its result where the product was, which nobody reads any more. All numbers are
 * whole and small, so that the order of the products' sums does not matter. */
START_TEST(pipes_write_over_dying_operands) {
    bp_tensor *x[4];
    const bp_shape shapes[] = {BP_SHAPE(61, 4), BP_SHAPE(4, 67), BP_SHAPE(61, 67), BP_SHAPE(67, 2)};
    for (int k = 0; k < 4; k++) {
        float values[61 * 67];
        const char name[] = {(char)('a' + k), 0};
        for (int i = 0; i < 61 * 67; i++)
            values[i] = (float)(draw(5) - 2);
        x[k] = bp_input(graph, name, BP_F32, shapes[k]);
        ck_assert_int_eq(bp_write(x[k], values), BP_OK);
    }
    bp_tensor *m = bp_matmul(x[0], x[1]), *h = bp_sub(x[2], bp_mul(bp_sub(m, x[2]), m));
    bp_tensor *y = bp_matmul(h, x[3]);
    const bpi_program *p = program_of(&y, 1);
    ck_assert_int_eq(p->step_count, 3);
    ck_assert_int_eq(p->arena_bytes, bpi_aligned(61 * 67 * sizeof(float)));
    expect_as_naive(&y, 1, "in place");
}
END_TEST

/* ---- large ----------------------------------------------------------------------------------- */

START_TEST(the_bits_are_those_of_one_thread) {
    const int64_t n = 200 * 1000 + 7;
    bp_tensor *x = numbers("x", BP_F32, BP_SHAPE(n)), *z = numbers("z", BP_F32, BP_SHAPE(n));
    bp_tensor *y = bp_relu(bp_sub(bp_mul(x, z), bp_scale(x, 0.3)));
    char *values = values_of(x);
    for (int threads = 1; threads <= 4; threads++) {
        bp_set_threads(graph, threads);
        ck_assert_int_eq(bp_write(x, values), BP_OK); /* run again */
        expect_as_naive(&y, 1, "threads");
    }
    free(values);
}
END_TEST

/* Results of 8 MB, with operands at any alignment. */
START_TEST(large_results_are_written_past_the_caches) {
    const int64_t n = (8 << 20) / (int64_t)sizeof(float) + 35;
    bp_tensor *x = numbers("x", BP_F32, BP_SHAPE(n + 1));
    float *values = (float *)values_of(x);
    bp_tensor *z = bp_input(graph, "z", BP_F32, BP_SHAPE(n));
    ck_assert_int_eq(bp_point(z, values + 1), BP_OK);
    bp_tensor *results[] = {bp_neg(z), bp_add(z, bp_abs(z)), bp_sub(bp_scale(bp_neg(z), 0.7), z)};
    for (int k = 0; k < 3; k++) {
        const bpi_chain *c = bpi_pipe_for(BP_F32) ? chain_of(&results[k], 1) : NULL;
        ck_assert(!c || (c->flows && c->part[0].past));
        expect_as_naive(&results[k], 1, "large");
    }
    free(values);
    bp_tensor *row = numbers("row", BP_F32, BP_SHAPE(77)); /* blocks begin anywhere in a line */
    bp_tensor *many = numbers("many", BP_F32, BP_SHAPE(n / 77 + 1, 77)), *y = bp_mul(many, row);
    const bpi_chain *c = bpi_pipe_for(BP_F32) ? chain_of(&y, 1) : NULL;
    ck_assert(!c || (!c->flows && c->part[0].past));
    expect_as_naive(&y, 1, "large, by rows");
}
END_TEST

/* A variable that is written over is in the caches where it is read. */
START_TEST(a_large_variable_is_moved_in_place) {
    const int64_t n = (8 << 20) / (int64_t)sizeof(float) + 3;
    bp_tensor *w = bp_state(graph, "w", BP_F32, BP_SHAPE(n), bp_init_constant(0.3));
    bp_tensor *z = numbers("z", BP_F32, BP_SHAPE(n));
    bp_tensor *moved = bp_assign(w, bp_sub(bp_scale(w, 0.9), bp_mul(z, w)));
    const size_t bytes = (size_t)n * sizeof(float);
    float *planned = malloc(bytes), *naive = malloc(bytes), *start = malloc(bytes);
    for (int64_t k = 0; k < n; k++)
        start[k] = (float)(k % 77) / 76;
    for (int executor = 0; executor < 2; executor++) {
        ck_assert_int_eq(bp_model_write(model, "w", start, bytes), BP_OK);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        ck_assert_int_eq(bp_eval(&moved, 1), BP_OK);
        ck_assert_int_eq(bp_model_read(model, "w", executor ? naive : planned, bytes), BP_OK);
    }
    bp_set_executor(graph, BP_PLANNED);
    ck_assert(memcmp(planned, naive, bytes) == 0);
    free(planned), free(naive), free(start);
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        cheap_ops_in_a_row_are_one_pipe,         other_ops_end_a_pipe,
        what_is_read_twice_is_stored_on_the_way, random_chains_have_the_bits_of_naive_runs,
        sums_take_what_a_pipe_computes,          pipes_write_over_dying_operands,
        the_bits_are_those_of_one_thread,        large_results_are_written_past_the_caches,
        a_large_variable_is_moved_in_place,
    };
    return run_tests("chains", setup, teardown_without_failure, 120, tests,
                     sizeof tests / sizeof *tests);
}
