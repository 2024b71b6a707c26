/* Runs tensors planned and naively from the same state, and compares: bp_check_plan. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "compare.h"

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
            size_t bytes = type_bytes(&v->type);
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
        memcpy(s->variable[k]->data, s->held[k], type_bytes(&s->variable[k]->type));
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
 * not differ. The bound is a part of the largest element of the tensor. */
static double bound(bp_dtype dtype) {
    return dtype == BP_F32 ? 1000 * FLT_EPSILON : dtype == BP_F64 ? 1000 * DBL_EPSILON : 0;
}

static bp_status compare(bpi_check *check, const bp_tensor *tensor, const void *planned,
                         const void *naive) {
    bp_check_report *r = check->report;
    bp_dtype dtype = tensor->type->dtype;
    int64_t count = bp_tensor_count(tensor);
    double largest = 0;
    for (int64_t i = 0; i < count; i++)
        if (isfinite(bpi_load(dtype, naive, i)))
            largest = fmax(largest, fabs(bpi_load(dtype, naive, i)));
    for (int64_t i = 0; i < count; i++) {
        double p = bpi_load(dtype, planned, i), n = bpi_load(dtype, naive, i);
        double error = p == n ? 0 : fabs(p - n) / largest;
        bool failed = !(error <= bound(dtype));
        r->checked++;
        if (!failed) {
            r->worst = fmax(r->worst, error);
            continue;
        }
        bpi_element_text(bp_name(tensor)[0] ? bp_name(tensor) : tensor->node->op->name,
                         &tensor->type->shape, i, r->where, sizeof r->where);
        r->worst = error;
        r->analytic = p;
        r->numeric = n;
        bpi_format(r->text, sizeof r->text, "%s is %.9g planned and %.9g run naively", r->where, p,
                   n);
        return BP_ERR_CHECK;
    }
    return BP_OK;
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
    for (int k = 0; status == BP_OK && k < count; k++)
        status = compare(&check, tensors[k], values[k], values[count + k]);
    check.report->passed = status == BP_OK;
    if (status == BP_OK)
        bpi_format(
            check.report->text, sizeof check.report->text,
            "passed: %lld values of %d tensors, planned and run naively; largest difference %.2g "
            "of a tensor's largest value",
            (long long)check.report->checked, count, check.report->worst);
    bpi_arena_free(&check.arena);
    return bpi_check_unfinished(&check, status);
}
