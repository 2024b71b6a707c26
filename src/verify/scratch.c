/* Copies a computation into f64, freezes what no gradient may flow into, and leaves kinks. */
#include "scratch.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../random.h"
#include "condition.h"

/* ---- frozen operands ------------------------------------------------------------------------- */

static bool frozen(const bpi_node *node, int k) {
    int named = node->op->arity == BP_VARIADIC || k > 3 ? 0 : k;
    return node->op->operands[named].no_gradient && bp_dtype_is_float(node->x[k]->type->dtype);
}

/* Records an input of `graph` with memory that lives as long as the check. */
static bp_tensor *new_input(bp_graph *graph, const bp_type *type, const void *data) {
    bpi_leaf *leaf;
    bp_tensor *input = bpi_record_leaf(graph, &bpi_op_input, type, BPI_INPUT, &leaf);
    if (!input)
        return NULL;
    leaf->data = data;
    leaf->pointed = true;
    return input;
}

/* The present values of all frozen operands, by order of appearance; one run for all of them. */
static bp_status freeze(bpi_check *check, const bpi_closure *closure, bp_tensor ***which,
                        double ***values, int *count) {
    int total = 0;
    for (size_t s = 0; s < closure->count; s++)
        for (int k = 0; k < closure->nodes[s]->inputs; k++)
            total += frozen(closure->nodes[s], k);
    *count = 0;
    *which = bpi_check_room(check, (size_t)total + 1, sizeof **which);
    *values = bpi_check_room(check, (size_t)total + 1, sizeof **values);
    if (!*which || !*values)
        return check->why.status;
    for (size_t s = 0; s < closure->count; s++)
        for (int k = 0; k < closure->nodes[s]->inputs; k++)
            if (frozen(closure->nodes[s], k))
                (*which)[(*count)++] = closure->nodes[s]->x[k];
    bp_status status = total ? bp_eval(*which, total) : BP_OK;
    if (status != BP_OK)
        return bpi_check_stop(check, status, (*which)[0]->node->graph);
    for (int k = 0; k < total; k++)
        if (!((*values)[k] = bpi_check_copy(check, (*which)[k])))
            return check->why.status;
    return BP_OK;
}

/* ---- the copy -------------------------------------------------------------------------------- */

typedef struct copying {
    bpi_check *check;
    bpi_scratch *scratch;
    bpi_closure closure; /* of the f64 copy */
    bpi_node **copies;   /* by slot */
    bp_tensor **which;   /* frozen operands in the order of appearance */
    double **values;
    int frozen; /* used up so far */
} copying;

static bpi_node *copy_leaf(copying *c, const bpi_node *node) {
    const bpi_leaf *leaf = node->leaf;
    const void *data = leaf->variable ? leaf->variable->data : leaf->data;
    bp_tensor *input = new_input(c->scratch->graph, node->y[0].type, data);
    if (!input)
        return NULL;
    bool varied = leaf->kind == BPI_INPUT || leaf->kind == BPI_VARIABLE;
    if (varied && bp_dtype_is_float(input->type->dtype)) {
        c->scratch->x[c->scratch->inputs++] = input;
        if (!node->name) {
            char name[40];
            bpi_format(name, sizeof name, "input %d", c->scratch->inputs);
            bp_named(input, name);
        }
    }
    return input->node;
}

static bp_tensor *copied(const copying *c, const bp_tensor *tensor) {
    return &c->copies[tensor->node->slot]->y[bpi_index(tensor)];
}

static bpi_node *copy_op(copying *c, const bpi_node *node) {
    bp_tensor **x = bpi_check_room(c->check, node->inputs, sizeof *x);
    for (int k = 0; x && k < node->inputs; k++) {
        if (frozen(node, k)) {
            const bp_type *type = node->x[k]->type;
            x[k] = new_input(c->scratch->graph, type, c->values[c->frozen++]);
        } else {
            x[k] = copied(c, node->x[k]);
        }
        if (!x[k])
            return NULL;
    }
    const bp_type *types[BP_MAX_OUTPUTS];
    bool ok = x != NULL;
    for (int k = 0; k < node->outputs; k++)
        ok = (types[k] = bpi_type_intern(c->scratch->graph->types, node->y[k].type)) && ok;
    return ok ? bpi_node_append(c->scratch->graph, node->op, x, node->inputs, node->attr, types,
                                node->outputs, NULL)
              : NULL;
}

