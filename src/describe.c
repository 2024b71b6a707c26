/* A recorded graph in words: a line per node. */
#include "graph.h"

static void add_attr(bpi_text *text, const char *name, const bp_attr *attr) {
    bpi_text_add(text, " %s=", name);
    switch (attr->type) {
    case BP_ATTR_INT: bpi_text_add(text, "%lld", (long long)attr->as.i); break;
    case BP_ATTR_REAL: bpi_text_add(text, "%g", attr->as.f); break;
    case BP_ATTR_DTYPE: bpi_text_add(text, "%s", bp_dtype_name((bp_dtype)attr->as.i)); break;
    case BP_ATTR_INTS:
        for (int k = 0; k < attr->count; k++)
            bpi_text_add(text, "%s%lld", k ? "," : "(", (long long)attr->as.list[k]);
        bpi_text_add(text, "%s", attr->count ? ")" : "()");
        break;
    case BP_ATTR_NONE: break;
    }
}

/* `  7  matmul      f32 [4,3]        x:0 hidden.weight:1  transpose_x=0 ...` */
static void add_node(bpi_text *text, const bpi_node *node) {
    char shape[BPI_SHAPE_TEXT];
    bpi_text_add(text, "%5u  %-16s %-4s %-14s", node->slot, node->op->name,
                 bp_dtype_name(node->y[0].type->dtype),
                 bpi_shape_text(&node->y[0].type->shape, shape));
    for (int k = 0; k < node->inputs; k++) {
        const bp_tensor *x = node->x[k];
        bpi_text_add(text, " %%%u", x->node->slot);
        if (bpi_index(x) > 0)
            bpi_text_add(text, ".%u", bpi_index(x));
    }
    for (int k = 0; k < node->attrs; k++)
        add_attr(text, node->op->attrs[k].name, &node->attr[k]);
    if (node->name)
        bpi_text_add(text, "  \"%s\"", node->name);
    bpi_text_add(text, "\n");
}

const char *bp_graph_text(bp_tensor *tensor) {
    if (!tensor)
        return NULL;
    bp_graph *graph = tensor->node->graph;
    bpi_closure closure = {0};
    if (bpi_closure_of(graph, &tensor, 1, &closure) != BP_OK)
        return NULL;
    bpi_text_clear(&graph->text);
    for (size_t k = 0; k < closure.count; k++)
        add_node(&graph->text, closure.nodes[k]);
    bpi_free(closure.nodes);
    const char *text = bpi_text_data(&graph->text);
    return text ? text : bpi_graph_fail(graph, BP_ERR_MEMORY, "bp_graph_text: out of memory");
}
