/* Leaves: inputs, constants, scalars and the model's variables; and the effect
 * that assigns to one. */
#include <string.h>

#include "graph.h"

static bp_status infer_assign(bp_signature *s) {
    s->y[0] = s->x[0];
    if (s->x[0].dtype != s->x[1].dtype)
        return bp_infer_fail(s, BP_ERR_DTYPE, "the value has another element type than the state");
    if (!bp_shape_equal(s->x[0].shape, s->x[1].shape))
        return bp_infer_fail(s, BP_ERR_SHAPE, "the value has another shape than the state");
    return BP_OK;
}

/* The result is the new value: what depends on it depends on the value. */
static void assign_vjp(bp_vjp *v) { v->gx[1] = v->gy[0]; }

const bp_op bpi_op_input = {
    .name = "input", .summary = "Values given from outside.", .flags = BP_OP_LEAF};
const bp_op bpi_op_constant = {
    .name = "constant", .summary = "Values fixed when recorded.", .flags = BP_OP_LEAF};
const bp_op bpi_op_scalar = {
    .name = "scalar", .summary = "A number given at run time.", .flags = BP_OP_LEAF};
const bp_op bpi_op_variable = {
    .name = "variable", .summary = "A named value of the model.", .flags = BP_OP_LEAF};
const bp_op bpi_op_assign = {.name = "assign",
                             .summary =
                                 "Gives a variable of the model a new value after all readers.",
                             .arity = 2,
                             .operands = {{"state", true}, {"value", false}},
                             .flags = BP_OP_EFFECT,
                             .infer = infer_assign,
                             .vjp = assign_vjp,
                             .formula = "y = value",
                             .gradient = "gvalue = gy"};

static const char *variable_kind(bool trainable) { return trainable ? "parameter" : "state"; }

static bool valid_type(bp_graph *graph, const char *what, const char *name, const bp_type *type) {
    char shape[BPI_SHAPE_TEXT];
    if (bp_dtype_size(type->dtype) == 0) {
        bpi_graph_fail(graph, BP_ERR_DTYPE, "%s \"%s\": dtype %d does not exist", what, name,
                       (int)type->dtype);
        return false;
    }
    if (type->shape.rank < 0 || type->shape.rank > BP_MAX_RANK) {
        bpi_graph_fail(graph, BP_ERR_SHAPE, "%s \"%s\": %d dimensions; 0 to %d are possible", what,
                       name, type->shape.rank, BP_MAX_RANK);
        return false;
    }
    if (bp_shape_count(type->shape) < 0) {
        bpi_graph_fail(graph, BP_ERR_SHAPE,
                       "%s \"%s\": shape %s has a negative size or too many elements", what, name,
                       bpi_shape_text(&type->shape, shape));
        return false;
    }
    return true;
}

bp_tensor *bpi_record_leaf(bp_graph *graph, const bp_op *op, const bp_type *type,
                           bpi_leaf_kind kind, bpi_leaf **out) {
    bpi_node *node = bpi_leaf_again(graph, op, type);
    if (!node) {
        bpi_leaf *leaf = bpi_arena_alloc(&graph->arena, sizeof *leaf);
        const bp_type *interned = bpi_type_intern(graph->types, type);
        if (!leaf || !interned)
            return bpi_graph_fail(graph, BP_ERR_MEMORY, "%s: out of memory", op->name);
        node = bpi_node_append(graph, op, NULL, 0, NULL, &interned, 1, leaf);
    }
    if (!node)
        return NULL;
    *node->leaf = (bpi_leaf){.kind = kind}; /* nothing that was computed so far depends on it */
    if (out)
        *out = node->leaf;
    return &node->y[0];
}

void bpi_leaf_own(bp_graph *graph, bpi_leaf *leaf, void *memory) {
    leaf->data = leaf->owned = memory;
    if (leaf->listed)
        return;
    leaf->listed = true;
    leaf->next = graph->leaves;
    graph->leaves = leaf;
}

/* Memory for the values of a leaf: small ones in the arena, large ones on their own, and small ones
 * that were pointed elsewhere, for that may happen again and again. Memory of its own begins on a
 * line of the cache and is not touched: what is pointed elsewhere needs none of it. Without memory
 * the leaf stays as it is. */
static void *leaf_memory(bp_graph *graph, bpi_leaf *leaf, const bp_type *type) {
    enum { SMALL = 2048, LINE = 64 };
    size_t bytes = (size_t)bpi_count(&type->shape) * bp_dtype_size(type->dtype);
    bool small = bytes <= SMALL && !leaf->pointed;
    char *memory = small ? bpi_arena_alloc(&graph->arena, bytes) : bpi_alloc_zeroed(bytes + LINE);
    if (!memory)
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for %zu bytes of values", bytes);
    graph->pointings++;
    if (small) {
        leaf->owned = NULL;
        leaf->data = memset(memory, 0, bytes);
    } else {
        bpi_leaf_own(graph, leaf, memory);
        leaf->data = memory + (LINE - (uintptr_t)memory % LINE);
    }
    return (void *)leaf->data;
}

