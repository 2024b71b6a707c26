/* The linear (fully connected) layer, y = x·W + b with W [in, units]: rows of x are samples. */
#include "graph.h"

static bp_tensor *record(bp_tensor *x, bp_shape shape, int64_t units, bp_init weight, bool bias) {
    bp_graph *graph = bp_tensor_graph(x);
    bp_dtype dtype = bp_tensor_dtype(x);
    bp_shape matrix = BP_SHAPE(shape.size[shape.rank - 1], units);
    bp_tensor *y = bp_matmul(x, bp_parameter(graph, "weight", dtype, matrix, weight));
    if (!y || !bias)
        return y;
    return bp_add(y, bp_parameter(graph, "bias", dtype, BP_SHAPE(units), bp_init_zeros()));
}

bp_tensor *bp_linear_with(bp_tensor *x, const char *name, int64_t units, bp_init weight,
                          bool bias) {
    if (!x)
        return NULL;
    bp_graph *graph = bp_tensor_graph(x);
    bp_shape shape = bp_tensor_shape(x);
    char text[BPI_SHAPE_TEXT];
    if (!name || !*name)
        return bpi_graph_fail(graph, BP_ERR_NAME,
                              "linear: the layer needs a name for its parameters, e.g. \"hidden\"");
    if (units <= 0)
        return bpi_graph_fail(graph, BP_ERR_ARGUMENT,
                              "linear \"%s\": %lld units; a layer has at least one", name,
                              (long long)units);
    if (!bp_dtype_is_float(bp_tensor_dtype(x)))
        return bpi_graph_fail(
            graph, BP_ERR_DTYPE,
            "linear \"%s\": the input %s of %s is not f32 or f64; convert it with "
            "bp_cast",
            name, bpi_shape_text(&shape, text), bp_dtype_name(bp_tensor_dtype(x)));
    if (shape.rank == 0)
        return bpi_graph_fail(
            graph, BP_ERR_SHAPE,
            "linear \"%s\": the input is a scalar; it needs [.., in], so reshape it to "
            "[1]",
            name);
    bp_scope_open(graph, name);
    bp_tensor *y = record(x, shape, units, weight, bias);
    bp_scope_close(graph);
    return y;
}

bp_tensor *bp_linear(bp_tensor *x, const char *name, int64_t units) {
    return bp_linear_with(x, name, units, bp_init_xavier(), true);
}
