/* Recording: from a call of an op to a node, with every check that can be made
 * before values exist. */
#include <string.h>

#include "graph.h"

int bpi_op_attrs(const bp_op *op) {
    int count = 0;
    while (count < BP_MAX_ATTRS && op->attrs[count].type != BP_ATTR_NONE)
        count++;
    return count;
}

__attribute__((noinline)) int bpi_op_ordinal(const bp_op *op) {
    for (int k = 0; k < BP_MAX_ATTRS && op->attrs[k].type != BP_ATTR_NONE; k++)
        if (op->attrs[k].type == BP_ATTR_INT && strcmp(op->attrs[k].name, "ordinal") == 0)
            return k;
    return -1;
}

bool bpi_same_attr(const bp_attr *a, const bp_attr *b) {
    if (a->type != b->type || a->type != BP_ATTR_INTS)
        return a->type == b->type && a->as.i == b->as.i;
    const size_t bytes = (size_t)a->count * sizeof *a->as.list;
    return a->count == b->count &&
           (bytes == 0 || (b->as.list && memcmp(a->as.list, b->as.list, bytes) == 0));
}

int bpi_op_outputs(const bp_op *op) { return op->outputs > 0 ? op->outputs : 1; }

static const char *operand_name(const bp_op *op, int k) {
    const char *name = k < 4 ? op->operands[k].name : NULL;
    return name ? name : op->operands[0].name ? op->operands[0].name : "operand";
}

/* ---- the message of a failed recording ------------------------------------------------------- */

/* Appends `a "weight" f32 [3,4], b f32 [6]` to a text of fixed size. */
static void describe_operands(const bp_op *op, bp_tensor *const *x, int count, char *out,
                              size_t size) {
    size_t length = 0;
    out[0] = '\0';
    for (int k = 0; k < count && k < 4 && length + 1 < size; k++) {
        char shape[BPI_SHAPE_TEXT];
        const char *name = bp_name(x[k]);
        bool named = name[0] != '\0';
        length += (size_t)bpi_format(out + length, size - length, "%s%s%s%s%s %s %s", k ? ", " : "",
                                     operand_name(op, k), named ? " \"" : "", name,
                                     named ? "\"" : "", bp_dtype_name(x[k]->type->dtype),
                                     bpi_shape_text(&x[k]->type->shape, shape));
    }
}

/* Keeps `mul at "block": <text>; operands: a f32 [3], b f32 [6]`. */
static void fail_with_operands(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int count,
                               const bp_failure *why) {
    char operands[320], scope[sizeof graph->scope];
    describe_operands(op, x, count, operands, sizeof operands);
    size_t length = graph->scope_length;
    memcpy(scope, graph->scope, length + 1);
    if (length > 0)
        scope[length - 1] = '\0'; /* without the last '.' */
    bpi_graph_fail(graph, why->status, "%s%s%s%s: %s; operands: %s", op->name,
                   length ? " at \"" : "", scope, length ? "\"" : "", why->text, operands);
}

/* ---- checks ---------------------------------------------------------------------------------- */

static bp_graph *graph_of(bp_tensor *const *x, int count) {
    for (int k = 0; k < count; k++)
        if (x[k])
            return x[k]->node->graph;
    return NULL;
}

/* Says what is wrong with a record, or with the number of operands that its op was given. */
static bool fail_record(bp_graph *graph, const bp_op *op, int count) {
    if (!op || !op->name)
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_record: the op %s",
                       op ? "has no name; give its record one" : "is NULL");
    else if (op->outputs < 0 || op->outputs > BP_MAX_OUTPUTS)
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "%s: the record has %d outputs; %d are the most",
                       op->name, op->outputs, BP_MAX_OUTPUTS);
    else if (op->arity < 1 || op->arity > BP_MAX_OPERANDS)
        bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                       "%s: the record has arity %d; 1 to %d are possible, or BP_VARIADIC",
                       op->name, op->arity, BP_MAX_OPERANDS);
    else
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "%s: takes %d operands, was given %d", op->name,
                       op->arity, count);
    return false;
}

static bool record_usable(bp_graph *graph, const bp_op *op, int count) {
    bool usable = op && op->name && (unsigned)op->outputs <= BP_MAX_OUTPUTS &&
                  (op->arity == BP_VARIADIC || (op->arity == count && count <= BP_MAX_OPERANDS));
    return usable || fail_record(graph, op, count);
}

static bool operands_usable(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int count) {
    if (count > UINT16_MAX) {
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "%s: %d operands are more than %d", op->name, count,
                       UINT16_MAX);
        return false;
    }
    for (int k = 0; k < count; k++) {
        if (!x[k]) {
            bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                           "%s: operand %s (number %d) is NULL; was the call that made it checked?",
                           op->name, operand_name(op, k), k + 1);
            return false;
        }
        if (x[k]->node->graph != graph) {
            bpi_graph_fail(
                graph, BP_ERR_ARGUMENT,
                "%s: operand %s (number %d) belongs to another graph; record both operands "
                "in one graph",
                op->name, operand_name(op, k), k + 1);
            return false;
        }
    }
    return true;
}

