/* Compares analytic gradients with central differences, tensor by tensor; see compare.h. */
#include "compare.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../random.h"
#include "difference.h"
#include "rounding.h"

/* ---- small parts ----------------------------------------------------------------------------- */

void *bpi_check_room(bpi_check *check, size_t count, size_t size) {
    void *room = count < SIZE_MAX / 2 / size ? bpi_arena_alloc(&check->arena, count * size) : NULL;
    if (!room)
        bpi_fail(&check->why, BP_ERR_MEMORY, "out of memory while checking gradients");
    else
        memset(room, 0, count * size);
    return room;
}

double *bpi_check_copy(bpi_check *check, bp_tensor *tensor) {
    size_t count = (size_t)bp_tensor_count(tensor);
    double *copy = bpi_check_room(check, count + 1, sizeof *copy);
    const double *values = bp_f64(tensor);
    if (!values && count)
        bpi_check_stop(check, BP_ERR_STATE, tensor->node->graph);
    if (!copy || (!values && count))
        return NULL;
    if (count)
        memcpy(copy, values, count * sizeof *copy);
    return copy;
}

bp_tensor *bpi_random_cotangent(bpi_check *check, bp_tensor *like, const char *name,
                                uint64_t seed) {
    bp_graph *graph = like->node->graph;
    bp_tensor *input = bp_input(graph, name, like->type->dtype, like->type->shape);
    int64_t count = bp_tensor_count(like);
    void *values = bpi_check_room(check, (size_t)count + 1, sizeof(double));
    bpi_random random = bpi_random_new(seed, bpi_hash_text(name));
    for (int64_t i = 0; values && i < count; i++) {
        double size = 0.5 + (double)bpi_random_below(&random, 1 << 20) * 0x1p-20;
        bpi_store(like->type->dtype, values, i, bpi_random_word(&random) & 1 ? size : -size);
    }
    if (input && values && bp_write(input, values) == BP_OK)
        return input;
    bpi_check_stop(check, BP_ERR_MEMORY, graph);
    return NULL;
}

bp_status bpi_check_stop(bpi_check *check, bp_status status, const bp_graph *graph) {
    if (bp_failed(graph))
        return bpi_fail(&check->why, bp_error_status(graph), "%s", bp_error(graph));
    return bpi_fail(&check->why, status, "%s", bp_status_text(status));
}

bp_status bpi_check_configured(bpi_check *check) {
    const bp_check_config *c = &check->config;
    if (!(c->tolerance > 0) || !isfinite(c->tolerance))
        return bpi_fail(&check->why, BP_ERR_ARGUMENT,
                        "the tolerance is %g, but must be a positive number", c->tolerance);
    if (!(c->step >= 0) || !isfinite(c->step))
        return bpi_fail(&check->why, BP_ERR_ARGUMENT,
                        "the step is %g, but must be a positive number, or 0 for the steps of "
                        "the method",
                        c->step);
    if (c->samples < 0)
        return bpi_fail(&check->why, BP_ERR_ARGUMENT,
                        "the number of samples is %lld, but must be positive, or 0 for all "
                        "elements",
                        (long long)c->samples);
    return BP_OK;
}

bp_status bpi_check_unfinished(bpi_check *check, bp_status status) {
    bool kernel = check->why.status == BP_ERR_CHECK;
    if (status == BP_OK || (status == BP_ERR_CHECK && !kernel))
        return status;
    bp_check_report *r = check->report;
    r->passed = false;
    bpi_format(r->text, sizeof r->text, "%s%s", kernel ? "" : "the check could not be done: ",
               check->why.status != BP_OK ? check->why.text : bp_status_text(status));
    return status;
}

void bpi_element_text(const char *name, const bp_shape *shape, int64_t index, char *out,
                      size_t size) {
    int64_t at[BP_MAX_RANK];
    for (int k = shape->rank - 1; k >= 0; k--) {
        at[k] = index % shape->size[k];
        index /= shape->size[k];
    }
    size_t length = (size_t)bpi_format(out, size, "%.60s", name);
    for (int k = 0; k < shape->rank && length < size; k++)
        length += (size_t)bpi_format(out + length, size - length, k ? ",%lld" : "[%lld",
                                     (long long)at[k]);
    if (shape->rank > 0 && length < size)
        bpi_format(out + length, size - length, "]");
}

bool bpi_any(const double *values, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (!(values[i] == 0))
            return true;
    return false;
}

/* ---- analytic -------------------------------------------------------------------------------- */

static void digest(bpi_check *check, const double *values, int64_t count) {
    for (int64_t i = 0; i < count; i++) {
        double value = values[i] + 0.0;
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        check->digest = bpi_hash_mix(check->digest, bits);
    }
}

