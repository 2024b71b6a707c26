/* Reverse mode: the gradient of a graph, recorded as more graph.
 *
 * For L = Σ_k <c_k, t_k>, with targets t and cotangents c, every tensor v has the cotangent
 * ∂L/∂v = Σ over its consumers u of (∂u/∂v)ᵀ ∂L/∂u. The nodes are visited in the reverse order of
 * their recording, so that a cotangent is complete when its node is reached; the op's VJP rule
 * records the cotangents of the operands, which are summed over broadcast dimensions and added up
 * here, once and for all ops. Source: Linnainmaa 1970; Griewank and Walther, "Evaluating
 * Derivatives", 2008, ch. 3. */
#include <string.h>

#include "derived.h"
#include "graph.h"

void (*bpi_vjp_fault)(bp_vjp *v);

/* One differentiation under way. */
typedef struct reverse {
    bp_graph *graph;
    bpi_closure closure;    /* what the targets depend on, in the order of recording */
    bool *needed;           /* by slot: depends on something that is differentiated for */
    uint32_t *first;        /* by slot: where the cotangents of a node's outputs begin */
    size_t widest;          /* most operands of a node */
    bp_tensor **cotangents; /* complete when their node is visited; NULL: zero */
} reverse;

static bool in_closure(const reverse *r, const bpi_node *node) {
    return node->mark == r->graph->mark;
}

static bp_tensor **cotangent_of(const reverse *r, const bp_tensor *tensor) {
    return &r->cotangents[r->first[tensor->node->slot] + bpi_index(tensor)];
}

/* A cotangent flows into operand k if it is a float, the op lets it, and something
 * behind it is needed. */
static bool flows_into(const reverse *r, const bpi_node *node, int k) {
    bool blocked = k < 4 && node->op->operands[k].no_gradient;
    return !blocked && bp_dtype_is_float(node->x[k]->type->dtype) &&
           r->needed[node->x[k]->node->slot];
}

/* Adds a cotangent to what has arrived at a tensor. */
static bool accumulate(const reverse *r, const bp_tensor *tensor, bp_tensor *more) {
    bp_tensor **sum = cotangent_of(r, tensor);
    *sum = *sum ? bp_add(*sum, more) : more;
    return *sum != NULL;
}

/* Takes what a rule recorded for operand k: of the operand's type, after un-broadcasting. */
static bool take_operand(const reverse *r, const bpi_node *node, int k, bp_tensor *gx) {
    bp_tensor *x = node->x[k];
    if (gx && gx->node->graph != r->graph) {
        bpi_graph_fail(r->graph, BP_ERR_GRADIENT,
                       "the VJP rule of %s gave a tensor of another graph for operand number %d; "
                       "record it in v->graph",
                       node->op->name, k + 1);
        return false;
    }
    if (gx && (node->op->flags & BP_OP_ELEMENTWISE))
        gx = bpi_sum_to(gx, x->type->shape);
    if (!gx || gx->type->dtype != x->type->dtype ||
        !bpi_same_shape(&gx->type->shape, &x->type->shape)) {
        char has[BPI_SHAPE_TEXT] = "at all", wants[BPI_SHAPE_TEXT];
        bpi_graph_fail(
            r->graph, BP_ERR_GRADIENT,
            "the VJP rule of %s gave %s %s for operand number %d, which is %s %s; record a "
            "cotangent of the operand's type (zeros where it is zero)",
            node->op->name, gx ? bp_dtype_name(gx->type->dtype) : "nothing",
            gx ? bpi_shape_text(&gx->type->shape, has) : has, k + 1, bp_dtype_name(x->type->dtype),
            bpi_shape_text(&x->type->shape, wants));
        return false;
    }
    return accumulate(r, x, gx);
}

/* Records the rule of a node: v->gx. */
static bool run_rule(bp_vjp *v) {
    if (!v->op->vjp && !v->op->backward)
        return bpi_graph_fail(v->graph, BP_ERR_GRADIENT, "%s: %s", v->op->name,
                              bpi_no_vjp_text(v->op)) != NULL;
    if (v->op->vjp)
        v->op->vjp(v);
    else
        bpi_derived_vjp(v);
    if (bpi_vjp_fault)
        bpi_vjp_fault(v);
    return true;
}

