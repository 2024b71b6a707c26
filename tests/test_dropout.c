/* Dropout: its share, and when it draws the same numbers and when new ones. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "fixture.h"
#include "graph.h"
#include "suite.h"

enum { MANY = 20000 };

static bp_tensor *ones(bp_dtype dtype) { return bp_full(graph, dtype, BP_SHAPE(MANY), 1); }

/* Copies the values of a float tensor, computed anew. */
static double *values_of(bp_tensor *t) {
    const void *data = bp_data(t);
    ck_assert_msg(data != NULL, "%s", bp_error(graph));
    double *copy = malloc((size_t)bp_tensor_count(t) * sizeof *copy);
    ck_assert_ptr_nonnull(copy);
    for (int64_t i = 0; i < bp_tensor_count(t); i++)
        copy[i] = bpi_load(bp_tensor_dtype(t), data, i);
    return copy;
}

static int differences(const double *a, const double *b) {
    int count = 0;
    for (int i = 0; i < MANY; i++)
        count += a[i] != b[i];
    return count;
}

/* 0.3 of 20000, within 4 standard deviations of sqrt(0.3 * 0.7 / 20000) = 0.0032; neighbours (four
 * of them come from one draw) are independent: 0.09 are dropped in pairs. */
START_TEST(dropout_drops_its_share) {
    bp_seed(model, 42);
    double *y = values_of(bp_dropout(ones(BP_F64), 0.3));
    int dropped = 0, pairs = 0, others = 0;
    for (int i = 0; i < MANY; i++) {
        others += y[i] != 0 && y[i] != 1 / 0.7;
        dropped += y[i] == 0;
        pairs += i > 0 && y[i] == 0 && y[i - 1] == 0;
    }
    ck_assert_int_eq(others, 0);
    ck_assert_double_eq_tol((double)dropped / MANY, 0.3, 0.013);
    ck_assert_double_eq_tol((double)pairs / MANY, 0.09, 0.012);
    free(y);
}
END_TEST

START_TEST(dropout_draws_the_same_for_the_gradient) {
    bp_tensor *x = ones(BP_F32), *y = bp_dropout(x, 0.5),
              *dx = bp_grad(bp_sum(y, BP_ALL, false), x);
    double *want = values_of(y);
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(graph, (bp_executor)e);
        double *forward = values_of(y), *backward = values_of(dx);
        ck_assert_int_eq(differences(want, forward), 0);
        ck_assert_int_eq(differences(want, backward), 0);
        free(forward);
        free(backward);
    }
    free(want);
}
END_TEST

/* Of rate 0.5, so that 1 / (1 - rate) is the same number in both. */
START_TEST(dropout_draws_the_same_in_f32_and_f64) {
    double *single = values_of(bp_dropout(ones(BP_F32), 0.5));
    bp_graph_reset(graph);
    double *twice = values_of(bp_dropout(ones(BP_F64), 0.5));
    ck_assert_int_eq(differences(single, twice), 0);
    free(single);
    free(twice);
}
END_TEST

START_TEST(dropout_draws_anew_after_a_tick_only) {
    bp_tensor *x = bp_input(graph, "x", BP_F32, BP_SHAPE(MANY));
    float *data = malloc(MANY * sizeof *data);
    ck_assert_ptr_nonnull(data);
    for (int i = 0; i < MANY; i++)
        data[i] = 1;
    bp_write(x, data);
    bp_tensor *y = bp_dropout(x, 0.5);
    double *first = values_of(y);
    bp_write(x, data);
    double *again = values_of(y);
    bp_tick(model);
    double *ticked = values_of(y);
    ck_assert_int_eq(differences(first, again), 0);
    ck_assert_int_gt(differences(first, ticked), MANY / 3);
    free(first);
    free(again);
    free(ticked);
    free(data);
}
END_TEST

START_TEST(dropout_depends_on_the_seed_and_on_its_place) {
    bp_tensor *x = ones(BP_F32);
    double *first = values_of(bp_dropout(x, 0.5)), *second = values_of(bp_dropout(x, 0.5));
    ck_assert_int_gt(differences(first, second), MANY / 3);
    bp_graph_reset(graph);
    double *rebuilt = values_of(bp_dropout(ones(BP_F32), 0.5));
    ck_assert_int_eq(differences(first, rebuilt), 0);
    bp_seed(model, 7);
    bp_graph_reset(graph);
    double *seeded = values_of(bp_dropout(ones(BP_F32), 0.5));
    ck_assert_int_gt(differences(first, seeded), MANY / 3);
    free(first);
    free(second);
    free(rebuilt);
    free(seeded);
}
END_TEST

START_TEST(dropout_of_rate_zero_changes_nothing) {
    static const double numbers[5] = {1, -2, 0, INFINITY, 5};
    bp_tensor *y = bp_dropout(bp_constant(graph, BP_F64, BP_SHAPE(5), numbers), 0);
    for (int e = BP_PLANNED; e <= BP_NAIVE; e++) {
        bp_set_executor(graph, (bp_executor)e);
        double *values = values_of(y);
        ck_assert_mem_eq(values, numbers, sizeof numbers);
        free(values);
    }
}
END_TEST

int main(void) {
    const TTest *const tests[] = {
        dropout_drops_its_share,
        dropout_draws_the_same_for_the_gradient,
        dropout_draws_the_same_in_f32_and_f64,
        dropout_draws_anew_after_a_tick_only,
        dropout_depends_on_the_seed_and_on_its_place,
        dropout_of_rate_zero_changes_nothing,
    };
    return run_tests("dropout", setup, teardown, 60, tests, sizeof tests / sizeof *tests);
}
