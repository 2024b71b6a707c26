/* Plans: what is left out, merged and reused, how state changes, when values are fresh, and that
 * a run which was made before takes no memory. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "plan/chain.h"
#include "plan/inside.h"
#include "plan/offsets.h"
#include "plan/product.h"

static bp_model *model;
static bp_graph *graph;

static void setup(void) {
    model = bp_model_new();
    graph = bp_graph_new(model);
}

static void teardown(void) {
    bp_graph_free(graph);
    bp_model_free(model);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static bp_tensor *input(const char *name, bp_shape shape) {
    return bp_input(graph, name, BP_F64, shape);
}

/* An input of a graph whose elements are first, first + 1, ... */
static bp_tensor *counting(const char *name, bp_shape shape, double first) {
    bp_tensor *x = input(name, shape);
    double values[256];
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        values[k] = first + (double)k;
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    return x;
}

static bp_tensor *state(const char *name, double value) {
    return bp_state(graph, name, BP_F64, BP_SHAPE(4), bp_init_constant(value));
}

static const bpi_program *program_of(bp_tensor *const *targets, int count) {
    bpi_request request = {.targets = targets, .count = count};
    bpi_plan *plan = bpi_plan_for(graph, &request);
    ck_assert_msg(plan != NULL, "%s", bp_error(graph));
    return &plan->program;
}

static bool is_named(const char *name, const char *op) { return !op[0] || strcmp(name, op) == 0; }

/* How often the plan of a tensor runs an op, alone or in a chain; all that it runs for "". */
static int steps_of(bp_tensor *target, const char *op) {
    const bpi_program *p = program_of(&target, 1);
    int count = 0;
    for (size_t s = 0; s < p->step_count; s++) {
        const bpi_step *step = &p->steps[s];
        for (int k = 0; step->chain && k < step->chain->ops; k++)
            count += is_named(step->chain->op[k].name, op);
        for (int k = 0; step->product && k < step->product->op_count; k++)
            count += is_named(step->product->ops[k], op);
        if (step->chain)
            count += step->chain->sums * is_named("sum", op);
        else if (!step->product)
            count += is_named(step->op ? step->op->name : "copy", op);
    }
    return count;
}

static double first_of(bp_tensor *x) {
    const double *values = bp_f64(x);
    ck_assert_msg(values != NULL, "%s", bp_error(graph));
    return values[0];
}

static double variable_of(const char *name) {
    double values[4];
    ck_assert_int_eq(bp_model_read(model, name, values, sizeof values), BP_OK);
    return values[0];
}

static void expect_failure(bp_status status, const char *words) {
    ck_assert_int_eq(bp_error_status(graph), status);
    ck_assert_msg(strstr(bp_error(graph), words) != NULL, "\"%s\" is not in \"%s\"", words,
                  bp_error(graph));
    bp_clear_error(graph);
}

/* ---- simplification -------------------------------------------------------------------------- */

START_TEST(equal_nodes_are_computed_once) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *y = bp_add(bp_exp(bp_neg(x)), bp_exp(bp_neg(x)));
    ck_assert_int_eq(steps_of(y, "exp"), 1);
    ck_assert_int_eq(steps_of(y, ""), 3);
    ck_assert_double_eq_tol(first_of(y), 2 * exp(-1.0), 1e-15);
}
END_TEST

START_TEST(equal_nodes_are_found_among_many_readers_of_one_tensor) {
    enum { SLOPES = 100 };
    bp_tensor *x = counting("x", BP_SHAPE(3), -1), *y = x;
    for (int k = 0; k < 2 * SLOPES; k++)
        y = bp_add(y, bp_leaky_relu(x, k % SLOPES / (double)SLOPES));
    ck_assert_int_eq(steps_of(y, "leaky_relu"), SLOPES);
    ck_assert_double_eq_tol(first_of(y), -1 - (SLOPES - 1), 1e-12);
}
END_TEST

START_TEST(nodes_that_differ_in_an_attribute_are_not_merged) {
    bp_tensor *x = counting("x", BP_SHAPE(3), -1);
    bp_tensor *y = bp_add(bp_leaky_relu(x, 0.25), bp_leaky_relu(x, 0.5));
    ck_assert_int_eq(steps_of(y, "leaky_relu"), 2);
    ck_assert_double_eq(first_of(y), -0.75);
}
END_TEST

START_TEST(inputs_are_not_merged) {
    bp_tensor *a = counting("a", BP_SHAPE(3), 1), *b = counting("b", BP_SHAPE(3), 2);
    bp_tensor *y = bp_sub(bp_exp(a), bp_exp(b));
    ck_assert_int_eq(steps_of(y, "exp"), 2);
    ck_assert_double_eq_tol(first_of(y), exp(1.0) - exp(2.0), 1e-14);
}
END_TEST

START_TEST(random_ops_are_not_merged_or_folded) {
    bp_tensor *x = bp_full(graph, BP_F64, BP_SHAPE(4), 1);
    bp_tensor *y = bp_add(bp_dropout(x, 0.5), bp_dropout(x, 0.5));
    ck_assert_int_eq(steps_of(y, "dropout_mask"), 2);
}
END_TEST

START_TEST(small_constants_are_folded) {
    double three[] = {3, 3, 3};
    bp_tensor *c = bp_constant(graph, BP_F64, BP_SHAPE(3), three);
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *y = bp_mul(x, bp_square(bp_add(c, c)));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq(first_of(y), 36);
}
END_TEST

START_TEST(scalars_of_the_run_are_not_folded) {
    bp_tensor *s = bp_scalar(graph, BP_F64, 2);
    bp_tensor *y = bp_square(s);
    ck_assert_int_eq(steps_of(y, "square"), 1);
    ck_assert_double_eq(bp_item(y), 4);
    bp_set_scalar(s, 3);
    ck_assert_double_eq(bp_item(y), 9);
    ck_assert_int_eq(graph->plans->count, 1);
}
END_TEST

START_TEST(a_constant_that_fails_to_fold_fails_when_run) {
    int32_t zero = 0, one = 1;
    bp_tensor *y = bp_div(bp_constant(graph, BP_I32, BP_SCALAR, &one),
                          bp_constant(graph, BP_I32, BP_SCALAR, &zero));
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_ARITHMETIC);
    expect_failure(BP_ERR_ARITHMETIC, "div");
}
END_TEST

START_TEST(what_changes_nothing_is_dropped) {
    bp_tensor *x = counting("x", BP_SHAPE(2, 3), 1);
    bp_tensor *y = bp_detach(bp_cast(bp_neg(bp_neg(bp_transpose(bp_transpose(x)))), BP_F64));
    y = bp_reshape(bp_reshape(bp_expand(y, BP_SHAPE(2, 3)), BP_SHAPE(6)), BP_SHAPE(2, 3));
    y = bp_exp(bp_mul(y, bp_full(graph, BP_F64, BP_SCALAR, 1)));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq_tol(first_of(y), exp(1.0), 1e-14);
}
END_TEST

