/* Three ways to one gradient: recorded by reverse mode, by the formulas of the op records on plain
 * arrays, and by central differences. */
#include <math.h>
#include <string.h>

#include "../random.h"
#include "array.h"
#include "difference.h"
#include "explain.h"
#include "path.h"
#include "scratch.h"

enum { MOST_NODES = 1000, DIFFERENCES = 24 };

/* The largest difference between two gradients as a part of the largest component. */
static double distance(const double *a, const double *b, int64_t count) {
    double largest = 0, gap = 0;
    for (int64_t i = 0; i < count; i++) {
        largest = fmax(largest, fmax(fabs(a[i]), fabs(b[i])));
        gap = isnan(a[i] - b[i]) ? NAN : fmax(gap, fabs(a[i] - b[i]));
    }
    return largest > 0 ? gap / largest : gap;
}

/* ---- by the formulas ------------------------------------------------------------------------- */

/* Cotangents while they flow back along the path. */
typedef struct flow {
    bpi_check *check;
    bpi_path path;
    bpi_nd *delta; /* by slot; data NULL: none */
} flow;

/* Everything is evaluated in one run first, so that reading it runs nothing again. */
static bp_status evaluate_path(flow *f) {
    size_t room = 1;
    for (size_t s = 0; s < f->path.closure.count; s++)
        room += (size_t)f->path.closure.nodes[s]->inputs + 1;
    bp_tensor **wanted = bpi_check_room(f->check, room, sizeof *wanted);
    int count = 0;
    for (size_t s = 0; wanted && s < f->path.closure.count; s++) {
        bpi_node *node = f->path.closure.nodes[s];
        if (f->path.on[s]) {
            wanted[count++] = &node->y[0];
            for (int k = 0; k < node->inputs; k++)
                wanted[count++] = node->x[k];
        }
    }
    bp_status status = wanted ? bp_eval(wanted, count) : BP_ERR_MEMORY;
    bpi_path_renumber(&f->path);
    return status;
}

static bp_status add_to(flow *f, const bpi_node *node, const bpi_nd *more) {
    bpi_nd *sum = &f->delta[node->slot];
    if (!sum->data)
        *sum = bpi_nd_new(&f->check->arena, more->shape);
    if (!sum->data)
        return BP_ERR_MEMORY;
    for (int64_t i = 0; i < bp_shape_count(sum->shape); i++)
        sum->data[i] += more->data[i];
    return BP_OK;
}

/* Evaluates the gradient formulas of one node and hands the results to its operands. */
static bp_status flow_back(flow *f, bpi_node *node) {
    bpi_nd x[4], y, gx;
    if (node->outputs != 1 || node->inputs > 4)
        return BP_ERR_UNSUPPORTED;
    bp_status status = bpi_nd_of(&node->y[0], &f->check->arena, &y);
    for (int k = 0; status == BP_OK && k < node->inputs; k++)
        status = bpi_nd_of(node->x[k], &f->check->arena, &x[k]);
    bpi_nd_node values = {node->op, node->attr, node->inputs, 1, x, &y, &f->delta[node->slot]};
    for (int k = 0; status == BP_OK && k < node->inputs; k++) {
        if (!bpi_path_flows(&f->path, node, k))
            continue;
        status = bpi_nd_gradient(&values, k, &f->check->arena, &gx, NULL);
        if (status == BP_OK)
            status = add_to(f, node->x[k]->node, &gx);
    }
    return status;
}

static bp_status by_formula(bpi_check *check, bp_tensor *loss, bp_tensor *wrt, double **gradient) {
    flow f = {.check = check};
    bp_status status = bpi_path_of(&loss, 1, wrt, &f.path);
    if (status == BP_OK && f.path.closure.count > MOST_NODES)
        status = BP_ERR_UNSUPPORTED;
    f.delta =
        status == BP_OK ? bpi_check_room(check, f.path.closure.count + 1, sizeof *f.delta) : NULL;
    if (status == BP_OK)
        status = f.delta ? evaluate_path(&f) : BP_ERR_MEMORY;
    bpi_nd one = bpi_nd_new(&check->arena, loss->type->shape);
    if (status == BP_OK && one.data) {
        one.data[0] = 1;
        f.delta[loss->node->slot] = one;
    }
    for (size_t s = f.path.closure.count; status == BP_OK && s-- > 0;) {
        bpi_node *node = f.path.closure.nodes[s];
        if (node == wrt->node)
            break;
        if (f.path.on[s] && f.delta[s].data)
            status = flow_back(&f, node);
    }
    *gradient = status == BP_OK ? f.delta[wrt->node->slot].data : NULL;
    bpi_path_free(&f.path);
    return status;
}

/* ---- by differences -------------------------------------------------------------------------- */

static double by_difference(bpi_check *check, const bpi_scratch *s, const double *automatic) {
    int64_t count = bp_tensor_count(s->wrt);
    double *room = bpi_check_room(check, 1, sizeof *room), one = 1, scale = 0, a[DIFFERENCES],
           n[DIFFERENCES];
    double *values = bpi_check_copy(check, s->wrt);
    const double *c = &one;
    bool leaf = s->wrt->node->leaf != NULL && count > 0;
    bp_set_executor(s->graph, BP_PLANNED);
    for (int64_t i = 0; i < count; i++)
        scale = fmax(scale, fabs(automatic[i]));
    bpi_probe probe = {.count = 1,
                       .y = &s->loss,
                       .c = &c,
                       .room = room,
                       .kinked = s->kinked,
                       .tolerance = check->config.tolerance};
    bpi_random random = bpi_random_new(check->config.seed, 1);
    int compared = count < DIFFERENCES ? (int)count : DIFFERENCES;
    for (int k = 0; k < compared && leaf && room && values; k++) {
        bpi_slope slope;
        int64_t i = count <= DIFFERENCES ? k : (int64_t)bpi_random_below(&random, (uint64_t)count);
        if (bpi_probe_slope(&probe, s->wrt, values, i, automatic[i], scale, &slope) != BP_OK)
            return -1;
        a[k] = automatic[i];
        n[k] = slope.numeric;
    }
    return leaf && room && values ? distance(a, n, compared) : -1;
}

/* ---- the three together ---------------------------------------------------------------------- */

bp_status bpi_agreement_of(bpi_check *check, bp_tensor *loss, bp_tensor *wrt,
                           bpi_agreement *agreement) {
    bpi_scratch s = {0};
    *agreement = (bpi_agreement){-1, -1};
    bp_status status = bpi_scratch_open(check, loss, wrt, &s);
    bp_tensor *gradient = status == BP_OK ? bp_grad(s.loss, s.wrt) : NULL;
    double *automatic = gradient ? bpi_check_copy(check, gradient) : NULL, *formula = NULL;
    if (status == BP_OK && !automatic)
        status = bpi_check_stop(check, BP_ERR_MEMORY, s.graph);
    if (status == BP_OK && by_formula(check, s.loss, s.wrt, &formula) == BP_OK && formula)
        agreement->formula = distance(automatic, formula, bp_tensor_count(s.wrt));
    if (status == BP_OK)
        agreement->difference = by_difference(check, &s, automatic);
    bpi_scratch_close(&s);
    return status;
}
