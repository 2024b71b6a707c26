/* Reading values: computing tensors when they are asked for and not there, or no longer fresh. */
#include <math.h>
#include <string.h>

#include "inside.h"

enum { FEW = 16 }; /* tensors that need no allocation */

static const void *leaf_data(const bpi_leaf *leaf) {
    return leaf->kind == BPI_VARIABLE ? leaf->variable->data : leaf->data;
}

bp_graph *bpi_graph_of(const char *function, bp_tensor *const *tensors, int count) {
    bp_graph *graph = NULL;
    for (int k = 0; k < count && tensors && !graph; k++)
        graph = tensors[k] ? tensors[k]->node->graph : NULL;
    for (int k = 0; k < count && graph; k++)
        if (!tensors[k])
            return bpi_graph_fail(
                graph, BP_ERR_ARGUMENT,
                "%s: tensor number %d of %d is NULL; was the call that made it checked?", function,
                k + 1, count);
        else if (tensors[k]->node->graph != graph)
            return bpi_graph_fail(
                graph, BP_ERR_ARGUMENT,
                "%s: tensor number %d (%s \"%s\") belongs to another graph than the "
                "first; give each graph's tensors in a call of their own",
                function, k + 1, tensors[k]->node->op->name, bp_name(tensors[k]));
    return graph;
}

/* An effect runs whenever it is asked for; other values only when they are not fresh. */
static bool needs_run(const bp_tensor *tensor) {
    return !bpi_fresh(tensor) || (!tensor->node->leaf && tensor->value->plan->effects);
}

bp_status bp_eval(bp_tensor *const *tensors, int count) {
    if (count == 0)
        return BP_OK;
    bp_graph *graph = bpi_graph_of("bp_eval", tensors, count);
    if (!graph)
        return BP_ERR_ARGUMENT;
    bp_tensor *few[FEW];
    bp_tensor **targets = count <= FEW ? few : bpi_alloc((size_t)count * sizeof *targets);
    if (!targets) {
        bpi_graph_fail(graph, BP_ERR_MEMORY, "bp_eval: out of memory for %d tensors", count);
        return BP_ERR_MEMORY;
    }
    int needed = 0;
    for (int k = 0; k < count; k++)
        if (needs_run(tensors[k]))
            targets[needed++] = tensors[k];
    bp_status status = BP_OK;
    if (needed > 0)
        status = bpi_run(graph, &(bpi_request){.targets = targets, .count = needed});
    if (targets != few)
        bpi_free(targets);
    return status;
}

const void *bp_data(bp_tensor *tensor) {
    if (!tensor)
        return NULL;
    if (tensor->node->leaf)
        return leaf_data(tensor->node->leaf);
    if (!bpi_fresh(tensor) && bp_eval(&tensor, 1) != BP_OK)
        return NULL;
    return tensor->value->data;
}

/* The values of a tensor of a given dtype. */
static const void *data_of(const char *function, bp_tensor *tensor, bp_dtype dtype) {
    if (!tensor || tensor->type->dtype == dtype)
        return bp_data(tensor);
    return bpi_graph_fail(tensor->node->graph, BP_ERR_DTYPE,
                          "%s: %s \"%s\" holds %s; read it with bp_read or bp_data, or bp_cast it",
                          function, tensor->node->op->name, bp_name(tensor),
                          bp_dtype_name(tensor->type->dtype));
}

const float *bp_f32(bp_tensor *tensor) { return data_of("bp_f32", tensor, BP_F32); }

const double *bp_f64(bp_tensor *tensor) { return data_of("bp_f64", tensor, BP_F64); }

bp_status bp_read(bp_tensor *tensor, void *data, size_t bytes) {
    if (!tensor)
        return BP_ERR_ARGUMENT;
    bp_graph *graph = tensor->node->graph;
    size_t size = bpi_type_bytes(tensor->type);
    if ((!data && size > 0) || bytes < size) {
        char shape[BPI_SHAPE_TEXT];
        bpi_graph_fail(graph, BP_ERR_ARGUMENT, "bp_read: %s \"%s\", %s %s, has %zu bytes; %s",
                       tensor->node->op->name, bp_name(tensor), bp_dtype_name(tensor->type->dtype),
                       bpi_shape_text(&tensor->type->shape, shape), size,
                       data ? "there is room for fewer" : "the memory to read into is NULL");
        return BP_ERR_ARGUMENT;
    }
    const void *values = bp_data(tensor);
    if (!values)
        return graph->why.status != BP_OK ? graph->why.status : BP_ERR_STATE;
    if (size > 0)
        memcpy(data, values, size);
    return BP_OK;
}

double bp_item(bp_tensor *tensor) {
    if (!tensor)
        return NAN;
    if (bp_tensor_count(tensor) != 1) {
        char shape[BPI_SHAPE_TEXT];
        bpi_graph_fail(
            tensor->node->graph, BP_ERR_SHAPE,
            "bp_item: %s \"%s\" has shape %s, not one element; reduce it (bp_sum, bp_mean) "
            "or read it with bp_data",
            tensor->node->op->name, bp_name(tensor), bpi_shape_text(&tensor->type->shape, shape));
        return NAN;
    }
    const void *values = bp_data(tensor);
    return values ? bpi_load(tensor->type->dtype, values, 0) : NAN;
}