START_TEST(dead_code_is_left_out) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1);
    bp_tensor *unused = bp_exp(x), *y = bp_square(x);
    ck_assert_ptr_nonnull(bp_add(unused, y));
    ck_assert_int_eq(steps_of(y, ""), 1);
}
END_TEST

START_TEST(transposes_are_absorbed_into_the_product) {
    bp_tensor *x = counting("x", BP_SHAPE(3, 2), 1), *y = counting("y", BP_SHAPE(4, 3), 1);
    bp_tensor *z = bp_matmul(bp_transpose(x), bp_transpose(y));
    const bpi_program *p = program_of(&z, 1);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_int_eq(p->steps[0].attr[0].as.i, 1);
    ck_assert_int_eq(p->steps[0].attr[1].as.i, 1);
    ck_assert_double_eq(first_of(z), 1 * 1 + 3 * 2 + 5 * 3);
    bp_tensor *back = bp_matmul_t(bp_transpose(x), true, bp_transpose(y), true);
    ck_assert_ptr_null(back); /* [3,2] x [4,3]: inner sizes differ */
    bp_clear_error(graph);
    back = bp_matmul_t(bp_transpose(y), true, x, false);
    p = program_of(&back, 1);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_int_eq(p->steps[0].attr[0].as.i, 0);
    ck_assert_double_eq(first_of(back), 1 * 1 + 2 * 3 + 3 * 5);
}
END_TEST

START_TEST(a_permutation_of_sizes_of_one_moves_nothing) {
    bp_tensor *x = counting("x", BP_SHAPE(1, 4), 1);
    bp_tensor *y = bp_exp(bp_transpose(x));
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert(bp_shape_equal(bp_tensor_shape(y), BP_SHAPE(4, 1)));
    ck_assert_double_eq_tol(bp_f64(y)[3], exp(4.0), 1e-12);
}
END_TEST

START_TEST(expanded_operands_are_read_where_they_are) {
    bp_tensor *x = counting("x", BP_SHAPE(3), 1), *big = counting("big", BP_SHAPE(2, 3), 10);
    bp_tensor *y = bp_mul(bp_expand(x, BP_SHAPE(2, 3)), big);
    ck_assert_int_eq(steps_of(y, ""), 1);
    ck_assert_double_eq(bp_f64(y)[5], 3 * 15);
    bp_tensor *z = bp_square(bp_neg(bp_expand(x, BP_SHAPE(2, 3)))); /* done on 3, then expanded */
    const bpi_program *p = program_of(&z, 1);
    ck_assert_int_eq(p->step_count, 2);
    ck_assert_int_eq(p->regs[p->steps[0].y].bytes, 3 * sizeof(double));
    ck_assert_double_eq(bp_f64(z)[5], 9);
}
END_TEST

START_TEST(an_expanded_factor_of_one_is_left_out) {
    bp_tensor *x = counting("x", BP_SHAPE(2, 3), 1), *one = bp_full(graph, BP_F64, BP_SCALAR, 1);
    bp_tensor *y = bp_neg(bp_mul(bp_expand(one, BP_SHAPE(2, 3)), x));
    ck_assert_int_eq(steps_of(y, "mul"), 0);
    ck_assert_double_eq(bp_f64(y)[5], -6);
}
END_TEST

/* ---- broadcasting ---------------------------------------------------------------------------- */

static uint64_t drawn = 88172645463325252u;

static int64_t draw(int64_t below) {
    drawn ^= drawn << 13; /* xorshift, Marsaglia 2003 */
    drawn ^= drawn >> 7;
    drawn ^= drawn << 17;
    return (int64_t)(drawn >> 33) % below;
}

/* A shape that broadcasts to `y`. */
static bp_shape part_of(const bp_shape *y) {
    bp_shape x = {.rank = (int)draw(y->rank + 1)};
    for (int k = 0; k < x.rank; k++)
        x.size[k] = draw(3) ? y->size[k + y->rank - x.rank] : 1;
    return x;
}

static bp_tensor *random_input(int number, bp_dtype dtype, bp_shape shape) {
    char name[32];
    bpi_format(name, sizeof name, "x%d", number);
    bp_tensor *x = bp_input(graph, name, dtype, shape);
    size_t bytes = bpi_type_bytes(x->type);
    void *values = malloc(bytes + 1);
    for (int64_t k = 0; k < bp_tensor_count(x); k++)
        bpi_store(dtype, values, k, (double)draw(2) + (dtype < BP_U8 ? 0.5 * (double)draw(7) : 0));
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    free(values);
    return x;
}

/* Planned and naive runs of a tensor must have the same bits: additions and choices are exact. */
static void expect_as_naive(bp_tensor *y) {
    size_t bytes = bpi_type_bytes(y->type);
    char *planned = malloc(bytes + 1), *naive = malloc(bytes + 1);
    bp_set_executor(graph, BP_PLANNED);
    ck_assert_msg(bp_read(y, planned, bytes) == BP_OK, "%s", bp_error(graph));
    bp_set_executor(graph, BP_NAIVE);
    ck_assert_msg(bp_read(y, naive, bytes) == BP_OK, "%s", bp_error(graph));
    bp_set_executor(graph, BP_PLANNED);
    ck_assert_mem_eq(planned, naive, bytes);
    free(planned);
    free(naive);
}

START_TEST(operands_broadcast_in_every_way) {
    static const int64_t sizes[] = {1, 2, 3, 5, 17, 40, 700};
    static const bp_dtype dtypes[] = {BP_F32, BP_F64, BP_I64, BP_U8};
    for (int round = 0; round < 100; round++) {
        bp_shape y = {.rank = (int)draw(5)};
        for (int k = 0; k < y.rank; k++)
            y.size[k] = sizes[draw(y.rank > 2 ? 6 : 7)];
        bp_dtype dtype = dtypes[draw(4)];
        bp_tensor *a = random_input(0, dtype, part_of(&y)),
                  *b = random_input(1, dtype, part_of(&y));
        bp_tensor *c = random_input(2, BP_BOOL, part_of(&y));
        expect_as_naive(bp_where(c, a, bp_add(a, b)));
        bp_graph_reset(graph);
    }
}
END_TEST

