/* The gradient check of an op on the samples in its record. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "check_formula.h"
#include "formula.h"
#include "sample.h"

bp_check_config bp_check_defaults(void) {
    return (bp_check_config){.tolerance = 1e-6, .samples = 200};
}

/* The gradients in f32 differ from those in f64 by rounding only: at most this part of the largest
 * component of their tensor. Samples are small, so few roundings add up. */
static const double f32_bound = 1e-5;

enum {
    COPIES = 2, /* the op is recorded twice on the same operands: their cotangents must add up */
    MOST_INPUTS = BPI_SAMPLE_OPERANDS,
    MOST_TARGETS = COPIES * BP_MAX_OUTPUTS
};

/* An op recorded on one sample, in one dtype. */
typedef struct recording {
    bp_model *model;
    bp_graph *graph;
    bp_tensor *operand[BPI_SAMPLE_OPERANDS];
    bp_tensor *x[MOST_INPUTS], *y[MOST_TARGETS], *c[MOST_TARGETS];
    int which[MOST_INPUTS]; /* the operand that x[k] is */
    int inputs, targets;
} recording;

/* The check of one op. */
typedef struct op_check {
    bpi_check base;
    const bp_op *op;
    bool differentiated[BPI_SAMPLE_OPERANDS]; /* has this operand a gradient? */
    bool some[BPI_SAMPLE_OPERANDS];           /* and has that ever had an element? */
    bool nonzero[BPI_SAMPLE_OPERANDS];        /* and a gradient that was not zero? */
    bool differentiable; /* at least one sample has something to differentiate */
} op_check;

static void close_recording(recording *r) {
    bp_graph_free(r->graph);
    bp_model_free(r->model);
    *r = (recording){0};
}

static bool has_gradient(const bp_op *op, int k, const bp_tensor *x) {
    int named = op->arity == BP_VARIADIC || k > 3 ? 0 : k;
    return !op->operands[named].no_gradient && bp_dtype_is_float(x->type->dtype);
}

/* Records operands, the op (twice), and a cotangent for every float output. */
static bp_status record(op_check *check, const bpi_sample *sample, bp_dtype dtype, recording *r) {
    *r = (recording){.model = bp_model_new()};
    r->graph = r->model ? bp_graph_new(r->model) : NULL;
    if (!r->graph)
        return bpi_fail(&check->base.why, BP_ERR_MEMORY, "out of memory while checking gradients");
    bp_set_executor(r->graph, BP_NAIVE);
    bp_seed(r->model, check->base.config.seed);
    for (int k = 0; k < sample->inputs; k++) {
        char name[80];
        bool several = check->op->arity == BP_VARIADIC;
        bpi_format(name, sizeof name, several ? "%.60s%d" : "%.60s", bpi_operand_name(check->op, k),
                   k);
        r->operand[k] = bpi_sample_input(sample, k, r->graph, name, dtype);
        if (r->operand[k] && has_gradient(check->op, k, r->operand[k])) {
            r->which[r->inputs] = k;
            r->x[r->inputs++] = r->operand[k];
        }
    }
    for (int copy = 0; copy < COPIES; copy++) {
        bp_tensor *first = bpi_sample_record(sample, r->operand, dtype);
        for (int k = 0; first && k < bpi_op_outputs(check->op); k++)
            if (bp_dtype_is_float(bp_output(first, k)->type->dtype))
                r->y[r->targets++] = bp_output(first, k);
    }
    for (int k = 0; k < r->targets; k++) {
        char name[40];
        bpi_format(name, sizeof name, "cotangent %d", k + 1);
        r->c[k] = bpi_random_cotangent(&check->base, r->y[k], name, check->base.config.seed);
    }
    return bp_failed(r->graph) ? bpi_check_stop(&check->base, BP_ERR_STATE, r->graph)
                               : check->base.why.status;
}

static bpi_subject subject_of(const op_check *check, const recording *r, const char *where) {
    return (bpi_subject){.y = r->y,
                         .c = r->c,
                         .count = r->targets,
                         .x = r->x,
                         .inputs = r->inputs,
                         .where = where,
                         .linear = (check->op->flags & BP_OP_LINEAR) != 0};
}

/* ---- f32 ------------------------------------------------------------------------------------- */

static bp_status fail_f32(op_check *check, const bp_tensor *x, int64_t i, double f32, double f64,
                          double error, const char *where) {
    bp_check_report *r = check->base.report;
    char element[100];
    bpi_element_text(bp_name(x), &x->type->shape, i, element, sizeof element);
    bpi_format(r->where, sizeof r->where, "%s%s", element, where);
    bpi_format(r->text, sizeof r->text,
               "the gradient of %s in f32 is %.9g, in f64 %.9g: they differ by %.2g of the largest "
               "component where %.2g is accepted",
               r->where, f32, f64, error, f32_bound);
    r->worst = error;
    r->analytic = f32;
    r->numeric = f64;
    r->passed = false;
    return BP_ERR_CHECK;
}