/* Visits one node whose cotangents are complete. */
static bool visit(const reverse *r, bpi_node *node, bp_tensor **gx, bool *need) {
    bp_tensor **gy = &r->cotangents[r->first[node->slot]];
    bool arrived = false, wanted = false;
    for (int k = 0; k < node->outputs; k++)
        arrived = arrived || gy[k];
    for (int k = 0; k < node->inputs; k++)
        wanted |= need[k] = flows_into(r, node, k);
    if (!arrived || !wanted)
        return true;
    bp_tensor *y[BP_MAX_OUTPUTS];
    for (int k = 0; k < node->outputs; k++)
        y[k] = &node->y[k];
    memset(gx, 0, node->inputs * sizeof *gx);
    bp_vjp v = {r->graph, node->op, node->attr, node->inputs, node->outputs,
                node->x,  y,        gy,         gx,           need};
    bool ok = run_rule(&v);
    for (int k = 0; k < node->inputs && ok; k++)
        ok = !need[k] || take_operand(r, node, k, gx[k]);
    return ok;
}

static bool visit_all(reverse *r) {
    bp_tensor **gx = bpi_alloc((r->widest + 1) * (sizeof *gx + sizeof(bool)));
    if (!gx)
        return bpi_graph_fail(r->graph, BP_ERR_MEMORY, "gradient: out of memory") != NULL;
    bool ok = true;
    for (size_t k = r->closure.count; k-- > 0 && ok;)
        if (r->needed[k] && !r->closure.nodes[k]->leaf)
            ok = visit(r, r->closure.nodes[k], gx, (bool *)&gx[r->widest]);
    bpi_free(gx);
    return ok;
}

/* Marks what depends on the tensors that are differentiated for, and numbers the cotangents. */
static bool prepare(reverse *r, bp_tensor *const *wrt, int wrt_count) {
    size_t count = r->closure.count, outputs = 0;
    r->needed = bpi_alloc_zeroed((count + 1) * sizeof *r->needed);
    r->first = bpi_alloc((count + 1) * sizeof *r->first);
    for (size_t k = 0; k < count && r->first; k++) {
        r->first[k] = (uint32_t)outputs;
        outputs += r->closure.nodes[k]->outputs;
        r->widest =
            r->closure.nodes[k]->inputs > r->widest ? r->closure.nodes[k]->inputs : r->widest;
    }
    r->cotangents = bpi_alloc_zeroed((outputs + 1) * sizeof *r->cotangents);
    if (!r->needed || !r->first || !r->cotangents)
        return bpi_graph_fail(r->graph, BP_ERR_MEMORY, "gradient: out of memory") != NULL;
    for (int k = 0; k < wrt_count; k++)
        if (in_closure(r, wrt[k]->node))
            r->needed[wrt[k]->node->slot] = true;
    for (size_t s = 0; s < count; s++) {
        bpi_fetch_ahead(r->closure.nodes, s, count);
        for (int k = 0; k < r->closure.nodes[s]->inputs; k++)
            r->needed[s] = r->needed[s] || flows_into(r, r->closure.nodes[s], k);
    }
    return true;
}

/* Starts with the cotangents of the targets: given, or 1 for a scalar. */
static bool seed(const reverse *r, bp_tensor *const *targets, bp_tensor *const *given, int count) {
    bool ok = true;
    for (int k = 0; k < count && ok; k++) {
        const bp_type *type = targets[k]->type;
        bp_tensor *one =
            given && given[k] ? given[k] : bp_full(r->graph, type->dtype, type->shape, 1);
        ok = one && accumulate(r, targets[k], one);
    }
    return ok;
}

/* The gradients: what has arrived at the tensors, or zero. */
static bool collect(const reverse *r, bp_tensor *const *wrt, int count, bp_tensor **gradients) {
    bool ok = true;
    for (int k = 0; k < count && ok; k++) {
        const bp_type *type = wrt[k]->type;
        bp_tensor *arrived = in_closure(r, wrt[k]->node) ? *cotangent_of(r, wrt[k]) : NULL;
        gradients[k] = arrived ? arrived : bp_full(r->graph, type->dtype, type->shape, 0);
        ok = gradients[k] != NULL;
    }
    return ok;
}

bp_status bpi_reverse(bp_tensor *const *targets, bp_tensor *const *cotangents, int target_count,
                      bp_tensor *const *wrt, int wrt_count, bp_tensor **gradients) {
    reverse r = {.graph = targets[0]->node->graph};
    bp_status status = bpi_closure_of(r.graph, targets, target_count, &r.closure);
    if (status != BP_OK)
        return status;
    bool ok = prepare(&r, wrt, wrt_count) && seed(&r, targets, cotangents, target_count) &&
              visit_all(&r) && collect(&r, wrt, wrt_count, gradients);
    bpi_free(r.needed);
    bpi_free(r.first);
    bpi_free(r.cotangents);
    bpi_free(r.closure.nodes);
    return ok ? BP_OK : bp_error_status(r.graph);
}