START_TEST(empty_operands_broadcast_to_nothing) {
    bp_tensor *x = input("x", BP_SHAPE(0, 3)), *row = counting("row", BP_SHAPE(3), 1);
    bp_tensor *y = bp_add(x, row);
    ck_assert_ptr_nonnull(bp_f64(y));
    bp_tensor *sum = bp_sum(y, BP_ALL, false);
    ck_assert_double_eq(bp_item(sum), 0);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

START_TEST(elementwise_results_are_written_over_dying_operands) {
    bp_tensor *x = counting("x", BP_SHAPE(10, 10), 0);
    bp_tensor *a = bp_matmul(x, x), *y = bp_matmul(bp_tanh(a), x);
    const bpi_program *p = program_of(&y, 1);
    ck_assert_int_eq(p->arena_bytes, bpi_aligned(100 * sizeof(double)));
    expect_as_naive(y);
}
END_TEST

START_TEST(what_only_a_chain_reads_gets_no_memory) {
    bp_tensor *x = counting("x", BP_SHAPE(100), 0);
    bp_tensor *y = bp_abs(bp_neg(bp_square(bp_relu(x))));
    const bpi_program *p = program_of(&y, 1);
    ck_assert_int_eq(p->step_count, 1);
    ck_assert_int_eq(p->steps[0].outputs, 1);
    ck_assert_int_eq(p->arena_bytes, 0);
    expect_as_naive(y);
}
END_TEST

START_TEST(a_chain_hands_out_what_others_read) {
    bp_tensor *x = counting("x", BP_SHAPE(3, 80), -120);
    bp_tensor *row = counting("row", BP_SHAPE(80), 1),
              *column = counting("column", BP_SHAPE(3, 1), 2);
    bp_tensor *h = bp_tanh(bp_add(bp_scale(x, 0.01), row)), *d = bp_mul(bp_sub(h, column), h);
    bp_tensor *all[] = {h, d, bp_sum(d, BP_ALL, false), bp_sum(d, BP_AXES(0), false)};
    ck_assert_int_eq(program_of(all, 4)->step_count, 1);
    bp_check_report report;
    ck_assert_msg(bp_check_plan(all, 4, &report) == BP_OK, "%s", report.text);
}
END_TEST

/* A network that learns something random: two layers, an optimizer with state. */
static bp_tensor *network(bp_tensor **x, bp_tensor **t, int64_t batch) {
    *x = bp_input(graph, "x", BP_F32, BP_SHAPE(batch, 20));
    *t = bp_input(graph, "t", BP_I64, BP_SHAPE(batch));
    bp_tensor *h = bp_relu(bp_linear(*x, "hidden", 30));
    return bp_cross_entropy(bp_linear(h, "output", 5), *t);
}

static void fill_batch(bp_tensor *x, bp_tensor *t) {
    float values[16 * 20];
    int64_t labels[16];
    int64_t batch = bp_tensor_count(t);
    for (int64_t k = 0; k < batch * 20; k++)
        values[k] = (float)draw(1000) / 500 - 1;
    for (int64_t k = 0; k < batch; k++)
        labels[k] = draw(5);
    ck_assert_int_eq(bp_write(x, values), BP_OK);
    ck_assert_int_eq(bp_write(t, labels), BP_OK);
}

/* ---- products -------------------------------------------------------------------------------- */

START_TEST(a_product_takes_up_a_bias_and_a_relu) {
    bp_tensor *x = counting("x", BP_SHAPE(2, 3, 4), -11), *w = counting("w", BP_SHAPE(4, 5), -9);
    bp_tensor *row = counting("row", BP_SHAPE(1, 5), -30),
              *column = counting("c", BP_SHAPE(3, 1), 1);
    bp_tensor *y = bp_relu(bp_add(row, bp_matmul(x, w)));
    ck_assert_int_eq(program_of(&y, 1)->step_count, 1);
    expect_as_naive(y);
    bp_tensor *z = bp_relu(bp_add(bp_matmul(x, w), column)); /* not a row: a step of its own */
    ck_assert_int_eq(program_of(&z, 1)->step_count, 2);
    expect_as_naive(z);
    bp_tensor *product = bp_matmul(x, w), *both[] = {bp_add(product, row), product};
    ck_assert_int_eq(program_of(both, 2)->step_count, 2); /* others read it */
    expect_as_naive(both[0]);
}
END_TEST

/* Assigns `value` to the variable `w`; returns the number of steps that the plan takes, and compares what
 * becomes of it with a naive run. */
static int64_t assign_as_naive(bp_tensor *w, bp_tensor *value) {
    double got[2][9], start[9] = {1, -2, 3, 0.5, 4, -1, 2, -3, 0.25};
    bp_tensor *assigned = bp_assign(w, value);
    int64_t steps = (int64_t)program_of(&assigned, 1)->step_count;
    for (int executor = 0; executor < 2; executor++) {
        ck_assert_int_eq(bp_model_write(model, "w", start, sizeof start), BP_OK);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        ck_assert_int_eq(bp_eval(&assigned, 1), BP_OK);
        ck_assert_int_eq(bp_model_read(model, "w", got[executor], sizeof got[executor]), BP_OK);
    }
    bp_set_executor(graph, BP_PLANNED);
    for (int k = 0; k < 9; k++)
        ck_assert_double_eq_tol(got[0][k], got[1][k], 1e-13);
    return steps;
}

START_TEST(a_product_is_added_to_the_variable_that_takes_the_sum) {
    bp_tensor *w = bp_state(graph, "w", BP_F64, BP_SHAPE(3, 3), bp_init_constant(0));
    bp_tensor *a = counting("a", BP_SHAPE(4, 3), -3), *b = counting("b", BP_SHAPE(4, 3), 2);
    bp_tensor *g = bp_matmul_t(a, true, b, false);
    bp_tensor *rate = bp_scalar(graph, BP_F64, 0.1), *rest = bp_scalar(graph, BP_F64, 0.9);
    ck_assert_int_eq(assign_as_naive(w, bp_sub(w, bp_mul(g, rate))), 1);
    ck_assert_int_eq(assign_as_naive(w, bp_add(bp_mul(rest, w), g)), 1);
    ck_assert_int_eq(assign_as_naive(w, bp_sub(bp_mul(w, rest), bp_mul(rate, g))), 1);
    ck_assert_int_eq(assign_as_naive(w, bp_add(g, w)), 1);
    ck_assert_int_ge(assign_as_naive(w, bp_sub(g, w)), 2);
    /* the product reads the variable too: it cannot be computed there */
    assign_as_naive(w, bp_sub(w, bp_mul(bp_matmul(w, w), rate)));
    assign_as_naive(w, bp_add(w, bp_matmul_t(w, true, g, false)));
}
END_TEST

START_TEST(a_product_moves_a_weight_by_its_momentum) {
    double trained[2][20 * 30];
    for (int executor = 0; executor < 2; executor++) {
        bp_tensor *x, *t, *loss = network(&x, &t, 16);
        bp_sgd_config config = bp_sgd_defaults();
        config.momentum = 0.9;
        bp_optimizer *sgd = bp_sgd(model, &config);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        drawn = 5;
        fill_batch(x, t);
        for (int step = 0; step < 3; step++)
            ck_assert_int_eq(bp_step(sgd, loss), BP_OK);
        float *weight = (float *)trained[executor];
        ck_assert_int_eq(bp_model_read(model, "hidden.weight", weight, 20 * 30 * sizeof *weight),
                         BP_OK);
        int moves = 0;
        const bpi_program *p = &graph->plans->first->program;
        for (size_t s = 0; s < p->step_count; s++)
            moves += p->steps[s].product && p->steps[s].outputs == 2;
        ck_assert_int_eq(moves, executor ? 0 : 2); /* of both weights */
        for (size_t k = 0; k < p->effect_count && !executor; k++)
            ck_assert(p->effects[k].direct);
        teardown();
        setup();
    }
    const float *planned = (const float *)trained[0], *naive = (const float *)trained[1];
    for (int k = 0; k < 20 * 30; k++)
        ck_assert_float_eq_tol(planned[k], naive[k], 1e-6);
}
END_TEST

START_TEST(an_operand_that_is_read_again_is_not_written_over) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1);
    bp_tensor *a = bp_neg(x), *b = bp_square(a), *y = bp_add(bp_add(b, a), a);
    ck_assert_double_eq(first_of(y), 1 - 1 - 1);
    bp_tensor *row = bp_square(x); /* broadcast: must not be overwritten while it is read */
    bp_tensor *z = bp_add(row, bp_mul(bp_reshape(row, BP_SHAPE(4, 1)), x));
    ck_assert_double_eq(bp_f64(z)[15], 16 + 64);
}
END_TEST