static size_t tensor_bytes(const bp_tensor *tensor) {
    return (size_t)bp_tensor_count(tensor) * bp_dtype_size(tensor->type->dtype);
}

/* ---- inputs ---------------------------------------------------------------------------------- */

bp_tensor *bp_input(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape) {
    if (!graph)
        return NULL;
    if (!name || !name[0])
        return bpi_graph_fail(graph, BP_ERR_ARGUMENT, "input: give it a name");
    if (bp_find(graph, name))
        return bpi_graph_fail(
            graph, BP_ERR_NAME,
            "input \"%s\": the name is taken in this recording; choose another, or "
            "reuse the tensor that bp_find returns",
            name);
    bp_type type = {dtype, shape};
    if (!valid_type(graph, "input", name, &type))
        return NULL;
    bpi_leaf *leaf = NULL;
    bp_tensor *input = bpi_record_leaf(graph, &bpi_op_input, &type, BPI_INPUT, &leaf);
    return input && leaf_memory(graph, leaf, input->type) ? bp_named(input, name) : NULL;
}

/* Tells whether `tensor` is an input; keeps a failure when not. */
static bool is_input(const char *function, bp_tensor *tensor) {
    const bpi_leaf *leaf = tensor ? tensor->node->leaf : NULL;
    if (leaf && leaf->kind == BPI_INPUT)
        return true;
    if (leaf && leaf->kind == BPI_VARIABLE)
        bpi_graph_fail(tensor->node->graph, BP_ERR_ARGUMENT,
                       "%s: \"%s\" is a %s, not an input; bp_model_write gives it values", function,
                       bp_name(tensor), variable_kind(leaf->variable->trainable));
    else if (tensor)
        bpi_graph_fail(tensor->node->graph, BP_ERR_ARGUMENT,
                       "%s: tensor \"%s\" is the result of %s, not an input", function,
                       bp_name(tensor), tensor->node->op->name);
    return false;
}

bp_status bp_write(bp_tensor *input, const void *data) {
    if (!is_input("bp_write", input))
        return BP_ERR_ARGUMENT;
    bp_graph *graph = input->node->graph;
    bpi_leaf *leaf = input->node->leaf;
    size_t bytes = tensor_bytes(input);
    if (!data && bytes > 0) {
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_write: the data for \"%s\" is NULL",
                       bp_name(input));
        return BP_ERR_ARGUMENT;
    }
    if (!leaf->data || leaf->pointed) {
        if (!leaf_memory(graph, leaf, input->type))
            return BP_ERR_MEMORY;
        leaf->pointed = false;
    }
    if (bytes > 0)
        memcpy((void *)leaf->data, data, bytes);
    leaf->stamp = bpi_clock(graph->model);
    return BP_OK;
}

bp_status bp_point(bp_tensor *input, const void *data) {
    if (!is_input("bp_point", input))
        return BP_ERR_ARGUMENT;
    bp_graph *graph = input->node->graph;
    bpi_leaf *leaf = input->node->leaf;
    if ((uintptr_t)data % bp_dtype_size(input->type->dtype) != 0 ||
        (!data && tensor_bytes(input) > 0)) {
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_point: the data for \"%s\" is %s",
                       bp_name(input), data ? "not aligned to its element size" : "NULL");
        return BP_ERR_ARGUMENT;
    }
    bpi_free(leaf->owned);
    leaf->owned = NULL;
    leaf->pointed = true;
    leaf->data = data;
    leaf->stamp = bpi_clock(graph->model);
    graph->pointings++;
    return BP_OK;
}

bp_status bp_touch(bp_tensor *input) {
    if (!is_input("bp_touch", input))
        return BP_ERR_ARGUMENT;
    input->node->leaf->stamp = bpi_clock(input->node->graph->model);
    return BP_OK;
}

/* ---- constants and scalars ------------------------------------------------------------------- */

static bp_tensor *new_constant(bp_graph *graph, const bp_type *type, bpi_leaf **leaf) {
    if (!graph || !valid_type(graph, "constant", "", type))
        return NULL;
    bp_tensor *constant = bpi_record_leaf(graph, &bpi_op_constant, type, BPI_CONSTANT, leaf);
    return constant && leaf_memory(graph, *leaf, constant->type) ? constant : NULL;
}