static bp_status compare_f32(op_check *check, const recording *r, bp_tensor *const *gradient,
                             double *const *f64, const char *where) {
    for (int k = 0; k < r->inputs; k++) {
        int64_t count = bp_tensor_count(r->x[k]);
        const void *values = bp_data(gradient[k]);
        double scale = 0;
        for (int64_t i = 0; i < count; i++)
            scale = fmax(scale, fabs(f64[k][i]));
        for (int64_t i = 0; values && i < count; i++) {
            double f32 = bpi_load(gradient[k]->type->dtype, values, i);
            double gap = fabs(f32 - f64[k][i]), error = gap == 0 ? 0 : gap / scale;
            uint64_t bits;
            memcpy(&bits, &(double){f32 + 0.0}, sizeof bits);
            check->base.digest = bpi_hash_mix(check->base.digest, bits);
            if (!(error <= f32_bound))
                return fail_f32(check, r->x[k], i, f32, f64[k][i], error, where);
        }
        check->base.report->checked += count;
    }
    return BP_OK;
}

/* The same gradients once more, recorded and run in f32. */
static bp_status check_f32(op_check *check, const bpi_sample *sample, double *const *f64) {
    recording r;
    bp_tensor *gradient[MOST_INPUTS];
    char where[120];
    bp_status status = record(check, sample, BP_F32, &r);
    bpi_format(where, sizeof where, " of sample \"%.80s\", f32", sample->text);
    if (status == BP_OK)
        status = bp_grads(r.y, r.c, r.targets, r.x, r.inputs, gradient);
    if (status == BP_OK)
        status = bp_eval(gradient, r.inputs);
    if (status == BP_OK)
        status = compare_f32(check, &r, gradient, f64, where);
    else if (r.graph)
        bpi_check_stop(&check->base, status, r.graph);
    close_recording(&r);
    return status;
}

/* ---- one sample ------------------------------------------------------------------------------ */

static void note_zeros(op_check *check, const recording *r, double *const *gradient) {
    for (int k = 0; k < r->inputs; k++) {
        int64_t count = bp_tensor_count(r->x[k]);
        check->differentiated[r->which[k]] = true;
        check->some[r->which[k]] |= count > 0;
        check->nonzero[r->which[k]] |= bpi_any(gradient[k], count);
    }
}

/* Second order needs a rule that records. Where it is zero for the operands (BP_OP_NO_SECOND), it
 * still is not for the cotangents, in which every rule is linear. */
static bool has_second_order(const bp_op *op) { return op->vjp != NULL; }

static bp_status check_f64(op_check *check, const recording *r, bpi_gradients *gradients,
                           const char *where) {
    bpi_subject subject = subject_of(check, r, where);
    bp_status status = bpi_gradients_of(&check->base, &subject, gradients);
    if (status != BP_OK)
        return status;
    check->differentiable = true;
    note_zeros(check, r, gradients->value);
    status = bpi_compare(&check->base, &subject, gradients);
    if (status == BP_OK && has_second_order(check->op))
        status = bpi_compare_second(&check->base, &subject, gradients, check->base.config.seed + 1);
    bpi_known_node known = {.node = r->y[0]->node,
                            .c = r->c,
                            .copies = COPIES,
                            .inputs = r->inputs,
                            .which = r->which,
                            .gradient = gradients->value,
                            .where = where};
    return status == BP_OK ? bpi_check_formulas(&check->base, &known) : status;
}

/* A sample without a float result, or without operands that have gradients, must only run. */
static bp_status only_run(op_check *check, const recording *r, const bpi_sample *sample) {
    bp_tensor *y = bpi_sample_record(sample, r->operand, BP_F64);
    bp_status status = y ? bp_eval(&y, 1) : BP_ERR_STATE;
    return status == BP_OK ? BP_OK : bpi_check_stop(&check->base, status, r->graph);
}

/* A formula may use functions that no program can evaluate, but it must parse. */
static bp_status check_syntax(op_check *check) {
    const char *const texts[] = {check->op->formula, check->op->gradient};
    bp_status status = BP_OK;
    for (int k = 0; status == BP_OK && k < 2; k++) {
        bpi_formula formula;
        status = bpi_formula_parse(texts[k], false, &formula, &check->base.why);
        bpi_formula_free(&formula);
    }
    return status;
}