static void expect_good_placement(bpi_buffer *buffers, size_t count, size_t steps, double most) {
    size_t total, bound;
    ck_assert(bpi_place_buffers(buffers, count, steps, &total, &bound));
    ck_assert_msg((double)total <= most * (double)bound, "%zu bytes for %zu", total, bound);
    for (size_t a = 0; a < count; a++)
        for (size_t b = 0; b < a; b++) {
            bool in_time =
                buffers[a].first <= buffers[b].last && buffers[b].first <= buffers[a].last;
            bool in_memory = buffers[a].offset < buffers[b].offset + buffers[b].bytes &&
                             buffers[b].offset < buffers[a].offset + buffers[a].bytes;
            if (in_time && in_memory) /* millions of pairs: a ck_assert each would cost seconds */
                ck_abort_msg("buffers %zu and %zu lie on each other", a, b);
        }
}

START_TEST(buffers_that_live_together_lie_apart) {
    static bpi_buffer buffers[2600];
    for (int round = 0; round < 20; round++) {
        size_t count = round < 18 ? 50 + (size_t)draw(100) : 2600, steps = count / 2;
        for (size_t k = 0; k < count; k++) {
            uint32_t first = (uint32_t)draw((int64_t)steps), life = (uint32_t)draw(12);
            uint32_t last = first + life < steps ? first + life : (uint32_t)steps - 1;
            buffers[k] = (bpi_buffer){64 * (size_t)draw(40), 0, first, last};
        }
        expect_good_placement(buffers, count, steps, round < 18 ? 1.15 : 1.4);
    }
}
END_TEST

START_TEST(the_arena_of_a_step_is_near_the_least) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(bp_adam(model, NULL), loss), BP_OK);
    const bpi_program *p = &graph->plans->first->program;
    ck_assert_uint_gt(p->bound_bytes, 0);
    ck_assert_uint_le(10 * p->arena_bytes, 11 * p->bound_bytes);
}
END_TEST

START_TEST(a_replay_takes_no_memory) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    bp_optimizer *adam = bp_adam(model, NULL);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    uint64_t before = bpi_alloc_count();
    for (int step = 0; step < 3; step++) {
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
        ck_assert(isfinite(bp_item(loss)));
    }
    ck_assert_uint_eq(bpi_alloc_count(), before);
}
END_TEST

START_TEST(a_step_recorded_anew_takes_no_memory) {
    bp_optimizer *adam = bp_adam(model, NULL);
    uint64_t before = 0;
    for (int step = 0; step < 5; step++) {
        if (step == 2)
            before = bpi_alloc_count();
        bp_graph_reset(graph);
        bp_tensor *x, *t, *loss = network(&x, &t, 4);
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    }
    ck_assert_uint_eq(bpi_alloc_count(), before);
}
END_TEST

/* ---- finding plans --------------------------------------------------------------------------- */

START_TEST(a_plan_is_found_again_after_a_reset) {
    bp_optimizer *adam = bp_adam(model, NULL);
    for (int step = 0; step < 4; step++) {
        bp_tensor *x, *t, *loss = network(&x, &t, 16);
        fill_batch(x, t);
        ck_assert_int_eq(bp_step(adam, loss), BP_OK);
        ck_assert_int_eq(graph->plans->count, 1);
        bp_graph_reset(graph);
    }
    bp_tensor *x, *t, *loss = network(&x, &t, 8); /* another shape: another plan */
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(adam, loss), BP_OK);
    ck_assert_int_eq(graph->plans->count, 2);
}
END_TEST

START_TEST(a_plan_found_again_reads_the_new_leaves) {
    for (int round = 0; round < 3; round++) {
        bp_tensor *x = counting("x", BP_SHAPE(4), round);
        bp_tensor *y = bp_scale(bp_square(x), 10 + round);
        ck_assert_double_eq(first_of(y), round * round * (10 + round));
        ck_assert_int_eq(graph->plans->count, 1);
        bp_graph_reset(graph);
    }
}
END_TEST

START_TEST(constants_of_other_value_are_another_plan) {
    for (int round = 0; round < 3; round++) {
        bp_tensor *x = counting("x", BP_SHAPE(4), 1);
        bp_tensor *y = bp_mul(x, bp_full(graph, BP_F64, BP_SCALAR, 5 + round));
        ck_assert_double_eq(first_of(y), 5 + round);
        ck_assert_int_eq(graph->plans->count, 1 + round);
        bp_graph_reset(graph);
    }
}
END_TEST

START_TEST(equal_structures_in_one_recording_keep_their_own_values) {
    bp_tensor *a = counting("a", BP_SHAPE(4), 1), *b = counting("b", BP_SHAPE(4), 5);
    bp_tensor *ya = bp_square(a), *yb = bp_square(b);
    for (int round = 0; round < 2; round++) {
        ck_assert_double_eq(first_of(ya), 1);
        ck_assert_double_eq(first_of(yb), 25);
    }
    ck_assert_int_eq(graph->plans->count, 1);
    bp_tensor *both[] = {yb, ya};
    ck_assert_int_eq(bp_eval(both, 2), BP_OK);
    ck_assert_double_eq(first_of(ya), 1);
    ck_assert_double_eq(first_of(yb), 25);
}
END_TEST