bp_tensor *bp_constant(bp_graph *graph, bp_dtype dtype, bp_shape shape, const void *data) {
    bpi_leaf *leaf = NULL;
    bp_tensor *constant = new_constant(graph, &(bp_type){dtype, shape}, &leaf);
    if (!constant)
        return NULL;
    size_t bytes = tensor_bytes(constant);
    if (bytes > 0 && !data)
        return bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_constant: the data is NULL");
    if (bytes > 0)
        memcpy((void *)leaf->data, data, bytes);
    return constant;
}

bp_tensor *bp_full(bp_graph *graph, bp_dtype dtype, bp_shape shape, double value) {
    bpi_leaf *leaf = NULL;
    bp_tensor *constant = new_constant(graph, &(bp_type){dtype, BP_SCALAR}, &leaf);
    if (!constant)
        return NULL;
    bpi_store(dtype, (void *)leaf->data, 0, value);
    return shape.rank == 0 ? constant : bp_expand(constant, shape);
}

bp_tensor *bp_scalar(bp_graph *graph, bp_dtype dtype, double value) {
    bp_type type = {dtype, BP_SCALAR};
    if (!graph || !valid_type(graph, "scalar", "", &type))
        return NULL;
    bpi_leaf *leaf = NULL;
    bp_tensor *scalar = bpi_record_leaf(graph, &bpi_op_scalar, &type, BPI_SCALAR, &leaf);
    if (!scalar)
        return NULL;
    leaf->data = &leaf->scalar;
    bpi_store(dtype, &leaf->scalar, 0, value);
    return scalar;
}

bp_status bp_set_scalar(bp_tensor *scalar, double value) {
    if (!scalar)
        return BP_ERR_ARGUMENT;
    bpi_leaf *leaf = scalar->node->leaf;
    if (!leaf || leaf->kind != BPI_SCALAR) {
        bpi_graph_fail(scalar->node->graph, BP_ERR_ARGUMENT,
                       "bp_set_scalar: the tensor is the result of %s, not of bp_scalar",
                       scalar->node->op->name);
        return BP_ERR_ARGUMENT;
    }
    bpi_store(scalar->type->dtype, &leaf->scalar, 0, value);
    leaf->stamp = bpi_clock(scalar->node->graph->model);
    return BP_OK;
}

/* ---- variables ------------------------------------------------------------------------------- */

/* Tells whether a variable is what a call asks for, a parameter or a state; keeps a failure when
 * not. */
static bool is_kind(bp_graph *graph, const bpi_variable *variable, bool trainable) {
    if (variable->trainable != trainable)
        bpi_graph_fail(graph, BP_ERR_NAME,
                       "\"%s\" is a %s of the model and cannot become a %s; choose another name",
                       variable->name, variable_kind(variable->trainable),
                       variable_kind(trainable));
    return variable->trainable == trainable;
}

/* The tensor of a variable in this recording, when there is one already and sharing is on. */
static bp_tensor *shared_variable(bp_graph *graph, bp_tensor *known, const char *name,
                                  const bp_type *type, bool trainable) {
    const bpi_leaf *leaf = known->node->leaf;
    if (!leaf || leaf->kind != BPI_VARIABLE)
        return bpi_graph_fail(
            graph, BP_ERR_NAME,
            "parameter \"%s\": %s of this recording has the name; choose another, "
            "or open a scope",
            name, leaf && leaf->kind == BPI_INPUT ? "an input" : "a tensor");
    if (!graph->share)
        return bpi_graph_fail(
            graph, BP_ERR_NAME,
            "parameter \"%s\": the name is taken in this recording; give the layer "
            "another name, open a scope, or call bp_share to share the weights",
            name);
    if (!bpi_same_type(known->type, type)) {
        char had[BPI_SHAPE_TEXT], wanted[BPI_SHAPE_TEXT];
        return bpi_graph_fail(
            graph, BP_ERR_SHAPE, "parameter \"%s\" is %s %s and cannot be shared as %s %s", name,
            bp_dtype_name(known->type->dtype), bpi_shape_text(&known->type->shape, had),
            bp_dtype_name(type->dtype), bpi_shape_text(&type->shape, wanted));
    }
    return is_kind(graph, leaf->variable, trainable) ? known : NULL;
}

/* The variable that the last recording had at this place, if it has this name. */
static bpi_variable *recall(const bp_graph *graph, const char *name) {
    if (graph->variable_next >= graph->variable_count)
        return NULL;
    bpi_variable *variable = graph->variables[graph->variable_next];
    return strcmp(variable->name, name) == 0 ? variable : NULL;
}

