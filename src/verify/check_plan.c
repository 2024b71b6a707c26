/* Runs tensors planned and naively from the same state, and compares: bp_check_plan. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "rounding.h"
#include "scratch.h"

/* The variables that the tensors assign to, and what they held. */
typedef struct state {
    bpi_variable **variable;
    void **held;
    size_t count;
} state;

static size_t type_bytes(const bp_type *type) {
    return (size_t)bp_shape_count(type->shape) * bp_dtype_size(type->dtype);
}

static bp_status hold_state(bpi_check *check, bp_tensor *const *tensors, int count, state *s) {
    bpi_closure closure = {0};
    bp_graph *graph = tensors[0]->node->graph;
    bp_status status = bpi_closure_of(graph, tensors, count, &closure);
    if (status != BP_OK)
        return bpi_check_stop(check, status, graph);
    s->variable = bpi_check_room(check, closure.count + 1, sizeof *s->variable);
    s->held = bpi_check_room(check, closure.count + 1, sizeof *s->held);
    for (size_t k = 0; s->variable && s->held && k < closure.count; k++)
        if (closure.nodes[k]->op == &bpi_op_assign) {
            bpi_variable *v = closure.nodes[k]->x[0]->node->leaf->variable;
            size_t bytes = type_bytes(v->type);
            void *held = bpi_check_room(check, bytes + 1, 1);
            if (!held)
                break;
            memcpy(held, v->data, bytes);
            s->variable[s->count] = v;
            s->held[s->count++] = held;
        }
    bpi_free(closure.nodes);
    return check->why.status;
}

static void restore_state(bp_model *model, const state *s) {
    for (size_t k = 0; k < s->count; k++) {
        memcpy(s->variable[k]->data, s->held[k], type_bytes(s->variable[k]->type));
        s->variable[k]->stamp = bpi_clock(model);
    }
}

/* Runs the tensors by one executor and copies their values. */
static bp_status run_by(bpi_check *check, bp_executor executor, bp_tensor *const *tensors,
                        int count, void **values) {
    bp_graph *graph = tensors[0]->node->graph;
    bp_set_executor(graph, executor);
    graph->stale_before =
        bpi_clock(graph->model); /* values from before, of a step say, do not count */
    bp_status status = bp_eval(tensors, count);
    if (status != BP_OK)
        return bpi_check_stop(check, status, graph);
    for (int k = 0; k < count; k++) {
        size_t bytes = type_bytes(tensors[k]->type);
        values[k] = bpi_check_room(check, bytes + 1, 1);
        if (!values[k])
            return check->why.status;
        if (bytes)
            memcpy(values[k], bp_data(tensors[k]), bytes);
    }
    return BP_OK;
}

/* Executors may round differently: sums in another order, other polynomials for exp. Integers may
 * not differ. The bound is a part of the largest element of the tensor, or of a twentieth of what
 * passes through the computation of one: a sum that cancels is small, its rounding is not. */
static double bound(bp_dtype dtype) {
    return dtype == BP_F32 ? 1000 * FLT_EPSILON : dtype == BP_F64 ? 1000 * DBL_EPSILON : 0;
}

/* What passes through the computation of one element, by its gradients in a copy. */
static double size_behind(bpi_check *check, bp_tensor *tensor, int64_t i) {
    bpi_check own = {.config = check->config};
    bp_graph *graph = bp_graph_new(tensor->node->graph->model);
    bp_tensor *y = NULL, *c = NULL;
    double size = 0;
    if (graph && bpi_copy_as_f64(&own, graph, &tensor, 1, &y) == BP_OK)
        c = bp_input(graph, "cotangent", BP_F64, tensor->type->shape);
    double *one = bpi_check_room(&own, (size_t)bp_tensor_count(tensor), sizeof *one);
    if (c && one) {
        one[i] = 1;
        bpi_subject subject = {.y = &y, .c = &c, .count = 1};
        size = bp_write(c, one) == BP_OK ? bpi_rounding_size(&own, &subject, NULL) : 0;
    }
    if (!graph || own.why.status == BP_ERR_MEMORY)
        bpi_fail(&check->why, BP_ERR_MEMORY, "out of memory for the rounding of a plan");
    bp_graph_free(graph);
    bpi_arena_free(&own.arena);
    return size;
}

/* The comparison of one tensor. */
typedef struct pair {
    bp_tensor *tensor;
    const void *planned, *naive;
    double scale; /* of which the bound is a part */
} pair;