static bp_status fail_type(bpi_check *check, const bp_tensor *x, const bp_tensor *gradient) {
    char is[BPI_SHAPE_TEXT], wants[BPI_SHAPE_TEXT];
    bp_check_report *r = check->report;
    bpi_format(r->where, sizeof r->where, "%.100s", bp_name(x));
    bpi_format(r->text, sizeof r->text,
               "the gradient of %s is %s %s, but the tensor is %s %s; was it not summed over the "
               "dimensions that broadcasting repeats?",
               bp_name(x), bp_dtype_name(gradient->type->dtype),
               bpi_shape_text(&gradient->type->shape, is), bp_dtype_name(x->type->dtype),
               bpi_shape_text(&x->type->shape, wants));
    r->worst = NAN;
    r->passed = false;
    return BP_ERR_CHECK;
}

bp_status bpi_gradients_of(bpi_check *check, const bpi_subject *s, bpi_gradients *g) {
    bp_graph *graph = s->y[0]->node->graph;
    g->tensor = bpi_check_room(check, (size_t)s->inputs, sizeof *g->tensor);
    g->value = bpi_check_room(check, (size_t)s->inputs, sizeof *g->value);
    if (!g->tensor || !g->value)
        return check->why.status;
    bp_status status = bp_grads(s->y, s->c, s->count, s->x, s->inputs, g->tensor);
    for (int k = 0; status == BP_OK && k < s->inputs; k++)
        if (g->tensor[k]->type != s->x[k]->type)
            return fail_type(check, s->x[k], g->tensor[k]);
    if (status == BP_OK)
        status = bp_eval(g->tensor, s->inputs);
    if (status != BP_OK)
        return bpi_check_stop(check, status, graph);
    for (int k = 0; k < s->inputs; k++) {
        g->value[k] = bpi_check_copy(check, g->tensor[k]);
        if (!g->value[k])
            return check->why.status;
        digest(check, g->value[k], bp_tensor_count(s->x[k]));
    }
    return BP_OK;
}

/* ---- against differences --------------------------------------------------------------------- */

/* The comparison of one tensor. */
typedef struct tensor_check {
    bpi_check *check;
    const bpi_subject *subject;
    const bpi_gradients *gradients;
    const bpi_probe *probe;
    int input;
    int64_t *index; /* elements to compare */
    double *numeric;
    int64_t count;
    bpi_slope worst;
    int64_t worst_at; /* place in `index` */
    double size;      /* bpi_rounding_size; negative: not asked yet */
} tensor_check;

/* All elements, or `samples` of them at random. */
static bool choose_elements(tensor_check *t) {
    int64_t total = bp_tensor_count(t->subject->x[t->input]), most = t->check->config.samples;
    bool all = most <= 0 || total <= most;
    t->count = all ? total : most;
    t->index = bpi_check_room(t->check, (size_t)t->count + 1, sizeof *t->index);
    t->numeric = bpi_check_room(t->check, (size_t)t->count + 1, sizeof *t->numeric);
    bpi_random random = bpi_random_new(t->check->config.seed, (uint64_t)t->input);
    for (int64_t i = 0; t->index && i < t->count; i++)
        t->index[i] = all ? i : (int64_t)bpi_random_below(&random, (uint64_t)total);
    return t->index && t->numeric;
}

/* Whether a is a larger error than b; NaN is the largest. */
static bool worse(double a, double b) { return !isnan(b) && !(a <= b); }

/* Where a slope seems wrong, what rounding contributes is measured: at most what the sizes of the
 * intermediate values allow, and that where nothing moves because all is rounded away. */
static bp_status allow_rounding(tensor_check *t, double *values, int64_t i, bpi_slope *slope) {
    enum { DEVIATIONS = 4, ROUNDINGS = 4 };
    const bpi_subject *s = t->subject;
    double analytic = t->gradients->value[t->input][i], scatter;
    bp_status status = bpi_probe_scatter(t->probe, s->x[t->input], values, i, &scatter);
    if (status != BP_OK)
        return status;
    if (t->size < 0)
        t->size = bpi_rounding_size(t->check, s, s->x[t->input]);
    if (t->check->why.status != BP_OK)
        return t->check->why.status;
    double most = ROUNDINGS * DBL_EPSILON * t->size;
    double rounding = scatter > 0 ? fmin(DEVIATIONS * scatter, most) : most;
    bpi_slope_allow(slope, analytic, rounding, t->probe->tolerance);
    return BP_OK;
}

static bp_status compare_elements(tensor_check *t) {
    bp_tensor *x = t->subject->x[t->input];
    const double *analytic = t->gradients->value[t->input];
    double *values = bpi_check_copy(t->check, x), scale = 0;
    if (!values || !choose_elements(t))
        return t->check->why.status;
    for (int64_t i = 0; i < bp_tensor_count(x); i++)
        scale = fmax(scale, fabs(analytic[i]));
    for (int64_t i = 0; i < t->count; i++) {
        bpi_slope slope;
        bp_status status =
            bpi_probe_slope(t->probe, x, values, t->index[i], analytic[t->index[i]], scale, &slope);
        if (status == BP_OK && slope.error > t->probe->tolerance && isfinite(slope.error))
            status = allow_rounding(t, values, t->index[i], &slope);
        if (status != BP_OK)
            return bpi_check_stop(t->check, status, x->node->graph);
        t->numeric[i] = slope.numeric;
        if (i == 0 || worse(slope.error, t->worst.error)) {
            t->worst = slope;
            t->worst_at = i;
        }
    }
    return BP_OK;
}