static bool attrs_usable(bp_graph *graph, const bp_op *op, const bp_attr *attrs) {
    int count = bpi_op_attrs(op);
    for (int k = 0; k < count; k++)
        if (!attrs || attrs[k].type != op->attrs[k].type) {
            bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                           "%s: attribute \"%s\" is missing or not of its declared type", op->name,
                           op->attrs[k].name);
            return false;
        } else if (attrs[k].type == BP_ATTR_INTS &&
                   (attrs[k].count < 0 || (attrs[k].count > 0 && !attrs[k].as.list))) {
            bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                           "%s: attribute \"%s\" is a list of %d integers%s", op->name,
                           op->attrs[k].name, attrs[k].count, attrs[k].as.list ? "" : " at NULL");
            return false;
        }
    if (!(op->flags & BP_OP_RANDOM) || bpi_op_ordinal(op) >= 0)
        return true;
    bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                   "%s: an op that draws random numbers needs an integer attribute \"ordinal\", "
                   "which tells its draws from those of others; record it with -1",
                   op->name);
    return false;
}

/* ---- the node -------------------------------------------------------------------------------- */

/* Copies attributes, lists included, into the arena. */
static bool copy_attrs(bp_graph *graph, bp_attr *to, const bp_attr *from, int count) {
    for (int k = 0; k < count; k++) {
        to[k] = from[k];
        if (from[k].type != BP_ATTR_INTS)
            continue;
        size_t bytes = (size_t)from[k].count * sizeof(int64_t);
        int64_t *list = bpi_arena_alloc(&graph->arena, bytes);
        if (!list)
            return false;
        if (bytes)
            memcpy(list, from[k].as.list, bytes);
        to[k].as.list = list;
    }
    return true;
}

/* A node that is not in the graph yet, with room for its operands and own attributes; NULL with the
 * failure kept. */
static inline bpi_node *new_node(bp_graph *graph, const bp_op *op, const bp_type *const *types,
                                 int outputs, int inputs, int own_attrs) {
    size_t bytes = sizeof(bpi_node) + (size_t)outputs * sizeof(bp_tensor) +
                   (size_t)inputs * sizeof(bp_tensor *) + (size_t)own_attrs * sizeof(bp_attr);
    bpi_node *node = graph->count < UINT32_MAX ? bpi_arena_alloc(&graph->arena, bytes) : NULL;
    if (!node ||
        !bpi_grow((void **)&graph->nodes, &graph->capacity, graph->count, sizeof *graph->nodes))
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "%s: out of memory after %zu nodes", op->name,
                              graph->count);
    bp_attr *attr = (bp_attr *)&node->y[outputs];
    graph->again = 0;
    *node = (bpi_node){.graph = graph,
                       .x = (bp_tensor **)&attr[own_attrs],
                       .attr = attr,
                       .op = op,
                       .id = (uint32_t)graph->count,
                       .inputs = (uint16_t)inputs,
                       .outputs = (uint8_t)outputs,
                       .attrs = (uint8_t)own_attrs};
    for (int k = 0; k < outputs; k++)
        node->y[k] = (bp_tensor){.node = node, .type = types[k]};
    return node;
}

bpi_node *bpi_node_append(bp_graph *graph, const bp_op *op, bp_tensor *const *x, int inputs,
                          const bp_attr *attr, const bp_type *const *types, int outputs,
                          bpi_leaf *leaf) {
    const int attrs = bpi_op_attrs(op);
    bpi_node *node = new_node(graph, op, types, outputs, inputs, attrs);
    if (!node)
        return NULL;
    node->leaf = leaf;
    if (inputs)
        memcpy(node->x, x, (size_t)inputs * sizeof *x);
    if (!copy_attrs(graph, (bp_attr *)node->attr, attr, attrs))
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "%s: out of memory after %zu nodes", op->name,
                              graph->count);
    return graph->nodes[graph->count++] = node;
}

bpi_node *bpi_node_copy(bp_graph *graph, const bpi_node *from, const bp_type *const *types) {
    bpi_node *node = new_node(graph, from->op, types, from->outputs, from->inputs, 0);
    if (!node)
        return NULL;
    node->name = from->name;
    node->leaf = from->leaf;
    node->attr = from->attr;
    node->attrs = from->attrs;
    return graph->nodes[graph->count++] = node;
}

/* Runs the shape rule; the default is the type of the first operand, and none for other outputs. */
static bp_status run_infer(bp_signature *s) {
    s->y[0] = s->x[0];
    for (int k = 1; k < bpi_op_outputs(s->op); k++)
        s->y[k] = (bp_type){BP_DTYPE_COUNT, BP_SCALAR};
    return s->op->infer ? s->op->infer(s) : BP_OK;
}

