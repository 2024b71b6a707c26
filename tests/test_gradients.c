/* The suite generated from the list of ops: every differentiable op, in f64 and f32, on every
 * sample of its record; random cotangent, analytic against central differences in f64, first and
 * second order. And on the same samples, planned against naive execution, values and gradients. */
#include <backprop.h>
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "graph.h"
#include "registry.h"
#include "suite.h"
#include "verify/sample.h"

START_TEST(gradients_agree_with_differences) {
    bp_check_report report;
    bp_status status = bp_check_op(bpi_ops[_i], NULL, &report);
    ck_assert_msg(status == BP_OK && report.passed, "%s: %s", bpi_ops[_i]->name, report.text);
    printf("%s\n", report.text);
}
END_TEST

/* Values of every output and gradients of every operand, by both executors. */
static void compare_executors(const bp_op *op, const char *text, bp_dtype dtype) {
    bpi_sample sample;
    bp_failure why = {0};
    ck_assert_msg(bpi_sample_parse(op, text, &sample, &why) == BP_OK, "%s", why.text);
    ck_assert_msg(bpi_sample_draw(&sample, 5, &why) == BP_OK, "%s", why.text);
    bp_model *model = bp_model_new();
    bp_graph *graph = bp_graph_new(model);
    bp_tensor *x[BPI_SAMPLE_OPERANDS], *wrt[BPI_SAMPLE_OPERANDS], *g[BPI_SAMPLE_OPERANDS];
    bp_tensor *all[BP_MAX_OUTPUTS + BPI_SAMPLE_OPERANDS];
    int wrt_count = 0, count = 0;
    for (int k = 0; k < sample.inputs; k++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", k);
        x[k] = bpi_sample_input(&sample, k, graph, name, dtype);
        int named = op->arity == BP_VARIADIC ? 0 : k;
        if (bp_dtype_is_float(bp_tensor_dtype(x[k])) && !op->operands[named].no_gradient)
            wrt[wrt_count++] = x[k];
    }
    bp_tensor *y = bpi_sample_record(&sample, x, dtype);
    for (int k = 0; k < bpi_op_outputs(op); k++)
        all[count++] = bp_output(y, k);
    if (wrt_count && bp_dtype_is_float(bp_tensor_dtype(y)) && (op->vjp || op->backward)) {
        /* not linear in y: for some ops that has no gradient */
        bp_tensor *weights = bp_add(bp_full(graph, dtype, bp_tensor_shape(y), 0.75), bp_square(y));
        ck_assert_int_eq(bp_grads(&y, &weights, 1, wrt, wrt_count, g), BP_OK);
        for (int k = 0; k < wrt_count; k++)
            all[count++] = g[k];
    }
    bp_check_report report;
    bp_status status = bp_check_plan(all, count, &report);
    ck_assert_msg(status == BP_OK, "%s, sample \"%s\", %s: %s", op->name, text,
                  bp_dtype_name(dtype), report.text);
    bp_graph_free(graph);
    bp_model_free(model);
    bpi_sample_free(&sample);
}

START_TEST(planned_and_naive_agree) {
    const bp_op *op = bpi_ops[_i];
    for (int s = 0; op->samples[s]; s++) {
        compare_executors(op, op->samples[s], BP_F32);
        compare_executors(op, op->samples[s], BP_F64);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gradients");
    TCase *gradients = tcase_create("every op against central differences");
    tcase_set_timeout(gradients, 60);
    tcase_add_loop_test(gradients, gradients_agree_with_differences, 0, bpi_op_count);
    suite_add_tcase(suite, gradients);
    TCase *executors = tcase_create("every op planned against naive");
    tcase_set_timeout(executors, 60);
    tcase_add_loop_test(executors, planned_and_naive_agree, 0, bpi_op_count);
    suite_add_tcase(suite, executors);
    return run_suite(suite);
}