static bp_status fail_element(bpi_check *check, const pair *t, int64_t i) {
    bp_check_report *r = check->report;
    const bp_type *type = t->tensor->type;
    const char *name = bp_name(t->tensor);
    int digits = type->dtype == BP_F64 ? 17 : 9;
    bpi_element_text(name[0] ? name : t->tensor->node->op->name, &type->shape, i, r->where,
                     sizeof r->where);
    bpi_format(
        r->text, sizeof r->text,
        "%s is %.*g planned and %.*g run naively: they differ by %.3g where %.3g is accepted",
        r->where, digits, r->analytic, digits, r->numeric, fabs(r->analytic - r->numeric),
        bound(type->dtype) * t->scale);
    return BP_ERR_CHECK;
}

/* Compares one element. NaN by both executors is the same result. */
static bp_status compare_element(bpi_check *check, pair *t, int64_t i) {
    bp_check_report *r = check->report;
    bp_dtype dtype = t->tensor->type->dtype;
    double p = bpi_load(dtype, t->planned, i), n = bpi_load(dtype, t->naive, i);
    double gap = p == n || (isnan(p) && isnan(n)) ? 0 : fabs(p - n);
    if (isfinite(gap) && gap > bound(dtype) * t->scale && bp_dtype_is_float(dtype))
        t->scale = fmax(t->scale, size_behind(check, t->tensor, i) / 20);
    if (check->why.status != BP_OK)
        return check->why.status;
    double error = gap == 0 ? 0 : gap / t->scale;
    r->checked++;
    if (error <= bound(dtype)) {
        r->worst = fmax(r->worst, error);
        return BP_OK;
    }
    r->worst = error;
    r->analytic = p;
    r->numeric = n;
    return fail_element(check, t, i);
}

static bp_status compare(bpi_check *check, bp_tensor *tensor, const void *planned,
                         const void *naive, int64_t *nans) {
    pair t = {tensor, planned, naive, 0};
    int64_t count = bp_tensor_count(tensor);
    bp_status status = BP_OK;
    for (int64_t i = 0; i < count; i++) {
        double value = bpi_load(tensor->type->dtype, naive, i);
        t.scale = isfinite(value) ? fmax(t.scale, fabs(value)) : t.scale;
        *nans += isnan(value);
    }
    for (int64_t i = 0; status == BP_OK && i < count; i++)
        status = compare_element(check, &t, i);
    return status;
}

static bp_status check_tensors(bpi_check *check, bp_tensor *const *tensors, int count) {
    bp_graph *graph = count > 0 && tensors && tensors[0] ? tensors[0]->node->graph : NULL;
    for (int k = 0; k < count; k++)
        if (!graph || !tensors[k] || tensors[k]->node->graph != graph)
            graph = NULL;
    if (!graph)
        return bpi_fail(&check->why, BP_ERR_ARGUMENT,
                        "bp_check_plan needs tensors, none of them NULL, of "
                        "one graph");
    return bp_failed(graph) ? bpi_check_stop(check, BP_ERR_STATE, graph) : BP_OK;
}

static void report_pass(bpi_check *check, int count, int64_t nans) {
    bp_check_report *r = check->report;
    r->passed = true;
    int length = bpi_format(
        r->text, sizeof r->text,
        "passed: %lld values of %d tensors, planned and run naively; largest difference %.2g of a "
        "tensor's largest value, or of what is added up in it",
        (long long)r->checked, count, r->worst);
    if (nans > 0)
        bpi_format(r->text + length, sizeof r->text - (size_t)length,
                   "; %lld values are NaN by either executor", (long long)nans);
}

bp_status bp_check_plan(bp_tensor *const *tensors, int count, bp_check_report *report) {
    bp_check_report ignored;
    bpi_check check = {.report = report ? report : &ignored, .config = bp_check_defaults()};
    *check.report = (bp_check_report){0};
    bp_status status = check_tensors(&check, tensors, count);
    if (status != BP_OK)
        return bpi_check_unfinished(&check, status);
    bp_graph *graph = tensors[0]->node->graph;
    bp_executor executor = graph->executor;
    void **values = bpi_check_room(&check, 2 * (size_t)count, sizeof *values);
    state s = {0};
    status = values ? hold_state(&check, tensors, count, &s) : check.why.status;
    for (int k = BP_PLANNED; status == BP_OK && k <= BP_NAIVE; k++) {
        status = run_by(&check, (bp_executor)k, tensors, count, values + k * count);
        restore_state(graph->model, &s);
    }
    bp_set_executor(graph, executor);
    int64_t nans = 0;
    for (int k = 0; status == BP_OK && k < count; k++)
        status = compare(&check, tensors[k], values[k], values[count + k], &nans);
    if (status == BP_OK)
        report_pass(&check, count, nans);
    bpi_arena_free(&check.arena);
    return bpi_check_unfinished(&check, status);
}