START_TEST(old_plans_are_dropped_and_their_values_with_them) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y[BPI_PLANS_KEPT + 3];
    for (int k = 0; k < BPI_PLANS_KEPT + 3; k++) {
        y[k] = bp_mul(x, bp_full(graph, BP_F64, BP_SCALAR, k + 2));
        ck_assert_double_eq(first_of(y[k]), k + 2);
    }
    ck_assert_int_eq(graph->plans->count, BPI_PLANS_KEPT);
    ck_assert_ptr_null(y[0]->value);
    ck_assert_ptr_nonnull(y[10]->value);
    ck_assert_double_eq(first_of(y[0]), 2);
}
END_TEST

START_TEST(results_outlive_other_runs) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *a = bp_exp(x);
    const double *values = bp_f64(a);
    bp_tensor *b = bp_sum(bp_square(bp_tanh(bp_neg(x))), BP_ALL, false);
    ck_assert_double_gt(bp_item(b), 0);
    ck_assert_ptr_eq(bp_f64(a), values);
    ck_assert_double_eq_tol(values[3], exp(4.0), 1e-12);
}
END_TEST

/* ---- freshness ------------------------------------------------------------------------------- */

START_TEST(fresh_values_are_not_computed_again) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_square(x);
    ck_assert(!bpi_fresh(y));
    first_of(y);
    uint64_t stamp = y->value->stamp;
    ck_assert(bpi_fresh(y));
    ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    ck_assert_uint_eq(y->value->stamp, stamp);
    double two[] = {2, 2, 2, 2};
    bp_write(x, two);
    ck_assert(!bpi_fresh(y));
    ck_assert_double_eq(first_of(y), 4);
    bp_point(x, two);
    ck_assert(!bpi_fresh(y));
    two[0] = 3;
    bp_touch(x);
    ck_assert_double_eq(first_of(y), 9);
    two[0] = 4; /* nobody was told */
    ck_assert_double_eq(first_of(y), 9);
    bp_tensor *w = bp_exp(state("s", 0));
    ck_assert_double_eq(first_of(w), 1);
    bp_model_write(model, "s", two, sizeof two);
    ck_assert_double_eq_tol(first_of(w), exp(4.0), 1e-12);
}
END_TEST

START_TEST(after_a_step_the_loss_is_that_of_the_step) {
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SCALAR, bp_init_constant(3));
    bp_tensor *loss = bp_square(w), *other = bp_scale(w, 10);
    bp_sgd_config config = bp_sgd_defaults();
    config.lr = 0.25;
    bp_optimizer *sgd = bp_sgd(model, &config);
    ck_assert_double_eq(bp_item(other), 30);
    ck_assert_int_eq(bp_step(sgd, loss), BP_OK);
    ck_assert_double_eq(bp_item(loss), 9);   /* no new run */
    ck_assert_double_eq(bp_item(w), 1.5);    /* a parameter is always as it is */
    ck_assert_double_eq(bp_item(other), 15); /* no target: computed anew */
    ck_assert_int_eq(bp_eval(&loss, 1), BP_OK);
    ck_assert_double_eq(bp_item(loss), 9);
    double one = 1;
    bp_model_write(model, "w", &one, sizeof one);
    ck_assert_double_eq(bp_item(loss), 1);
}
END_TEST

START_TEST(random_values_are_fresh_until_the_next_step) {
    bp_tensor *x = bp_full(graph, BP_F64, BP_SHAPE(200), 1);
    bp_tensor *y = bp_dropout(x, 0.5);
    double first[200], again[200];
    ck_assert_int_eq(bp_read(y, first, sizeof first), BP_OK);
    ck_assert(bpi_fresh(y));
    bp_tick(model);
    ck_assert(!bpi_fresh(y));
    ck_assert_int_eq(bp_read(y, again, sizeof again), BP_OK);
    ck_assert_mem_ne(first, again, sizeof first);
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SHAPE(200), bp_init_constant(3));
    bp_tensor *dropped = bp_dropout(w, 0.5), *loss = bp_sum(dropped, BP_ALL, false);
    ck_assert_int_eq(bp_step_with(bp_sgd(model, NULL), loss, &dropped, 1), BP_OK);
    ck_assert(bpi_fresh(loss) && bpi_fresh(dropped)); /* although the step has counted on */
}
END_TEST

START_TEST(changing_the_executor_computes_anew) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_square(x);
    first_of(y);
    bp_set_executor(graph, BP_NAIVE);
    ck_assert(!bpi_fresh(y));
    ck_assert_double_eq(first_of(y), 1);
    ck_assert_int_eq(graph->plans->count, 2);
}
END_TEST

/* ---- state ----------------------------------------------------------------------------------- */

static void set_state(const char *name, double value) {
    double values[] = {value, value, value, value};
    ck_assert_int_eq(bp_model_write(model, name, values, sizeof values), BP_OK);
}

START_TEST(assignments_read_old_values) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = state("a", 0), *b = state("b", 0);
        set_state("a", 1);
        set_state("b", 10);
        bp_tensor *sum = bp_add(a, b);
        bp_tensor *targets[] = {bp_assign(a, sum), bp_assign(b, bp_sub(a, b)), bp_square(a)};
        ck_assert_msg(bp_eval(targets, 3) == BP_OK, "%s", bp_error(graph));
        ck_assert_double_eq(variable_of("a"), 11);
        ck_assert_double_eq(variable_of("b"), -9);
        ck_assert_double_eq(first_of(targets[0]), 11);
        ck_assert_double_eq(first_of(targets[2]), 1);
    }
}
END_TEST

START_TEST(assignments_swap) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = state("a", 0), *b = state("b", 0);
        set_state("a", 1);
        set_state("b", 2);
        bp_tensor *targets[] = {bp_assign(a, b), bp_assign(b, a), bp_detach(a)};
        ck_assert_int_eq(bp_eval(targets, 3), BP_OK);
        ck_assert_double_eq(variable_of("a"), 2);
        ck_assert_double_eq(variable_of("b"), 1);
        ck_assert_double_eq(first_of(targets[2]), 1); /* a copy of the old value */
    }
}
END_TEST

START_TEST(an_effect_runs_at_every_evaluation_and_not_when_read) {
    bp_tensor *n = state("n", 0), *one = bp_full(graph, BP_F64, BP_SHAPE(4), 1);
    bp_tensor *counted = bp_assign(n, bp_add(n, one)), *twice = bp_add(counted, counted);
    ck_assert_int_eq(bp_eval(&counted, 1), BP_OK);
    ck_assert_int_eq(bp_eval(&counted, 1), BP_OK);
    ck_assert_double_eq(first_of(counted), 2);
    ck_assert_double_eq(first_of(counted), 2);
    ck_assert_double_eq(first_of(twice), 6); /* reads the new value, and has run once more */
    ck_assert_double_eq(variable_of("n"), 3);
}
END_TEST