static void report_worst(const tensor_check *t) {
    bp_check_report *r = t->check->report;
    const bp_tensor *x = t->subject->x[t->input];
    char element[100];
    r->checked += t->count;
    if (t->count == 0 || (r->where[0] && !worse(t->worst.error, r->worst)))
        return;
    int64_t index = t->index[t->worst_at];
    bpi_element_text(bp_name(x), &x->type->shape, index, element, sizeof element);
    bpi_format(r->where, sizeof r->where, "%s%s", element, t->subject->where);
    r->worst = t->worst.error;
    r->analytic = t->gradients->value[t->input][index];
    r->numeric = t->worst.numeric;
}

static bp_status report_failure(const tensor_check *t) {
    bp_check_report *r = t->check->report;
    bpi_symptoms symptoms = {t->subject, t->gradients, t->input,           t->numeric,
                             t->index,   t->count,     t->probe->tolerance};
    char cause[300];
    bpi_diagnose(&symptoms, cause, sizeof cause);
    r->passed = false;
    bpi_format(
        r->text, sizeof r->text,
        "the gradient of %s is wrong: analytic %.9g, numeric %.9g, relative error %.2g where "
        "%.2g is accepted; likely cause: %s",
        r->where, r->analytic, r->numeric, r->worst, t->probe->tolerance, cause);
    return BP_ERR_CHECK;
}

static bp_status compare_tensor(bpi_check *check, const bpi_subject *s, const bpi_gradients *g,
                                const bpi_probe *probe, int input) {
    tensor_check t = {
        .check = check, .subject = s, .gradients = g, .probe = probe, .input = input, .size = -1};
    bp_status status = compare_elements(&t);
    if (status != BP_OK)
        return status;
    bool failed = t.count > 0 && !(t.worst.error <= probe->tolerance);
    if (failed)
        check->report->worst = -1; /* the failure is what is reported, even if NaN came before */
    report_worst(&t);
    return failed ? report_failure(&t) : BP_OK;
}

bp_status bpi_compare(bpi_check *check, const bpi_subject *s, const bpi_gradients *g) {
    static const double linear_tolerance = 1e-11; /* only rounding is left */
    size_t elements = 0;
    const double **c = bpi_check_room(check, (size_t)s->count, sizeof *c);
    if (!c)
        return check->why.status;
    for (int k = 0; k < s->count; k++) {
        elements += (size_t)bp_tensor_count(s->y[k]);
        c[k] = bpi_check_copy(check, s->c[k]);
        if (!c[k])
            return check->why.status;
    }
    double tolerance = check->config.tolerance;
    bpi_probe probe = {.count = s->count,
                       .y = s->y,
                       .c = c,
                       .linear = s->linear,
                       .kinked = s->kinked,
                       .room = bpi_check_room(check, elements + 1, sizeof(double)),
                       .tolerance = s->linear ? fmin(tolerance, linear_tolerance) : tolerance,
                       .step = check->config.step};
    bp_status status = probe.room ? BP_OK : check->why.status;
    bp_graph *graph = s->y[0]->node->graph;
    bp_set_executor(graph, s->planned ? BP_PLANNED : BP_NAIVE);
    for (int k = 0; status == BP_OK && k < s->inputs; k++)
        status = compare_tensor(check, s, g, &probe, k);
    bp_set_executor(graph, BP_NAIVE);
    return status;
}

/* ---- second order ---------------------------------------------------------------------------- */

bp_status bpi_compare_second(bpi_check *check, const bpi_subject *s, const bpi_gradients *g,
                             uint64_t seed) {
    int inputs = s->inputs + s->count;
    bp_tensor **v = bpi_check_room(check, (size_t)s->inputs, sizeof *v);
    bp_tensor **x = bpi_check_room(check, (size_t)inputs, sizeof *x);
    char *where = bpi_check_room(check, 1, 160);
    if (!v || !x || !where)
        return check->why.status;
    for (int k = 0; k < s->inputs; k++) {
        char name[120];
        bpi_format(name, sizeof name, "direction of the gradient of %.60s", bp_name(s->x[k]));
        v[k] = bpi_random_cotangent(check, g->tensor[k], name, seed);
        if (!v[k])
            return check->why.status;
        x[k] = s->x[k];
    }
    for (int k = 0; k < s->count; k++)
        x[s->inputs + k] = s->c[k];
    bpi_format(where, 160, "%.120s, second order", s->where);
    bpi_subject second = *s;
    second.y = g->tensor;
    second.c = v;
    second.count = s->inputs;
    second.x = x;
    second.inputs = inputs;
    second.where = where;
    bpi_gradients gg;
    bp_status status = bpi_gradients_of(check, &second, &gg);
    for (int k = 0; status == BP_OK && k < inputs; k++)
        check->second_nonzero |= bpi_any(gg.value[k], bp_tensor_count(x[k]));
    return status == BP_OK ? bpi_compare(check, &second, &gg) : status;
}
