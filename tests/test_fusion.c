/* What a plan runs together: elementwise chains with broadcast operands, and products with what
 * follows them; compared with what the naive executor computes. */
#include <backprop.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "plan_fixture.h"
#include "suite.h"

/* ---- broadcasting ---------------------------------------------------------------------------- */

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

/* ---- chains ---------------------------------------------------------------------------------- */

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

/* ---- what is shared -------------------------------------------------------------------------- */

/* Operands of the blocks below: [3,4], and a matrix that exchanges columns. */
static bp_tensor *whole, *bias, *exchange;

static void make_operands(void) {
    static const double columns[16] = {0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0};
    whole = counting("whole", BP_SHAPE(3, 4), -5);
    bias = counting("bias", BP_SHAPE(4), -2);
    exchange = input("exchange", BP_SHAPE(4, 4));
    ck_assert_int_eq(bp_write(exchange, columns), BP_OK);
}

enum { CHAINS = 12, PRODUCTS = 5, TARGETS = 32 };

/* Chains that differ in one thing each. What else is read of one becomes a target. */
static bp_tensor *chain_of(int kind, bp_tensor *x, bp_tensor **targets, int *count) {
    bp_tensor *minus = bp_neg(x), *y = bp_leaky_relu(minus, kind == 1 ? 0.25 : 0.5);
    switch (kind) {
    case 2: return bp_neg(bp_leaky_relu(x, 0.5));
    case 3: return bp_sub(minus, x);
    case 4: return bp_sub(x, minus);
    case 5: return bp_sub(minus, bias);
    case 6: return bp_sub(minus, whole);
    case 7: targets[(*count)++] = minus; break;
    case 8: targets[(*count)++] = bp_sum(y, BP_ALL, false); break;
    case 9: targets[(*count)++] = bp_sum(y, BP_AXES(0), false); break;
    case 10: return bp_abs(minus);
    case 11: return bp_sign(minus);
    default: break;
    }
    return y;
}

static bp_tensor *product_of(int kind, bp_tensor *x) {
    bp_tensor *y = bp_matmul_t(x, false, exchange, kind == 1);
    y = kind == 2 || kind == 4 ? bp_add(y, bias) : y;
    return kind == 3 || kind == 4 ? bp_relu(y) : y;
}

/* Steps k of `all` are of kind k % kinds: two of them share what they are just when they are of one
 * kind. */
static void expect_shared(const void *const *all, int count, int kinds) {
    ck_assert_int_eq(count, 2 * kinds);
    for (int k = 0; k < count; k++)
        for (int i = 0; i < k; i++)
            ck_assert_msg((all[i] == all[k]) == (i % kinds == k % kinds), "kinds %d and %d",
                          i % kinds, k % kinds);
}

START_TEST(chains_share_what_they_are_when_nothing_differs) {
    make_operands();
    bp_tensor *targets[TARGETS], *x = whole;
    int count = 0, chains = 0;
    for (int k = 0; k < 2 * CHAINS; k++)
        x = bp_matmul(chain_of(k % CHAINS, x, targets, &count), exchange);
    targets[count++] = x;
    const bpi_program *p = program_of(targets, count);
    const void *all[TARGETS];
    for (size_t s = 0; s < p->step_count; s++)
        if (bpi_is_chain(&p->steps[s]) && chains < TARGETS)
            all[chains++] = p->steps[s].chain;
    expect_shared(all, chains, CHAINS);
    bp_check_report report;
    ck_assert_msg(bp_check_plan(targets, count, &report) == BP_OK, "%s", report.text);
}
END_TEST

START_TEST(products_share_what_they_are_when_nothing_differs) {
    make_operands();
    bp_tensor *x = whole;
    int products = 0;
    for (int k = 0; k < 2 * PRODUCTS; k++)
        x = product_of(k % PRODUCTS, x);
    const bpi_program *p = program_of(&x, 1);
    const void *all[TARGETS];
    for (size_t s = 0; s < p->step_count; s++)
        if (bpi_is_product(&p->steps[s]) && products < TARGETS)
            all[products++] = p->steps[s].product;
    expect_shared(all, products, PRODUCTS);
    expect_as_naive(x);
}
END_TEST

/* w + s a b, and s w + a b: the same ops. */
START_TEST(scaled_products_do_not_share_what_scaled_variables_have) {
    make_operands();
    bp_tensor *s = bp_scalar(graph, BP_F64, 0.5), *product = bp_matmul(whole, exchange);
    bp_tensor *more = bp_matmul(bp_neg(whole), exchange), *assigned[2];
    bp_tensor *w = bp_state(graph, "w", BP_F64, BP_SHAPE(3, 4), bp_init_constant(8));
    bp_tensor *v = bp_state(graph, "v", BP_F64, BP_SHAPE(3, 4), bp_init_constant(8));
    assigned[0] = bp_assign(w, bp_add(w, bp_mul(product, s)));
    assigned[1] = bp_assign(v, bp_add(bp_mul(v, s), more));
    const bpi_program *p = program_of(assigned, 2);
    const bpi_plan_product *first = NULL;
    for (size_t k = 0; k < p->step_count; k++)
        if (bpi_is_product(&p->steps[k])) {
            ck_assert_ptr_ne(p->steps[k].product, first);
            first = p->steps[k].product;
            ck_assert_int_eq(first->op_count, 3);
        }
    bp_check_report report;
    ck_assert_msg(bp_check_plan(assigned, 2, &report) == BP_OK, "%s", report.text);
}
END_TEST

START_TEST(steps_share_attributes_when_they_are_equal) {
    enum { SUMS = 3 };
    make_operands();
    bp_tensor *targets[2 * SUMS], *x = bp_matmul(whole, exchange), *more = bp_matmul(x, exchange);
    for (int k = 0; k < 2 * SUMS; k++)
        targets[k] = bp_sum(k < SUMS ? x : more, BP_AXES(k % SUMS > 0), k % SUMS > 1);
    const bpi_program *p = program_of(targets, 2 * SUMS);
    const void *all[TARGETS];
    int sums = 0;
    for (size_t s = 0; s < p->step_count; s++)
        if (strcmp(p->steps[s].op->name, "sum") == 0 && sums < TARGETS)
            all[sums++] = p->steps[s].attr;
    expect_shared(all, sums, SUMS);
    for (int k = 0; k < 2 * SUMS; k++) /* of -2, 2, 6; -3, 1, 5; and -5, -4, -3, -2 */
        ck_assert_double_eq(first_of(targets[k]), k % SUMS > 0 ? -14 : k < SUMS ? 6 : 3);
}
END_TEST

/* Assigns `value` to the variable `w`; returns the number of steps that the plan takes, and
 * compares what becomes of it with a naive run. */
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
            moves += bpi_is_product(&p->steps[s]) && p->steps[s].outputs == 2;
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

int main(void) {
    const TTest *const tests[] = {
        operands_broadcast_in_every_way,
        empty_operands_broadcast_to_nothing,
        elementwise_results_are_written_over_dying_operands,
        what_only_a_chain_reads_gets_no_memory,
        a_chain_hands_out_what_others_read,
        a_product_takes_up_a_bias_and_a_relu,
        a_product_is_added_to_the_variable_that_takes_the_sum,
        a_product_moves_a_weight_by_its_momentum,
        an_operand_that_is_read_again_is_not_written_over,
        chains_share_what_they_are_when_nothing_differs,
        products_share_what_they_are_when_nothing_differs,
        scaled_products_do_not_share_what_scaled_variables_have,
        steps_share_attributes_when_they_are_equal,
    };
    return run_tests("fusion", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
