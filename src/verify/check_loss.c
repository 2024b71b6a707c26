/* The gradient check of a whole computation: bp_check_gradients. */
#include <math.h>

#include "scratch.h"

static bp_status fail_zero(bpi_check *check, const bp_tensor *x) {
    bp_check_report *r = check->report;
    bpi_format(r->where, sizeof r->where, "%.100s", bp_name(x));
    bpi_format(
        r->text, sizeof r->text,
        "the gradient of %s is zero everywhere, so that nothing was checked: does the loss "
        "depend on it only through a comparison, or are all units dead? Set allow_zero if that "
        "is right",
        bp_name(x));
    r->passed = false;
    return BP_ERR_CHECK;
}

static bp_status check_zeros(bpi_check *check, const bpi_scratch *s, const bpi_gradients *g) {
    for (int k = 0; k < s->inputs && !check->config.allow_zero; k++) {
        int64_t count = bp_tensor_count(s->x[k]);
        if (count > 0 && !bpi_any(g->value[k], count))
            return fail_zero(check, s->x[k]);
    }
    return BP_OK;
}

static void report_pass(bpi_check *check, const bpi_scratch *s) {
    bp_check_report *r = check->report;
    r->passed = true;
    int length = bpi_format(
        r->text, sizeof r->text,
        "passed: %lld elements of %d tensors, first%s order; worst relative error "
        "%.2g at %s, where %.2g is accepted",
        (long long)r->checked, s->inputs, check->config.second_order ? " and second" : "", r->worst,
        r->where, check->config.tolerance);
    if (s->nudge > 0)
        bpi_format(
            r->text + length, sizeof r->text - (size_t)length,
            "; the present values stand on a kink (such as relu at 0), so all were moved by up "
            "to %g first",
            s->nudge);
}

static bp_status check_scratch(bpi_check *check, const bpi_scratch *s) {
    bp_tensor *one = bp_input(s->graph, "cotangent of the loss", BP_F64, s->loss->type->shape);
    if (!one || bp_write(one, &(double){1}) != BP_OK)
        return bpi_check_stop(check, BP_ERR_MEMORY, s->graph);
    bpi_subject subject = {.y = &s->loss,
                           .c = &one,
                           .count = 1,
                           .x = s->x,
                           .inputs = s->inputs,
                           .where = "",
                           .kinked = s->kinked,
                           .planned = true};
    bpi_gradients gradients;
    bp_status status = bpi_gradients_of(check, &subject, &gradients);
    if (status == BP_OK)
        status = bpi_compare(check, &subject, &gradients);
    if (status == BP_OK)
        status = check_zeros(check, s, &gradients);
    if (status == BP_OK && check->config.second_order)
        status = bpi_compare_second(check, &subject, &gradients, check->config.seed + 1);
    return status;
}

/* What can be said before anything is computed. */
static bp_status check_arguments(bpi_check *check, bp_tensor *loss) {
    if (!loss)
        return bpi_fail(&check->why, BP_ERR_ARGUMENT,
                        "the loss is NULL: recording it has failed, and "
                        "bp_error of its graph says why");
    if (!bp_dtype_is_float(loss->type->dtype))
        return bpi_fail(&check->why, BP_ERR_DTYPE,
                        "the loss is %s, and only f32 and f64 have gradients",
                        bp_dtype_name(loss->type->dtype));
    char shape[BPI_SHAPE_TEXT];
    if (bp_tensor_count(loss) != 1)
        return bpi_fail(&check->why, BP_ERR_SHAPE,
                        "the loss has the shape %s and is no scalar: reduce it "
                        "with bp_sum or bp_mean",
                        bpi_shape_text(&loss->type->shape, shape));
    return bpi_check_configured(check);
}

bp_status bp_check_gradients(bp_tensor *loss, const bp_check_config *config,
                             bp_check_report *report) {
    bp_check_report ignored;
    bpi_check check = {.report = report ? report : &ignored,
                       .config = config ? *config : bp_check_defaults()};
    *check.report = (bp_check_report){0};
    bpi_scratch scratch = {0};
    bp_status status = check_arguments(&check, loss);
    if (status == BP_OK)
        status = bpi_scratch_open(&check, loss, NULL, &scratch);
    if (status == BP_OK && scratch.inputs == 0)
        status = bpi_fail(&check.why, BP_ERR_GRADIENT,
                          "the loss depends on no float input and on no "
                          "parameter that gradients flow to");
    if (status == BP_OK)
        status = check_scratch(&check, &scratch);
    if (status == BP_OK)
        report_pass(&check, &scratch);
    bpi_scratch_close(&scratch);
    bpi_arena_free(&check.arena);
    return bpi_check_unfinished(&check, status);
}