static bool remember(bp_graph *graph, bpi_variable *variable) {
    const size_t at = graph->variable_next;
    if (!bpi_grow((void **)&graph->variables, &graph->variable_capacity, at,
                  sizeof *graph->variables))
        return false;
    graph->variables[at] = variable;
    graph->variable_next = at + 1;
    graph->variable_count = at < graph->variable_count ? graph->variable_count : at + 1;
    return true;
}

/* Finds the variable in the model or makes it; NULL with the failure kept. */
static bpi_variable *find_or_make(bp_graph *graph, const char *name, uint64_t hash,
                                  const bp_type *type, bp_init init, bool trainable) {
    bp_model *model = graph->model;
    bpi_variable *variable = bpi_variable_find(model, name, hash);
    if (variable)
        return variable;
    model->why.status = BP_OK;
    model->why.text[0] = '\0';
    variable = bpi_variable_new(model, name, hash, type, init, trainable);
    return variable ? variable : bpi_graph_fail(graph, model->why.status, "%s", model->why.text);
}

static void *fail_type(bp_graph *graph, const bpi_variable *variable, const bp_type *type) {
    char had[BPI_SHAPE_TEXT], wanted[BPI_SHAPE_TEXT];
    return bpi_graph_fail(
        graph, BP_ERR_SHAPE,
        "parameter \"%s\": the model has it as %s %s, this recording wants %s %s; use "
        "another name for another layer",
        variable->name, bp_dtype_name(variable->type->dtype),
        bpi_shape_text(&variable->type->shape, had), bp_dtype_name(type->dtype),
        bpi_shape_text(&type->shape, wanted));
}

static bp_tensor *record_variable(bp_graph *graph, const char *name, const bp_type *type,
                                  bp_init init, bool trainable) {
    if (!graph)
        return NULL;
    if (!name || !name[0])
        return bpi_graph_fail(graph, BP_ERR_ARGUMENT, "parameter: give it a name");
    char full[2 * sizeof graph->scope];
    size_t bytes = strlen(name) + 1;
    if (graph->scope_length + bytes > sizeof full)
        return bpi_graph_fail(graph, BP_ERR_NAME, "parameter \"%s\": the name is too long", name);
    memcpy(full, graph->scope, graph->scope_length);
    memcpy(full + graph->scope_length, name, bytes);
    bpi_variable *variable = recall(graph, full);
    bool right = variable && bpi_same_type(variable->type, type);
    if (!right && !valid_type(graph, "parameter", name, type))
        return NULL;
    const uint64_t hash = variable ? variable->hash : bpi_hash_name(full);
    bp_tensor *known = bpi_find_name(graph, full, hash);
    if (known)
        return shared_variable(graph, known, full, type, trainable);
    if (!variable && !(variable = find_or_make(graph, full, hash, type, init, trainable)))
        return NULL;
    if (!right && !bpi_same_type(variable->type, type))
        return fail_type(graph, variable, type);
    if (!is_kind(graph, variable, trainable))
        return NULL;
    if (!remember(graph, variable))
        return bpi_graph_fail(graph, BP_ERR_MEMORY, "parameter \"%s\": out of memory", full);
    bpi_leaf *leaf = NULL;
    bp_tensor *tensor = bpi_record_leaf(graph, &bpi_op_variable, type, BPI_VARIABLE, &leaf);
    if (!tensor)
        return NULL;
    leaf->variable = variable;
    leaf->data = variable->data;
    return bpi_take_name(tensor, variable->name, hash);
}

bp_tensor *bp_parameter(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape,
                        bp_init init) {
    if (graph && !bp_dtype_is_float(dtype))
        return bpi_graph_fail(graph, BP_ERR_DTYPE,
                              "parameter \"%s\": %s cannot be trained; use f32 or f64, or bp_state",
                              name ? name : "", bp_dtype_name(dtype));
    return record_variable(graph, name, &(bp_type){dtype, shape}, init, true);
}

bp_tensor *bp_state(bp_graph *graph, const char *name, bp_dtype dtype, bp_shape shape,
                    bp_init init) {
    return record_variable(graph, name, &(bp_type){dtype, shape}, init, false);
}

bp_tensor *bp_assign(bp_tensor *state, bp_tensor *value) {
    bool variable = state && state->node->leaf && state->node->leaf->kind == BPI_VARIABLE;
    if (state && !variable)
        return bpi_graph_fail(
            state->node->graph, BP_ERR_ARGUMENT,
            "assign: \"%s\" is the result of %s; only what bp_state or bp_parameter "
            "made can be assigned to",
            bp_name(state), state->node->op->name);
    return bp_record(&bpi_op_assign, (bp_tensor *[]){state, value}, 2, NULL);
}