START_TEST(two_values_for_one_variable_are_refused) {
    bp_tensor *a = state("a", 1);
    bp_tensor *targets[] = {bp_assign(a, bp_neg(a)), bp_assign(a, bp_square(a))};
    ck_assert_int_eq(bp_eval(targets, 2), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "two different values");
    bp_tensor *same[] = {targets[0], bp_assign(a, bp_neg(a))};
    ck_assert_int_eq(bp_eval(same, 2), BP_OK);
    ck_assert_double_eq(variable_of("a"), -1);
}
END_TEST

START_TEST(a_failed_run_changes_no_state) {
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = state("a", 1), *b = state("b", 1), *rows = state("rows", 2);
        set_state("a", 1);
        set_state("b", 1);
        bp_tensor *index = bp_input(graph, "index", BP_I64, BP_SHAPE(2));
        int64_t wrong[] = {0, 7}, right[] = {0, 3};
        bp_write(index, wrong);
        bp_tensor *targets[] = {bp_assign(a, bp_exp(a)), bp_gather(rows, index, 0),
                                bp_assign(b, bp_add(b, b))};
        ck_assert_int_eq(bp_eval(targets, 3), BP_ERR_VALUE);
        expect_failure(BP_ERR_VALUE, "gather");
        ck_assert_double_eq(variable_of("a"), 1);
        ck_assert_double_eq(variable_of("b"), 1);
        ck_assert_ptr_null(targets[1]->value);
        bp_write(index, right);
        ck_assert_int_eq(bp_eval(targets, 3), BP_OK);
        ck_assert_double_eq_tol(variable_of("a"), exp(1.0), 1e-14);
        ck_assert_double_eq(variable_of("b"), 2);
    }
}
END_TEST

START_TEST(an_update_is_computed_in_the_variable) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    fill_batch(x, t);
    ck_assert_int_eq(bp_step(bp_adam(model, NULL), loss), BP_OK);
    const bpi_program *p = &graph->plans->first->program;
    ck_assert_uint_eq(p->effect_count, 12);
    for (size_t k = 0; k < p->effect_count; k++)
        ck_assert(p->effects[k].direct);
}
END_TEST

START_TEST(an_input_may_not_point_at_what_the_run_writes) {
    bp_tensor *x = input("x", BP_SHAPE(4)), *y = bp_exp(x);
    const double *values = bp_f64(y);
    ck_assert_double_eq(values[0], 1);
    bp_point(x, values);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "bp_write");
    double copy[4] = {2, 2, 2, 2};
    bp_write(x, copy);
    ck_assert_double_eq_tol(first_of(y), exp(2.0), 1e-14);
}
END_TEST

/* ---- executors ------------------------------------------------------------------------------- */

START_TEST(a_planned_and_a_naive_step_agree) {
    double trained[2][30 * 5];
    for (int executor = 0; executor < 2; executor++) {
        bp_model *own = bp_model_new();
        bp_graph *other = graph;
        graph = bp_graph_new(own);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *x = bp_input(graph, "x", BP_F64, BP_SHAPE(8, 20));
        double values[8 * 20];
        for (int k = 0; k < 8 * 20; k++)
            values[k] = sin(k);
        bp_write(x, values);
        bp_tensor *h = bp_dropout(bp_tanh(bp_linear(x, "hidden", 30)), 0.3);
        bp_tensor *loss =
            bp_mean(bp_square(bp_softmax(bp_linear(h, "output", 5), -1)), BP_ALL, false);
        bp_optimizer *adam = bp_adam(own, NULL);
        for (int step = 0; step < 5; step++)
            ck_assert_msg(bp_step(adam, loss) == BP_OK, "%s", bp_error(graph));
        ck_assert_int_eq(bp_model_read(own, "output.weight", trained[executor], sizeof trained[0]),
                         BP_OK);
        bp_graph_free(graph);
        bp_model_free(own);
        graph = other;
    }
    for (int k = 0; k < 30 * 5; k++)
        ck_assert_double_eq_tol(trained[0][k], trained[1][k], 1e-9);
}
END_TEST