static bp_status fail_output(const bp_signature *s, int k) {
    const bp_type *y = &s->y[k];
    char shape[BPI_SHAPE_TEXT];
    return bpi_fail(s->why, BP_ERR_SHAPE,
                    "result number %d would have the dtype %d (%s), the rank %d and the shape %s: "
                    "no such dtype, a rank outside 0 to %d, a negative size, or more elements than "
                    "64 bits count",
                    k + 1, (int)y->dtype, bp_dtype_name(y->dtype), y->shape.rank,
                    bpi_shape_text(&y->shape, shape), BP_MAX_RANK);
}

/* Interns the types that a shape rule gave, and checks them. Most often that is the type of the
 * first operand. */
static bp_status intern_outputs(bp_graph *graph, const bp_signature *s, const bp_type *first,
                                const bp_type **types) {
    for (int k = 0; k < bpi_op_outputs(s->op); k++) {
        const bp_type *y = &s->y[k];
        types[k] = first;
        if (bpi_same_type(y, first))
            continue;
        if (bp_dtype_size(y->dtype) == 0 || bp_shape_count(y->shape) < 0)
            return fail_output(s, k);
        if (!(types[k] = bpi_type_intern(graph->types, y)))
            return bpi_fail(s->why, BP_ERR_MEMORY, "out of memory");
    }
    return BP_OK;
}

/* Attributes as they are recorded: a random op that is given a negative ordinal has the next one of
 * the recording, in the copy `own`. */
static const bp_attr *number_draws(const bp_graph *graph, const bp_op *op, const bp_attr *attrs,
                                   bp_attr own[BP_MAX_ATTRS]) {
    const int ordinal = op && attrs && (op->flags & BP_OP_RANDOM) ? bpi_op_ordinal(op) : -1;
    if (ordinal < 0 || attrs[ordinal].as.i >= 0)
        return attrs;
    memcpy(own, attrs, (size_t)bpi_op_attrs(op) * sizeof *own);
    own[ordinal].as.i = graph->random_ordinal;
    return own;
}

enum { FEW = 4 }; /* operands whose types fit on the stack */

/* bp_record of what the last recording did not have at this place. */
static bpi_node *record_new(bp_graph *graph, const bp_op *op, bp_tensor *const *operands, int count,
                            const bp_attr *attrs) {
    if (!record_usable(graph, op, count) || !operands_usable(graph, op, operands, count) ||
        !attrs_usable(graph, op, attrs))
        return NULL;

    bp_type few[FEW];
    bp_type *types = count <= FEW ? few : bpi_alloc((size_t)count * sizeof *types);
    if (!types)
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "%s: out of memory", op->name);
    for (int k = 0; k < count; k++)
        types[k] = *operands[k]->type;

    bp_failure why;
    why.status = BP_OK;
    why.text[0] = '\0';
    bp_signature s;
    s.op = op;
    s.inputs = count;
    s.x = types;
    s.attr = attrs;
    s.why = &why;
    bpi_node *node = NULL;
    const bp_type *y[BP_MAX_OUTPUTS];
    bp_status status = run_infer(&s);
    if (status == BP_OK)
        status = intern_outputs(graph, &s, operands[0]->type, y);
    if (status == BP_OK) {
        node = bpi_node_append(graph, op, operands, count, attrs, y, bpi_op_outputs(op), NULL);
    } else {
        if (why.status == BP_OK)
            bpi_fail(&why, status, "%s", bp_status_text(status));
        fail_with_operands(graph, op, operands, count, &why);
    }
    if (types != few)
        bpi_free(types);
    return node;
}

bp_tensor *bp_record(const bp_op *op, bp_tensor *const *operands, int count, const bp_attr *attrs) {
    bp_graph *graph = operands ? graph_of(operands, count) : NULL;
    if (!graph)
        return NULL;
    bp_attr own[BP_MAX_ATTRS];
    attrs = number_draws(graph, op, attrs, own);
    bpi_node *node = bpi_node_again(graph, op, operands, count, attrs);
    node = node ? node : record_new(graph, op, operands, count, attrs);
    if (!node)
        return NULL;
    graph->random_ordinal += attrs == own;
    return &node->y[0];
}

/* ---- tensors --------------------------------------------------------------------------------- */

const char *bp_name(const bp_tensor *tensor) {
    return tensor && tensor->node->name ? tensor->node->name : "";
}

bp_dtype bp_tensor_dtype(const bp_tensor *tensor) {
    return tensor ? tensor->type->dtype : BP_DTYPE_COUNT;
}

bp_shape bp_tensor_shape(const bp_tensor *tensor) {
    return tensor ? tensor->type->shape : BP_SCALAR;
}

int64_t bp_tensor_count(const bp_tensor *tensor) {
    return tensor ? bp_shape_count(tensor->type->shape) : 0;
}

bp_graph *bp_tensor_graph(const bp_tensor *tensor) { return tensor ? tensor->node->graph : NULL; }

bp_tensor *bp_output(bp_tensor *tensor, int index) {
    return tensor && index >= 0 && index < tensor->node->outputs ? &tensor->node->y[index] : NULL;
}
