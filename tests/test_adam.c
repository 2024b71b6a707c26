/* The kernel of Adam's update: threads, instruction sets, and the gradient of a weight by panels. */
#include <backprop.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/gemm.h"
#include "optim_fixture.h"
#include "suite.h"

enum { MANY = 100 * 1000 + 7 }; /* worth more than one thread, and no multiple of a vector */

/* Another model and graph instead of the ones at hand. */
static void begin_anew(int threads, bp_executor executor) {
    bp_graph_free(graph);
    bp_model_free(model);
    model = bp_model_new();
    graph = bp_graph_new(model);
    bp_set_threads(graph, threads);
    bp_set_executor(graph, executor);
}

/* A variable as double, to be freed. */
static double *as_double(const char *name, bp_dtype dtype, size_t count) {
    double *wide = malloc(count * sizeof *wide);
    float *narrow = malloc(count * sizeof *narrow);
    bool single = dtype == BP_F32;
    ck_assert_int_eq(
        bp_model_read(model, name, single ? (void *)narrow : wide, count * bp_dtype_size(dtype)),
        BP_OK);
    for (size_t k = 0; single && k < count; k++)
        wide[k] = narrow[k];
    free(narrow);
    return wide;
}

/* Five steps on MANY elements with gradients that are all different; returns the new
 * parameter, to be freed. */
static double *adam_on_many(bp_dtype dtype, int threads, bp_executor executor) {
    static double numbers[MANY];
    for (int k = 0; k < MANY; k++)
        numbers[k] = sin(k) + 0.1;
    begin_anew(threads, executor);
    bp_tensor *many = bp_parameter(graph, "many", dtype, BP_SHAPE(MANY), bp_init_normal(0, 1));
    bp_tensor *slope = bp_constant(graph, BP_F64, BP_SHAPE(MANY), numbers);
    loss = bp_sum(bp_mul(many, bp_cast(slope, dtype)), BP_ALL, false);
    bp_optimizer *adam = bp_adam(model, &adam_configs[1]);
    for (int t = 0; t < 5; t++)
        step(adam);
    return as_double("many", dtype, MANY);
}

START_TEST(adam_has_the_same_bits_with_any_threads_and_instructions) {
    bp_dtype dtype = _i ? BP_F64 : BP_F32;
    const enum bpi_cpu_level best = bpi_cpu_level();
    double *first = adam_on_many(dtype, 1, BP_PLANNED);
    for (int threads = 1; threads <= 4; threads++)
        for (int level = 0; level < BPI_CPU_COUNT; level++)
            if (bpi_cpu_force((enum bpi_cpu_level)level)) {
                double *other = adam_on_many(dtype, threads, BP_PLANNED);
                ck_assert_mem_eq(other, first, sizeof(double[MANY]));
                free(other);
            }
    bpi_cpu_force(best);
    double *naive = adam_on_many(dtype, 1, BP_NAIVE);
    for (int k = 0; k < MANY; k++)
        ck_assert_double_eq_tol(first[k], naive[k], (_i ? 1e-14 : 2e-6) * fmax(1, fabs(naive[k])));
    free(naive);
    free(first);
}
END_TEST

/* A layer whose gradient is wanted in two panels, each enough for two threads; its new weight as
 * double, to be freed. */
static double *adam_of_layer(bp_dtype dtype, int threads, bp_executor executor) {
    enum { ROWS = 16, IN = 700, OUT = 301 };
    static double numbers[ROWS * IN];
    for (int k = 0; k < ROWS * IN; k++)
        numbers[k] = sin(k) / 20;
    begin_anew(threads, executor);
    bp_tensor *x = bp_cast(bp_constant(graph, BP_F64, BP_SHAPE(ROWS, IN), numbers), dtype);
    loss = bp_sum(bp_square(bp_linear(x, "layer", OUT)), BP_ALL, false);
    bp_optimizer *adam = bp_adam(model, &adam_configs[2]);
    for (int t = 0; t < 3; t++)
        step(adam);
    bpi_product shape = {IN, OUT, ROWS, IN, OUT, OUT, true, false};
    const char *text = bp_step_text(adam, loss);
    ck_assert_ptr_nonnull(text);
    if (executor == BP_PLANNED && strcmp(bpi_gemm_choice(&shape, dtype), "blas") != 0)
        ck_assert_ptr_nonnull(strstr(text, "matmul+adam("));
    return as_double("layer.weight", dtype, IN * OUT);
}

START_TEST(adam_takes_the_gradient_of_a_weight_panel_by_panel) {
    enum { COUNT = 700 * 301 };
    bp_dtype dtype = _i ? BP_F64 : BP_F32;
    double *first = adam_of_layer(dtype, 1, BP_PLANNED),
           *second = adam_of_layer(dtype, 3, BP_PLANNED);
    double *naive = adam_of_layer(dtype, 1, BP_NAIVE);
    ck_assert_mem_eq(first, second, sizeof(double[COUNT]));
    for (int k = 0; k < COUNT; k++)
        ck_assert_double_eq_tol(first[k], naive[k], _i ? 1e-12 : 2e-5);
    free(first), free(second), free(naive);
}
END_TEST

/* The gradient of w is a product that reads w itself, which its update must not change meanwhile:
 * E = Σ c ⊙ (w v) with v = w held fixed, whose gradient is c wᵀ. */
static double *adam_of_itself(bp_executor executor) {
    enum { SIDE = 40 };
    static double numbers[SIDE * SIDE];
    for (int k = 0; k < SIDE * SIDE; k++)
        numbers[k] = sin(k);
    begin_anew(1, executor);
    bp_tensor *c = bp_constant(graph, BP_F64, BP_SHAPE(SIDE, SIDE), numbers);
    bp_tensor *own = bp_parameter(graph, "own", BP_F64, BP_SHAPE(SIDE, SIDE), bp_init_normal(0, 1));
    bp_tensor *fixed = bp_detach(own);
    loss = bp_sum(bp_mul(bp_matmul(own, fixed), c), BP_ALL, false);
    bp_optimizer *adam = bp_adam(model, &adam_configs[1]);
    for (int t = 0; t < 5; t++)
        step(adam);
    return as_double("own", BP_F64, SIDE * SIDE);
}

START_TEST(an_update_whose_product_reads_its_own_variable_is_right) {
    enum { COUNT = 40 * 40 };
    double *planned = adam_of_itself(BP_PLANNED), *naive = adam_of_itself(BP_NAIVE);
    for (int k = 0; k < COUNT; k++)
        ck_assert_double_eq_tol(planned[k], naive[k], 1e-9);
    free(planned), free(naive);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("adam");
    TCase *cases = tcase_create("adam");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_loop_test(cases, adam_has_the_same_bits_with_any_threads_and_instructions, 0, 2);
    tcase_add_loop_test(cases, adam_takes_the_gradient_of_a_weight_panel_by_panel, 0, 2);
    tcase_add_test(cases, an_update_whose_product_reads_its_own_variable_is_right);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