static bp_status check_sample(op_check *check, const char *text) {
    bpi_sample sample;
    recording r = {0};
    bpi_gradients gradients;
    char where[120];
    bpi_format(where, sizeof where, " of sample \"%.80s\"", text);
    bp_status status = bpi_sample_parse(check->op, text, &sample, &check->base.why);
    if (status == BP_OK)
        status = bpi_sample_draw(&sample, check->base.config.seed, &check->base.why);
    if (status == BP_OK)
        status = record(check, &sample, BP_F64, &r);
    bool differentiate = r.inputs > 0 && r.targets > 0;
    if (status == BP_OK && !differentiate)
        status = only_run(check, &r, &sample);
    if (status == BP_OK && differentiate)
        status = check_f64(check, &r, &gradients, where);
    if (status == BP_OK && differentiate)
        status = check_f32(check, &sample, gradients.value);
    close_recording(&r);
    bpi_sample_free(&sample);
    return status;
}

/* ---- the whole op ---------------------------------------------------------------------------- */

static bp_status fail_zero(op_check *check, int k, const char *what) {
    bp_check_report *r = check->base.report;
    const char *name = bpi_operand_name(check->op, k);
    bpi_format(r->where, sizeof r->where, "%.100s", name);
    bpi_format(r->text, sizeof r->text, "the gradient of %s is %s", name, what);
    r->passed = false;
    return BP_ERR_CHECK;
}

/* A gradient that is zero on all samples proves nothing, unless the record says that it must be. */
static bp_status check_zeros(op_check *check) {
    bool declared = (check->op->flags & BP_OP_ZERO_GRADIENT) != 0;
    bool allowed = declared || check->base.config.allow_zero;
    for (int k = 0; k < BPI_SAMPLE_OPERANDS; k++) {
        if (check->differentiated[k] && !check->some[k])
            return fail_zero(check, k,
                             "not checked: no sample has a gradient of it to compare, for it has "
                             "no elements in any");
        if (check->some[k] && !check->nonzero[k] && !allowed)
            return fail_zero(check, k,
                             "zero on every sample, so that nothing was checked; if that is "
                             "right, the record must say so with BP_OP_ZERO_GRADIENT");
        if (check->nonzero[k] && declared)
            return fail_zero(check, k, "not zero, although the record says BP_OP_ZERO_GRADIENT");
    }
    bool second = check->differentiable && has_second_order(check->op);
    if (second && !allowed && !check->base.second_nonzero)
        return fail_zero(check, 0,
                         "not zero, but its own gradient is, also with respect to the "
                         "cotangent that it is linear in");
    return BP_OK;
}

static void report_pass(op_check *check, int samples) {
    bp_check_report *r = check->base.report;
    const bp_op *op = check->op;
    r->passed = true;
    if (!check->differentiable)
        bpi_format(r->text, sizeof r->text,
                   "%s: runs on %d samples; there is nothing to differentiate", op->name, samples);
    else
        bpi_format(r->text, sizeof r->text,
                   "%s: passed on %d samples, %lld comparisons, f64 and f32, first%s order; worst "
                   "relative error %.2g at %s",
                   op->name, samples, (long long)r->checked,
                   has_second_order(op) ? " and second" : "", r->worst, r->where);
}

/* Puts the op's name before the words of a check that failed. */
static void name_op(op_check *check) {
    bp_check_report *r = check->base.report;
    char text[sizeof r->text];
    memcpy(text, r->text, sizeof text);
    bpi_format(r->text, sizeof r->text, "%.60s: %s", check->op->name, text);
}

bp_status bpi_check_op(const bp_op *op, const bp_check_config *config, bp_check_report *report,
                       uint64_t *digest) {
    bp_check_report ignored;
    op_check check = {.op = op};
    check.base.report = report ? report : &ignored;
    check.base.config = config ? *config : bp_check_defaults();
    *check.base.report = (bp_check_report){0};
    if (!op || !op->samples || !op->samples[0])
        return bpi_check_unfinished(&check.base, bpi_fail(&check.base.why, BP_ERR_ARGUMENT,
                                                          "op \"%s\" has no samples in its "
                                                          "record to be checked on",
                                                          op ? op->name : "NULL"));
    bp_status status = bpi_check_configured(&check.base);
    int samples = 0;
    if (status == BP_OK)
        status = check_syntax(&check);
    for (; status == BP_OK && op->samples[samples]; samples++)
        status = check_sample(&check, op->samples[samples]);
    if (status == BP_OK)
        status = check_zeros(&check);
    if (status == BP_OK)
        report_pass(&check, samples);
    else if (status == BP_ERR_CHECK && check.base.why.status == BP_OK)
        name_op(&check);
    if (digest)
        *digest = check.base.digest;
    bpi_arena_free(&check.base.arena);
    return bpi_check_unfinished(&check.base, status);
}

bp_status bp_check_op(const bp_op *op, const bp_check_config *config, bp_check_report *report) {
    return bpi_check_op(op, config, report, NULL);
}
