/* Explains a gradient as a derivation: how the loss is computed, the error terms δ = ∂loss/∂v from
 * the loss back to the tensor, each by the gradient formula in the record of its op, and how well
 * formula, automatic gradient and differences agree. */
#include "explain.h"

#include <math.h>
#include <string.h>

enum {
    WIDEST = 90,      /* an error term longer than this gets a name of its own */
    COLUMN = 72,      /* where shapes stand */
    MOST_NODES = 2000 /* beyond that nobody reads it */
};

/* ---- lines ----------------------------------------------------------------------------------- */

/* `  name = formula          [4,3]` */
static void add_line(bpi_text *out, const char *name, const char *formula, const bp_shape *shape) {
    char text[BPI_SHAPE_TEXT];
    if (!name || !formula) {
        out->short_of_memory = true;
        return;
    }
    int width = bpi_text_width(name) + 3 + bpi_text_width(formula);
    bpi_text_add(out, "  %s = %s%*s%s\n", name, formula, width < COLUMN ? COLUMN - width : 2, "",
                 bpi_shape_text(shape, text));
}

static void add_forward(bpi_explainer *e, bpi_text *out) {
    bpi_text_add(out, "forward\n");
    for (size_t s = 0; s < e->path.closure.count; s++) {
        const bpi_node *node = e->path.closure.nodes[s];
        if (!bpi_explain_inside(e, node))
            add_line(out, e->name[s].text, bpi_explain_forward(e, node).text,
                     &node->y[0].type->shape);
    }
}

/* ---- error terms ----------------------------------------------------------------------------- */

/* Adds what a node hands to its operands to their error terms. */
static void hand_back(bpi_explainer *e, const bpi_node *node) {
    for (int k = 0; k < node->inputs; k++) {
        if (!bpi_path_flows(&e->path, node, k))
            continue;
        bpi_phrase more = bpi_explain_gradient(e, node, k),
                   *sum = &e->delta[node->x[k]->node->slot];
        *sum = sum->text ? bpi_phrase_sum(*sum, more, &e->arena) : more;
    }
}

/* Error terms that deserve a name: of layers, of what the user has named, of what is used several
 * times, and what would become too long inside others. */
static bool deserves_name(bpi_explainer *e, const bpi_node *node) {
    const bpi_phrase *delta = &e->delta[node->slot];
    if (delta->number || node == e->loss->node || bpi_explain_inside(e, node))
        return false;
    bool again = e->path.consumers[node->slot] > 1 || bpi_explain_repeats(e, node);
    return node->name || bpi_explain_parameter(node) || (again && delta->binding < BPI_BIND_ATOM) ||
           bpi_text_width(delta->text) > WIDEST;
}

static bool is_delta(const char *text) {
    return strncmp(text, "δ_", sizeof "δ_" - 1) == 0 && !strpbrk(text, " ([");
}

/* Gives an error term a line and a name: δ_hidden for that of z_hidden. One that only passes on
 * another keeps that one's name. */
static void name_delta(bpi_explainer *e, bpi_text *out, const bpi_node *node) {
    bpi_phrase *delta = &e->delta[node->slot];
    const char *value = e->name[node->slot].text;
    if (!value || is_delta(delta->text))
        return;
    const char *name =
        bpi_arena_format(&e->arena, "δ_%s", strncmp(value, "z_", 2) ? value : value + 2);
    add_line(out, name, delta->text, &node->y[0].type->shape);
    *delta = bpi_phrase_atom(name, delta->scalar);
}

static void add_backward(bpi_explainer *e, bpi_text *out) {
    bpi_text_add(out, "\nbackward, δ_v = ∂%s/∂v\n", e->name[e->loss->node->slot].text);
    e->delta[e->loss->node->slot] = bpi_phrase_number(1, &e->arena);
    for (size_t s = e->path.closure.count; s-- > 0;) {
        const bpi_node *node = e->path.closure.nodes[s];
        if (node == e->wrt->node)
            break;
        if (!e->path.on[s] || !e->delta[s].text)
            continue;
        if (deserves_name(e, node))
            name_delta(e, out, node);
        hand_back(e, node);
    }
    uint32_t last = e->wrt->node->slot;
    const char *name = bpi_arena_format(&e->arena, "∂%s/∂%s", e->name[e->loss->node->slot].text,
                                        e->name[last].text ? e->name[last].text : "");
    add_line(out, name, e->delta[last].text ? e->delta[last].text : "0", &e->wrt->type->shape);
}

/* ---- numbers --------------------------------------------------------------------------------- */