static bp_status copy_all(copying *c, bp_tensor *const *targets, int count) {
    bpi_scratch *s = c->scratch;
    for (size_t k = 0; k < c->closure.count; k++) {
        const bpi_node *node = c->closure.nodes[k];
        c->copies[k] = node->leaf ? copy_leaf(c, node) : copy_op(c, node);
        if (!c->copies[k] || (node->name && !bp_named(&c->copies[k]->y[0], node->name)))
            return bpi_check_stop(c->check, BP_ERR_MEMORY, s->graph);
        s->kinked = s->kinked || (node->op->kinks && node->op->kinks[0]);
    }
    s->loss = copied(c, targets[0]);
    s->wrt = count > 1 ? copied(c, targets[1]) : NULL;
    return BP_OK;
}

/* Keeps of the varied leaves those that the loss still depends on. */
static bp_status keep_reached(bpi_check *check, bpi_scratch *s) {
    bpi_closure closure = {0};
    bp_status status = bpi_closure_of(s->graph, &s->loss, 1, &closure);
    if (status != BP_OK)
        return bpi_check_stop(check, status, s->graph);
    int kept = 0;
    for (int k = 0; k < s->inputs; k++)
        if (s->x[k]->node->mark == s->graph->mark)
            s->x[kept++] = s->x[k];
    s->inputs = kept;
    bpi_free(closure.nodes);
    return BP_OK;
}

static bp_status copy_frozen(bpi_check *check, bpi_scratch *s, bp_tensor *const *targets,
                             int count) {
    copying c = {.check = check, .scratch = s};
    int total;
    bp_status status = bpi_closure_of(s->original, targets, count, &c.closure);
    if (status != BP_OK)
        return bpi_check_stop(check, status, s->original);
    status = freeze(check, &c.closure, &c.which, &c.values, &total);
    /* The run has numbered nodes anew. */
    for (size_t k = 0; k < c.closure.count; k++)
        c.closure.nodes[k]->slot = (uint32_t)k;
    c.copies = bpi_check_room(check, c.closure.count + 1, sizeof *c.copies);
    s->x = bpi_check_room(check, c.closure.count + 1, sizeof *s->x);
    if (status == BP_OK)
        status = c.copies && s->x ? copy_all(&c, targets, count) : check->why.status;
    bpi_free(c.closure.nodes);
    return status == BP_OK ? keep_reached(check, s) : status;
}

/* ---- away from kinks ------------------------------------------------------------------------- */

/* The values of a tensor as doubles, in memory of `arena`. */
static const double *as_doubles(bpi_arena *arena, bp_tensor *tensor) {
    int64_t count = bp_tensor_count(tensor);
    const void *data = bp_data(tensor);
    double *values = bpi_arena_alloc(arena, (size_t)(count + 1) * sizeof *values);
    for (int64_t i = 0; values && data && i < count; i++)
        values[i] = bpi_load(tensor->type->dtype, data, i);
    return data || count == 0 ? values : NULL;
}

/* How close a node's operands are to its kinks. Kinks about pairs of elements are left out: two
 * zeros out of a relu tie without being a kink. */
static bp_status node_distance(bpi_check *check, const bpi_node *node, double *nearest) {
    bpi_formula kinks;
    bpi_arena arena = {0};
    bpi_point point = {.op = node->op, .attr = node->attr, .inputs = node->inputs};
    bp_status status = bpi_formula_parse(node->op->kinks, true, &kinks, &check->why);
    for (int k = 0; status == BP_OK && k < node->inputs; k++) {
        point.type[k] = node->x[k]->type;
        point.values[k] = as_doubles(&arena, node->x[k]);
        if (!point.values[k])
            status = bpi_check_stop(check, BP_ERR_MEMORY, node->graph);
    }
    for (int k = 0; status == BP_OK && k < kinks.count; k++) {
        bpi_condition c;
        status = bpi_condition_of(kinks.statements[k].value, &point, &c, &check->why);
        for (int64_t i = 0; status == BP_OK && !c.apart && c.floats && i < c.count; i++) {
            double inside;
            status = bpi_condition_distance(&c, &point, i, &inside, &check->why);
            *nearest = fmin(*nearest, inside);
        }
    }
    bpi_arena_free(&arena);
    bpi_formula_free(&kinks);
    return status;
}

