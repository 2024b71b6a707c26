/* Copying a computation into another graph, as it is or with floats of another size. */
#include <string.h>

#include "graph.h"

/* What one copy needs to know: from which closure, into which graph, as which float type. */
typedef struct copying {
    bp_graph *to;
    bpi_node **copies; /* by slot */
    bp_dtype retype;   /* BP_DTYPE_COUNT: none */
} copying;

static bp_dtype retyped(const copying *c, bp_dtype dtype) {
    return bp_dtype_is_float(dtype) ? c->retype : dtype;
}

/* The types of a copy as they are. */
static bool copy_types(const copying *c, const bpi_node *node, const bp_type **types) {
    bool shared = c->to->types == node->graph->types, ok = true;
    for (int k = 0; k < node->outputs && ok; k++) {
        types[k] = shared ? node->y[k].type : bpi_type_intern(c->to->types, node->y[k].type);
        ok = types[k] != NULL;
    }
    return ok;
}

static bp_tensor *copy_of(const copying *c, const bp_tensor *x) {
    return &c->copies[x->node->slot]->y[bpi_index(x)];
}

/* A node as it is. */
static bpi_node *copy_node(const copying *c, const bpi_node *node) {
    const bp_type *types[BP_MAX_OUTPUTS];
    if (!copy_types(c, node, types))
        return bpi_graph_fail(c->to, BP_ERR_MEMORY, "out of memory");
    bpi_node *copy = bpi_node_copy(c->to, node, types);
    for (int k = 0; k < node->inputs && copy; k++)
        copy->x[k] = copy_of(c, node->x[k]);
    return copy;
}

/* ---- with other floats ----------------------------------------------------------------------- */

/* Gives a leaf values of its own, converted from the original's. */
static bool convert_values(copying *c, bpi_leaf *leaf, const bp_type *from, const void *data) {
    int64_t count = bp_shape_count(from->shape);
    void *values = bpi_alloc_aligned((size_t)count * bp_dtype_size(c->retype));
    if (!values)
        return bpi_graph_fail(c->to, BP_ERR_MEMORY, "out of memory for converted values") != NULL;
    for (int64_t k = 0; k < count; k++)
        bpi_store(c->retype, values, k, bpi_load(from->dtype, data, k));
    bpi_leaf_own(c->to, leaf, values);
    return true;
}

static bpi_node *convert_leaf(copying *c, const bpi_node *node) {
    bp_type type = *node->y[0].type;
    bp_dtype was = type.dtype;
    type.dtype = retyped(c, was);
    bool convert = type.dtype != was;
    bool becomes_input = convert && node->leaf->kind == BPI_VARIABLE;
    bpi_leaf *leaf = NULL;
    bp_tensor *copy = bpi_record_leaf(c->to, becomes_input ? &bpi_op_input : node->op, &type,
                                      becomes_input ? BPI_INPUT : node->leaf->kind, &leaf);
    if (!copy)
        return NULL;
    leaf->stamp = node->leaf->stamp;
    leaf->variable = becomes_input ? NULL : node->leaf->variable;
    leaf->data = node->leaf->data;
    leaf->pointed = true;
    if (convert && !convert_values(c, leaf, node->y[0].type, node->leaf->data))
        return NULL;
    leaf->pointed = !leaf->owned;
    return copy->node;
}

/* Attributes with dtypes changed as the tensors' are; `attrs` has room for BP_MAX_ATTRS. */
static void convert_attrs(const copying *c, const bpi_node *node, bp_attr *attrs) {
    for (int k = 0; k < node->attrs; k++) {
        attrs[k] = node->attr[k];
        if (attrs[k].type == BP_ATTR_DTYPE)
            attrs[k].as.i = retyped(c, (bp_dtype)attrs[k].as.i);
    }
}

/* The result of an assignment becomes its value alone: a copy in another dtype has no variable to
 * assign to, and must not write to the model's. */
static bpi_node *convert_assign(copying *c, const bpi_node *node) {
    bp_tensor *value = copy_of(c, node->x[1]);
    const bp_tensor *same = bp_reshape(value, value->type->shape);
    return same ? same->node : NULL;
}

static bpi_node *convert_op(copying *c, const bpi_node *node) {
    enum { FEW = 8 };
    if (node->op == &bpi_op_assign)
        return convert_assign(c, node);
    bp_tensor *few[FEW];
    bp_attr attrs[BP_MAX_ATTRS];
    bp_tensor **x = node->inputs <= FEW ? few : bpi_alloc(node->inputs * sizeof *x);
    if (!x)
        return bpi_graph_fail(c->to, BP_ERR_MEMORY, "out of memory");
    for (int k = 0; k < node->inputs; k++)
        x[k] = copy_of(c, node->x[k]);
    convert_attrs(c, node, attrs);
    const bp_tensor *first = bp_record(node->op, x, node->inputs, attrs);
    if (x != few)
        bpi_free(x);
    return first ? first->node : NULL;
}

bp_status bpi_clone(bp_graph *to, const bpi_closure *closure, bp_dtype retype, bpi_node **copies) {
    copying c = {to, copies, retype};
    if (!bpi_reserve((void **)&to->nodes, &to->capacity, to->count + closure->count,
                     sizeof *to->nodes)) {
        bpi_graph_fail(to, BP_ERR_MEMORY, "out of memory");
        return BP_ERR_MEMORY;
    }
    for (size_t k = 0; k < closure->count; k++) {
        const bpi_node *node = closure->nodes[k];
        bpi_fetch_ahead(closure->nodes, k, closure->count);
        if (retype == BP_DTYPE_COUNT)
            copies[k] = copy_node(&c, node);
        else
            copies[k] = node->leaf ? convert_leaf(&c, node) : convert_op(&c, node);
        if (!copies[k])
            return to->why.status;
        copies[k]->name = node->name;
    }
    to->random_ordinal = closure->nodes[0]->graph->random_ordinal;
    return BP_OK;
}