static void add_agreement(bpi_explainer *e, bpi_text *out) {
    bp_check_report report = {0};
    bpi_check check = {.config = bp_check_defaults(), .report = &report};
    bpi_agreement a;
    if (bpi_agreement_of(&check, e->loss, e->wrt, &a) != BP_OK) {
        bpi_text_add(out, "\nnot checked: %s\n", check.why.text);
    } else {
        bpi_text_add(out, "\nchecked:");
        if (a.formula >= 0 || isnan(a.formula))
            bpi_text_add(out, " formula %.1g%s", a.formula, a.difference >= 0 ? "," : "");
        if (a.difference >= 0 || isnan(a.difference))
            bpi_text_add(out, " finite difference %.1g", a.difference);
        bpi_text_add(
            out, a.formula < 0 && a.difference < 0
                     ? " nothing; the formulas cannot be evaluated, and the tensor is no input\n"
                     : " (from the automatic gradient, as a part of its largest component)\n");
    }
    bpi_arena_free(&check.arena);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static bp_status open_explainer(bpi_explainer *e, bp_tensor *loss, bp_tensor *wrt) {
    *e = (bpi_explainer){.loss = loss, .wrt = wrt};
    bp_status status = bpi_path_of(&loss, 1, wrt, &e->path);
    size_t bytes = (e->path.closure.count + 1) * sizeof(bpi_phrase);
    e->name = status == BP_OK ? bpi_arena_alloc(&e->arena, bytes) : NULL;
    e->delta = status == BP_OK ? bpi_arena_alloc(&e->arena, bytes) : NULL;
    if (!e->name || !e->delta)
        return BP_ERR_MEMORY;
    memset(e->name, 0, bytes);
    memset(e->delta, 0, bytes);
    return BP_OK;
}

static const char *title(const bpi_explainer *e, const bp_tensor *tensor) {
    const char *name = e->name[tensor->node->slot].text;
    return bp_name(tensor)[0] ? bp_name(tensor) : name ? name : tensor->node->op->name;
}

static void explain(bpi_explainer *e, bpi_text *out) {
    char shape[BPI_SHAPE_TEXT];
    size_t nodes = e->path.closure.count;
    bool reached = e->wrt->node->mark == e->loss->node->graph->mark;
    for (size_t s = 0; s < nodes && nodes <= MOST_NODES; s++)
        bpi_explain_name(e, e->path.closure.nodes[s]);
    bpi_text_add(out, "The gradient of %s with respect to %s %s; samples are rows.\n\n",
                 title(e, e->loss), reached ? title(e, e->wrt) : bp_name(e->wrt),
                 bpi_shape_text(&e->wrt->type->shape, shape));
    if (!reached || !e->path.on[e->loss->node->slot]) {
        bpi_text_add(out, "It is zero: no gradient flows from the one to the other.\n");
        return;
    }
    if (nodes > MOST_NODES) {
        bpi_text_add(out, "The graph has %zu nodes: too many to be written out.\n", nodes);
    } else {
        add_forward(e, out);
        add_backward(e, out);
    }
    add_agreement(e, out);
}

static bool usable(bp_tensor *loss, bp_tensor *wrt) {
    bp_graph *graph = loss ? loss->node->graph : NULL;
    if (!graph || !wrt || wrt->node->graph != graph)
        return bpi_graph_fail(graph, BP_ERR_ARGUMENT, "explain: %s",
                              !wrt ? "the tensor is NULL"
                                   : "loss and tensor belong to different graphs") != NULL;
    if (bp_dtype_is_float(loss->type->dtype) && bp_tensor_count(loss) == 1 &&
        bp_dtype_is_float(wrt->type->dtype))
        return true;
    return bpi_graph_fail(graph, BP_ERR_GRADIENT,
                          "explain: the loss must be a float scalar, and what it is "
                          "explained for a float tensor") != NULL;
}

const char *bp_explain(bp_tensor *loss, bp_tensor *wrt) {
    if (!usable(loss, wrt))
        return NULL;
    bp_graph *graph = loss->node->graph;
    bpi_explainer e;
    bpi_text_clear(&graph->text);
    bp_status status = open_explainer(&e, loss, wrt);
    if (status == BP_OK)
        explain(&e, &graph->text);
    bpi_path_free(&e.path);
    bpi_arena_free(&e.arena);
    const char *text = status == BP_OK ? bpi_text_data(&graph->text) : NULL;
    return text ? text : bpi_graph_fail(graph, BP_ERR_MEMORY, "explain: out of memory");
}