/* The smallest distance to a kink in the whole computation. */
static bp_status distance(bpi_check *check, const bpi_scratch *s, double *nearest) {
    *nearest = DBL_MAX;
    bp_status status = BP_OK;
    for (size_t k = 0; status == BP_OK && k < s->graph->count; k++) {
        const bpi_node *node = s->graph->nodes[k];
        if (node->op->kinks && node->op->kinks[0] && node->inputs <= BPI_POINT_OPERANDS) {
            status = bp_eval(node->x, node->inputs);
            status = status == BP_OK ? node_distance(check, node, nearest)
                                     : bpi_check_stop(check, status, s->graph);
        }
    }
    return status;
}

/* Moves every element of the inputs by up to `nudge` of its size, from the values
 * that it had first. */
static bp_status move(bpi_check *check, const bpi_scratch *s, double *const *first,
                      uint64_t round) {
    bpi_random random = bpi_random_new(check->config.seed, round);
    for (int k = 0; k < s->inputs; k++) {
        int64_t count = bp_tensor_count(s->x[k]);
        double *values = bpi_alloc((size_t)(count + 1) * sizeof *values);
        if (!values)
            return bpi_fail(&check->why, BP_ERR_MEMORY, "out of memory while checking gradients");
        for (int64_t i = 0; i < count; i++)
            values[i] = first[k][i] + s->nudge * fmax(1, fabs(first[k][i])) *
                                          (2 * bpi_random_uniform(&random) - 1);
        bp_status status = bp_write(s->x[k], values);
        bpi_free(values);
        if (status != BP_OK)
            return bpi_check_stop(check, status, s->graph);
    }
    return BP_OK;
}

/* Differences take steps of about 1e-5: a kink that close would be straddled. Of the places tried
 * the last one is kept; in a computation with very many kinks none may be free of them, and the
 * smaller steps of the difference deal with what remains. */
static bp_status leave_kinks(bpi_check *check, bpi_scratch *s) {
    static const double safe = 1e-5;
    enum { ROUNDS = 8 };
    double nearest;
    double **first = bpi_check_room(check, (size_t)s->inputs + 1, sizeof *first);
    for (int k = 0; first && k < s->inputs; k++)
        if (!(first[k] = bpi_check_copy(check, s->x[k])))
            return check->why.status;
    bp_status status = first ? distance(check, s, &nearest) : check->why.status;
    for (int round = 1; status == BP_OK && nearest < safe && round <= ROUNDS; round++) {
        s->nudge = 1e-3;
        status = move(check, s, first, (uint64_t)round);
        if (status == BP_OK)
            status = distance(check, s, &nearest);
    }
    return status;
}

/* ---- opening and closing --------------------------------------------------------------------- */

bp_status bpi_copy_as_f64(bpi_check *check, bp_graph *to, bp_tensor *const *targets, int count,
                          bp_tensor **copies) {
    bp_graph *from = targets[0]->node->graph;
    bpi_closure closure = {0};
    bp_status status = bpi_closure_of(from, targets, count, &closure);
    if (status != BP_OK)
        return bpi_check_stop(check, status, from);
    bpi_node **nodes = bpi_check_room(check, closure.count, sizeof *nodes);
    if (!nodes)
        status = check->why.status;
    else if ((status = bpi_clone(to, &closure, BP_F64, nodes)) != BP_OK)
        bpi_check_stop(check, status, to);
    for (int k = 0; k < count && status == BP_OK; k++)
        copies[k] = &nodes[targets[k]->node->slot]->y[bpi_index(targets[k])];
    bpi_free(closure.nodes);
    return status;
}

bp_status bpi_scratch_open(bpi_check *check, bp_tensor *loss, bp_tensor *wrt, bpi_scratch *s) {
    bp_graph *from = loss->node->graph;
    *s = (bpi_scratch){.original = bp_graph_new(from->model), .graph = bp_graph_new(from->model)};
    if (!s->original || !s->graph)
        return bpi_fail(&check->why, BP_ERR_MEMORY, "out of memory while checking gradients");
    bp_set_executor(s->original, BP_NAIVE);
    bp_set_executor(s->graph, BP_NAIVE);
    bp_tensor *targets[] = {loss, wrt}, *copies[2];
    int count = wrt ? 2 : 1;
    bp_status status = bpi_copy_as_f64(check, s->original, targets, count, copies);
    if (status == BP_OK)
        status = copy_frozen(check, s, copies, count);
    if (status == BP_OK && s->kinked)
        status = leave_kinks(check, s);
    return status;
}

void bpi_scratch_close(bpi_scratch *s) {
    bp_graph_free(s->graph);
    bp_graph_free(s->original);
    *s = (bpi_scratch){0};
}