static bp_status one_too_many(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = 0; k <= call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

static bp_status one_before(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = -1; k < call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

START_TEST(a_kernel_that_writes_outside_is_named) {
    const bp_op over = {
        .name = "overrun", .arity = 1, .operands = {{"x", false}}, .forward = one_too_many};
    const bp_op under = {
        .name = "underrun", .arity = 1, .operands = {{"x", false}}, .forward = one_before};
    bp_set_executor(graph, BP_NAIVE);
    bp_tensor *x = counting("x", BP_SHAPE(4), 1);
    bp_tensor *y = bp_record(&over, &x, 1, NULL), *z = bp_record(&under, &x, 1, NULL);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_CHECK);
    expect_failure(BP_ERR_CHECK, "overrun");
    ck_assert_int_eq(bp_eval(&z, 1), BP_ERR_CHECK);
    expect_failure(BP_ERR_CHECK, "underrun");
    bp_graph_reset(graph);
}
END_TEST

static bp_status forgetful(const bp_call *call) {
    double *y = call->y[0].data;
    for (int64_t k = 0; k + 1 < call->y[0].count; k++)
        y[k] = 1;
    return BP_OK;
}

START_TEST(naive_memory_is_poisoned) {
    const bp_op op = {
        .name = "forgetful", .arity = 1, .operands = {{"x", false}}, .forward = forgetful};
    bp_set_executor(graph, BP_NAIVE);
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_record(&op, &x, 1, NULL);
    ck_assert(isnan(bp_f64(y)[3]));
    bp_graph_reset(graph);
}
END_TEST

static bp_status plus(const bp_call *call) {
    const double *a = call->x[0].data, *b = call->x[1].data;
    double *y = call->y[0].data;
    for (int64_t k = 0; k < call->y[0].count; k++)
        y[k] = a[k] + b[k];
    return BP_OK;
}

START_TEST(elementwise_kernels_of_users_see_arrays_of_one_shape) {
    const bp_op op = {.name = "plus",
                      .arity = 2,
                      .operands = {{"a", false}, {"b", false}},
                      .flags = BP_OP_ELEMENTWISE,
                      .infer = bp_infer_broadcast,
                      .forward = plus};
    for (int executor = 0; executor < 2; executor++) {
        bp_graph_reset(graph);
        bp_set_executor(graph, executor ? BP_NAIVE : BP_PLANNED);
        bp_tensor *a = counting("a", BP_SHAPE(2, 1), 1), *b = counting("b", BP_SHAPE(3), 10);
        bp_tensor *y = bp_record(&op, (bp_tensor *[]){a, b}, 2, NULL);
        ck_assert_double_eq(first_of(y), 11);
        ck_assert_double_eq(bp_f64(y)[5], 14);
    }
    bp_graph_reset(graph);
}
END_TEST

static bp_tensor *lower_to_itself(bp_tensor *const *x, int inputs, const bp_attr *attr);
static const bp_op op_endless = {
    .name = "endless", .arity = 1, .operands = {{"x", false}}, .lower = lower_to_itself};
static bp_tensor *lower_to_itself(bp_tensor *const *x, int inputs, const bp_attr *attr) {
    return bp_record(&op_endless, x, inputs, attr);
}

START_TEST(ops_without_an_end_or_a_kernel_are_named) {
    const bp_op empty = {.name = "empty", .arity = 1, .operands = {{"x", false}}};
    bp_tensor *x = counting("x", BP_SHAPE(4), 1);
    bp_tensor *y = bp_record(&op_endless, &x, 1, NULL), *z = bp_record(&empty, &x, 1, NULL);
    ck_assert_int_eq(bp_eval(&y, 1), BP_ERR_STATE);
    expect_failure(BP_ERR_STATE, "endless");
    ck_assert_int_eq(bp_eval(&z, 1), BP_ERR_UNSUPPORTED);
    expect_failure(BP_ERR_UNSUPPORTED, "empty");
}
END_TEST

/* ---- size and shortage ----------------------------------------------------------------------- */

START_TEST(a_long_chain_is_planned_and_run) {
    bp_tensor *x = counting("x", BP_SHAPE(2), 1), *y = x;
    for (int k = 0; k < 30000; k++)
        y = k % 2 ? bp_tanh(y) : bp_add(y, x);
    bp_tensor *targets[] = {bp_sum(y, BP_ALL, false), NULL};
    targets[1] = bp_grad(targets[0], x);
    ck_assert_int_eq(bp_eval(targets, 2), BP_OK);
    ck_assert(isfinite(bp_item(targets[0])) && isfinite(bp_f64(targets[1])[0]));
}
END_TEST

START_TEST(every_allocation_may_fail) {
    bp_tensor *x, *t, *loss = network(&x, &t, 4);
    bp_optimizer *adam = bp_adam(model, NULL);
    fill_batch(x, t);
    int failures = 0;
    for (bool done = false; !done; failures++) {
        bpi_alloc_fail(failures, false);
        bp_status status = bp_step(adam, loss);
        bpi_alloc_fail(-1, false);
        done = status == BP_OK;
        ck_assert_msg(done || status == BP_ERR_MEMORY, "%s", bp_error(graph));
        ck_assert_int_eq(bp_failed(graph), !done);
        bp_clear_error(graph);
    }
    ck_assert_int_gt(failures, 20);
    ck_assert_int_eq(bp_steps(adam), 1);
    bp_tensor *y = bp_exp(loss);
    bp_set_executor(graph, BP_NAIVE);
    bp_status status = BP_ERR_MEMORY;
    for (int after = 0; status != BP_OK; after++) {
        bpi_alloc_fail(after, false);
        status = bp_eval(&y, 1);
        bpi_alloc_fail(-1, false);
        ck_assert(status == BP_OK || status == BP_ERR_MEMORY);
    }
}
END_TEST

/* ---- reading and printing -------------------------------------------------------------------- */

START_TEST(wrong_calls_are_refused_with_words) {
    bp_tensor *x = counting("x", BP_SHAPE(4), 1), *y = bp_named(bp_exp(x), "the result");
    bp_tensor *with_null[] = {x, NULL};
    ck_assert_int_eq(bp_eval(NULL, 1), BP_ERR_ARGUMENT);
    ck_assert_int_eq(bp_eval(with_null, 2), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "number 2 of 2");
    bp_graph *other = bp_graph_new(model);
    bp_tensor *foreign[] = {x, bp_input(other, "z", BP_F64, BP_SCALAR)};
    ck_assert_int_eq(bp_eval(foreign, 2), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "\"z\"");
    bp_graph_free(other);
    ck_assert_ptr_null(bp_f32(y));
    expect_failure(BP_ERR_DTYPE, "the result");
    ck_assert(isnan(bp_item(y)));
    expect_failure(BP_ERR_SHAPE, "the result");
    bp_tensor *w = bp_parameter(graph, "w", BP_F64, BP_SCALAR, bp_init_constant(3)), *none = NULL;
    ck_assert_int_eq(bp_step_with(bp_sgd(model, NULL), bp_square(w), &none, 1), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "bp_step");
    double small[3];
    ck_assert_int_eq(bp_read(y, small, sizeof small), BP_ERR_ARGUMENT);
    expect_failure(BP_ERR_ARGUMENT, "32 bytes");
    ck_assert_ptr_null(bp_data(NULL));
    ck_assert(isnan(bp_item(NULL)));
    ck_assert_int_eq(bp_read(NULL, small, 0), BP_ERR_ARGUMENT);
    ck_assert_ptr_null(bp_plan_text(NULL, 1));
}
END_TEST

START_TEST(a_plan_is_printed) {
    bp_tensor *x, *t, *loss = network(&x, &t, 16);
    const char *text = bp_plan_text(&loss, 1);
    ck_assert_ptr_nonnull(text);
    ck_assert_ptr_nonnull(
        strstr(text, "matmul+add+relu(x[16,20], hidden.weight[20,30], hidden.bias[30])"));
    ck_assert_ptr_nonnull(strstr(text, "instructions"));
    ck_assert_ptr_nonnull(strstr(text, "arena"));
    ck_assert_ptr_null(loss->value); /* printed, not run */
}
END_TEST

static bool profile_says(const char *text) { return strstr(bp_profile_text(graph), text) != NULL; }

START_TEST(runs_are_profiled) {
    bp_tensor *x = counting("a \"b\"", BP_SHAPE(8, 8), 0), *y = bp_relu(bp_matmul(x, x));
    bp_eval(&y, 1); /* before: not counted */
    ck_assert_int_eq(bp_profile(graph, true), BP_OK);
    ck_assert_str_eq(bp_profile_text(graph), "");
    for (int run = 0; run < 3; run++) {
        bp_touch(x);
        ck_assert_int_eq(bp_eval(&y, 1), BP_OK);
    }
    bp_profile(graph, false);
    bp_touch(x);
    bp_eval(&y, 1);
    ck_assert(profile_says("plan 1: 3 runs") && profile_says("matmul+relu(") &&
              profile_says("1088 flops"));
    const char *json = bp_profile_json(graph);
    ck_assert(json[0] == '[' && strstr(json, "\"runs\": 3") && strstr(json, "\"flops\": 1088"));
    ck_assert(strstr(json, "a \\u0022b\\u0022") && strstr(json, "\"ops\": \"matmul+relu\""));
    bp_profile(graph, true);
    ck_assert_str_eq(bp_profile_text(graph), ""); /* forgotten */
    ck_assert_int_eq(bp_profile(NULL, true), BP_ERR_ARGUMENT);
    ck_assert_ptr_null(bp_profile_text(NULL));
}
END_TEST

/* A chain and a product that are large enough to be cut; three shapes of what is broadcast. */
START_TEST(threads_change_no_bit) {
    enum { ROWS = 300, COLUMNS = 701 };
    static double values[ROWS * COLUMNS], got[4][ROWS * COLUMNS];
    for (int64_t k = 0; k < ROWS * COLUMNS; k++)
        values[k] = (double)draw(2000) / 1000 - 1;
    bp_tensor *x = input("x", BP_SHAPE(ROWS, COLUMNS)), *row = input("row", BP_SHAPE(COLUMNS)),
              *column = input("column", BP_SHAPE(ROWS, 1)),
              *w = input("w", BP_SHAPE(COLUMNS, COLUMNS / 2));
    static double wide[COLUMNS * (COLUMNS / 2)];
    memcpy(wide, values, sizeof wide < sizeof values ? sizeof wide : sizeof values);
    bp_write(x, values), bp_write(row, values), bp_write(column, values), bp_write(w, wide);
    bp_tensor *y = bp_tanh(bp_add(bp_mul(bp_scale(x, 3), row), column)), *z = bp_matmul(y, w);
    size_t bytes = ROWS * COLUMNS * sizeof(double), product = ROWS * (COLUMNS / 2) * sizeof(double);
    for (int threads = 1; threads <= 3; threads++) {
        bp_set_threads(graph, threads);
        bp_touch(x);
        ck_assert_int_eq(bp_read(y, got[threads], bytes), BP_OK);
        ck_assert_mem_eq(got[threads], got[1], bytes);
    }
    for (int threads = 1; threads <= 3; threads++) {
        bp_set_threads(graph, threads);
        bp_touch(x);
        ck_assert_int_eq(bp_read(z, got[threads], product), BP_OK);
        ck_assert_mem_eq(got[threads], got[1], product);
    }
}
END_TEST

/* As of a momentum that fades. Valgrind computes as if nothing were ever flushed. */
START_TEST(tiny_results_are_flushed) {
    volatile double tiny = 1e-300;
    const unsigned settings = bpi_float_settings();
    bpi_set_float_settings(bpi_flush_tiny(settings));
    volatile double expected = tiny * 1e-10;
    bpi_set_float_settings(settings);
    bp_tensor *v = state("v", tiny), *faded = bp_assign(v, bp_scale(v, 1e-10));
    ck_assert_int_eq(bp_eval(&faded, 1), BP_OK);
    ck_assert_double_eq(variable_of("v"), expected);
    ck_assert_double_gt(tiny * 1e-10, 0); /* the program's own arithmetic is as before */
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, equal_nodes_are_computed_once);
    tcase_add_test(t, equal_nodes_are_found_among_many_readers_of_one_tensor);
    tcase_add_test(t, nodes_that_differ_in_an_attribute_are_not_merged);
    tcase_add_test(t, inputs_are_not_merged);
    tcase_add_test(t, random_ops_are_not_merged_or_folded);
    tcase_add_test(t, small_constants_are_folded);
    tcase_add_test(t, scalars_of_the_run_are_not_folded);
    tcase_add_test(t, a_constant_that_fails_to_fold_fails_when_run);
    tcase_add_test(t, what_changes_nothing_is_dropped);
    tcase_add_test(t, dead_code_is_left_out);
    tcase_add_test(t, transposes_are_absorbed_into_the_product);
    tcase_add_test(t, a_permutation_of_sizes_of_one_moves_nothing);
    tcase_add_test(t, expanded_operands_are_read_where_they_are);
    tcase_add_test(t, an_expanded_factor_of_one_is_left_out);
    tcase_add_test(t, operands_broadcast_in_every_way);
    tcase_add_test(t, empty_operands_broadcast_to_nothing);
    tcase_add_test(t, elementwise_results_are_written_over_dying_operands);
    tcase_add_test(t, what_only_a_chain_reads_gets_no_memory);
    tcase_add_test(t, a_chain_hands_out_what_others_read);
    tcase_add_test(t, a_product_takes_up_a_bias_and_a_relu);
    tcase_add_test(t, a_product_is_added_to_the_variable_that_takes_the_sum);
    tcase_add_test(t, a_product_moves_a_weight_by_its_momentum);
    tcase_add_test(t, an_operand_that_is_read_again_is_not_written_over);
    tcase_add_test(t, buffers_that_live_together_lie_apart);
    tcase_add_test(t, the_arena_of_a_step_is_near_the_least);
    tcase_add_test(t, a_replay_takes_no_memory);
    tcase_add_test(t, a_step_recorded_anew_takes_no_memory);
    tcase_add_test(t, a_plan_is_found_again_after_a_reset);
    tcase_add_test(t, a_plan_found_again_reads_the_new_leaves);
    tcase_add_test(t, constants_of_other_value_are_another_plan);
    tcase_add_test(t, equal_structures_in_one_recording_keep_their_own_values);
    tcase_add_test(t, old_plans_are_dropped_and_their_values_with_them);
    tcase_add_test(t, results_outlive_other_runs);
    tcase_add_test(t, fresh_values_are_not_computed_again);
    tcase_add_test(t, after_a_step_the_loss_is_that_of_the_step);
    tcase_add_test(t, random_values_are_fresh_until_the_next_step);
    tcase_add_test(t, changing_the_executor_computes_anew);
    tcase_add_test(t, assignments_read_old_values);
    tcase_add_test(t, assignments_swap);
    tcase_add_test(t, an_effect_runs_at_every_evaluation_and_not_when_read);
    tcase_add_test(t, two_values_for_one_variable_are_refused);
    tcase_add_test(t, a_failed_run_changes_no_state);
    tcase_add_test(t, an_update_is_computed_in_the_variable);
    tcase_add_test(t, an_input_may_not_point_at_what_the_run_writes);
    tcase_add_test(t, a_planned_and_a_naive_step_agree);
    tcase_add_test(t, a_kernel_that_writes_outside_is_named);
    tcase_add_test(t, naive_memory_is_poisoned);
    tcase_add_test(t, elementwise_kernels_of_users_see_arrays_of_one_shape);
    tcase_add_test(t, ops_without_an_end_or_a_kernel_are_named);
    tcase_add_test(t, a_long_chain_is_planned_and_run);
    tcase_add_test(t, every_allocation_may_fail);
    tcase_add_test(t, wrong_calls_are_refused_with_words);
    tcase_add_test(t, a_plan_is_printed);
    tcase_add_test(t, runs_are_profiled);
    tcase_add_test(t, threads_change_no_bit);
    tcase_add_test(t, tiny_results_are_flushed);
    suite_add_tcase(s, t);
    return s;
}

int main(void) {
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
