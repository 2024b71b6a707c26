/* How an explanation writes the nodes of a graph: their names, and their ops' formulas with these
 * names put in. */
#include <string.h>

#include "explain.h"
#include "sample.h"

/* ---- what is known of a node ----------------------------------------------------------------- */

static bool has_root(const bp_op *op, bpi_expr_kind kind) {
    bpi_formula formula;
    bool found = bpi_formula_parse(op->formula, false, &formula, NULL) == BP_OK &&
                 formula.count == 1 && formula.statements[0].value->kind == kind;
    bpi_formula_free(&formula);
    return found;
}

const char *bpi_explain_parameter(const bpi_node *node) {
    for (int k = 0; k < node->inputs; k++) {
        const bpi_node *x = node->x[k]->node;
        if (x->leaf && x->leaf->kind == BPI_VARIABLE && x->name)
            return x->name;
    }
    return NULL;
}

/* The only node that has this one as an operand; NULL when it is one several times. */
static const bpi_node *only_user(const bpi_explainer *e, const bpi_node *node) {
    if (e->path.uses[node->slot] != 1)
        return NULL;
    for (size_t s = node->slot + 1; s < e->path.closure.count; s++)
        for (int k = 0; k < e->path.closure.nodes[s]->inputs; k++)
            if (e->path.closure.nodes[s]->x[k]->node == node)
                return e->path.closure.nodes[s];
    return NULL;
}

/* A product that goes into one sum is written inside it: z = x · W + b. */
static bool inside_sum(const bpi_explainer *e, const bpi_node *node) {
    if (node->name || node == e->wrt->node || node == e->loss->node ||
        !has_root(node->op, BPI_EXPR_MATMUL))
        return false;
    const bpi_node *user = only_user(e, node);
    return user && has_root(user->op, BPI_EXPR_ADD);
}

/* A number that was recorded, perhaps expanded to a shape. */
static bool constant_value(const bpi_node *node, double *value) {
    if (!node->leaf && node->inputs == 1 && bp_tensor_count(node->x[0]) == 1)
        node = node->x[0]->node;
    bool constant = node->leaf && !node->name && node->leaf->data &&
                    (node->leaf->kind == BPI_CONSTANT || node->leaf->kind == BPI_SCALAR);
    if (!constant || bp_tensor_count(&node->y[0]) != 1)
        return false;
    *value = bpi_load(node->y[0].type->dtype, node->leaf->data, 0);
    return true;
}

static bool is_expanded(const bpi_node *node) {
    return node->leaf || strcmp(node->op->name, "expand") == 0;
}

bool bpi_explain_inside(const bpi_explainer *e, const bpi_node *node) {
    double value;
    return node->leaf || (is_expanded(node) && constant_value(node, &value)) || inside_sum(e, node);
}

/* ---- names of values ------------------------------------------------------------------------- */

static bool name_taken(const bpi_explainer *e, const char *name) {
    for (size_t s = 0; s < e->path.closure.count; s++)
        if (e->name[s].text && strcmp(e->name[s].text, name) == 0)
            return true;
    return false;
}

/* `base`, or with a number behind it where that is taken. */
static const char *unique_name(bpi_explainer *e, const char *base) {
    const char *name = base;
    for (int k = 2; name && name_taken(e, name); k++)
        name = bpi_arena_format(&e->arena, "%s%d", base, k);
    return name;
}

/* z_hidden for a layer with the parameter hidden.weight, a_hidden for its
 * activation, else the op. */
static const char *op_name(bpi_explainer *e, const bpi_node *node) {
    const char *parameter = bpi_explain_parameter(node),
               *dot = parameter ? strrchr(parameter, '.') : NULL;
    const char *from = node->inputs == 1 ? e->name[node->x[0]->node->slot].text : NULL;
    bool activation = from && strncmp(from, "z_", 2) == 0 && (node->op->flags & BP_OP_ELEMENTWISE);
    const char *base =
        dot          ? bpi_arena_format(&e->arena, "z_%.*s", (int)(dot - parameter), parameter)
        : activation ? bpi_arena_format(&e->arena, "a_%s", from + 2)
                     : bpi_arena_format(&e->arena, "%s", node->op->name);
    return base ? unique_name(e, base) : NULL;
}

void bpi_explain_name(bpi_explainer *e, const bpi_node *node) {
    bpi_phrase *name = &e->name[node->slot];
    bool scalar = bp_tensor_count(&node->y[0]) == 1;
    double value;
    if (node == e->loss->node)
        *name = bpi_phrase_atom(node->name ? node->name : "loss", true);
    else if (node->name)
        *name = bpi_phrase_atom(node->name, scalar);
    else if (is_expanded(node) && constant_value(node, &value))
        *name = bpi_phrase_number(value, &e->arena);
    else if (inside_sum(e, node))
        *name = bpi_explain_forward(e, node);
    else
        *name = bpi_phrase_atom(op_name(e, node), scalar);
}

/* ---- names in formulas ----------------------------------------------------------------------- */

/* The formulas of one node being printed. */
typedef struct printing {
    bpi_explainer *e;
    const bpi_node *node;
    bpi_formula formula, gradient;
    const bpi_formula *now; /* whose abbreviations are in sight */
    int depth;
} printing;

static int operand_named(const bpi_node *node, const char *name) {
    for (int k = 0; k < node->inputs && k < 4; k++)
        if (strcmp(bpi_operand_name(node->op, k), name) == 0)
            return k;
    return -1;
}

static bool transposed(const bpi_node *node, int k) {
    for (int a = 0; a < node->attrs && k < 2; a++)
        if (strcmp(node->op->attrs[a].name, k == 0 ? "transpose_x" : "transpose_y") == 0)
            return node->attr[a].as.i != 0;
    return false;
}

static bpi_phrase attribute_phrase(const bp_attr *attr, bpi_arena *arena) {
    if (attr->type == BP_ATTR_DTYPE)
        return bpi_phrase_atom(bp_dtype_name((bp_dtype)attr->as.i), true);
    if (attr->type != BP_ATTR_INTS)
        return bpi_phrase_number(attr->type == BP_ATTR_REAL ? attr->as.f : (double)attr->as.i,
                                 arena);
    const char *text = "[";
    for (int k = 0; k < attr->count && text; k++)
        text = bpi_arena_format(arena, k ? "%s,%lld" : "%s%lld", text, (long long)attr->as.list[k]);
    return bpi_phrase_atom(text ? bpi_arena_format(arena, "%s]", text) : NULL, true);
}

static const bp_attr *attribute_named(const bpi_node *node, const char *name) {
    for (int a = 0; a < node->attrs; a++)
        if (strcmp(node->op->attrs[a].name, name) == 0)
            return &node->attr[a];
    return NULL;
}

static const char *result_name(const printing *p) {
    return p->formula.count ? p->formula.statements[p->formula.count - 1].name : "";
}

static bpi_phrase operand_phrase(printing *p, int k) {
    bpi_phrase x = p->e->name[p->node->x[k]->node->slot];
    return transposed(p->node, k) ? bpi_phrase_transposed(x, &p->e->arena) : x;
}

static bpi_phrase print_expr(printing *p, const bpi_expr *expr);

static bool find_name(void *context, const char *name, bpi_phrase *phrase) {
    printing *p = context;
    int k = operand_named(p->node, name);
    const bp_attr *attr = attribute_named(p->node, name);
    const bpi_expr *abbreviated = p->depth < 8 ? bpi_formula_find(p->now, name) : NULL;
    if (k >= 0)
        *phrase = operand_phrase(p, k);
    else if (attr)
        *phrase = attribute_phrase(attr, &p->e->arena);
    else if (strcmp(name, result_name(p)) == 0)
        *phrase = p->e->name[p->node->slot];
    else if (name[0] == 'g' && strcmp(name + 1, result_name(p)) == 0)
        *phrase = p->e->delta[p->node->slot];
    else if (abbreviated)
        *phrase = print_expr(p, abbreviated);
    else
        return false;
    return true;
}

/* size(x), size(x, axis) and size(x, axes) are known numbers. */
static double size_of(void *context, const char *name, const bpi_expr *along) {
    const printing *p = context;
    int k = operand_named(p->node, name);
    if (k < 0)
        return 0;
    const bp_shape *shape = &p->node->x[k]->type->shape;
    const bp_attr *attr =
        along && along->kind == BPI_EXPR_NAME ? attribute_named(p->node, along->name) : NULL;
    int64_t one = 0;
    bp_attr axes = bp_attr_ints(&one, 1);
    if (!along)
        return (double)bp_shape_count(*shape);
    if (attr && attr->type == BP_ATTR_INTS)
        axes = *attr;
    else if (attr)
        one = attr->as.i;
    else if (along->kind == BPI_EXPR_NEGATE && along->arg[0]->kind == BPI_EXPR_NUMBER)
        one = -(int64_t)along->arg[0]->number;
    else if (along->kind == BPI_EXPR_NUMBER)
        one = (int64_t)along->number;
    else
        return 0;
    double size = 1;
    for (int a = 0; a < axes.count; a++) {
        int64_t axis = axes.as.list[a] + (axes.as.list[a] < 0 ? shape->rank : 0);
        size *= axis >= 0 && axis < shape->rank ? (double)shape->size[axis] : 0;
    }
    return size;
}

/* The call one_hot(target, logits) that an expression is, or that its name
 * abbreviates; else NULL. */
static const bpi_expr *one_hot_call(const printing *p, const bpi_expr *expr) {
    if (expr->kind == BPI_EXPR_NAME)
        expr = bpi_formula_find(p->now, expr->name);
    bool found = expr && expr->kind == BPI_EXPR_CALL && strcmp(expr->name, "one_hot") == 0 &&
                 expr->args == 2 &&
                 operand_named(p->node, expr->arg[0]->name ? expr->arg[0]->name : "") >= 0;
    return found ? expr : NULL;
}

/* Probabilities are written without one_hot, and the rows of class numbers sum to 1. */
static bool write_call(void *context, const bpi_expr *call, const bpi_phrase *args,
                       bpi_phrase *phrase) {
    const printing *p = context;
    bool sum = strcmp(call->name, "sum") == 0 && call->args == 2;
    const bpi_expr *one_hot = one_hot_call(p, sum ? call->arg[0] : call);
    if (!one_hot)
        return false;
    const bp_type *target = p->node->x[operand_named(p->node, one_hot->arg[0]->name)]->type;
    bool classes = !bp_dtype_is_float(target->dtype);
    if (classes != sum)
        return false;
    *phrase = sum ? bpi_phrase_number(1, &p->e->arena) : args[0];
    return true;
}

static bpi_phrase print_expr(printing *p, const bpi_expr *expr) {
    bpi_phrase_names names = {find_name, size_of, write_call, p, &p->e->arena};
    p->depth++;
    bpi_phrase phrase = bpi_phrase_of(expr, &names);
    p->depth--;
    return phrase;
}

/* ---- formulas of nodes ----------------------------------------------------------------------- */

/* op(x, y, attribute), for ops whose formula is longer than their name. */
static bpi_phrase call_phrase(printing *p, const char *name) {
    bpi_arena *arena = &p->e->arena;
    const char *text = bpi_arena_format(arena, "%s(", name);
    for (int k = 0; k < p->node->inputs && text; k++)
        text = bpi_arena_format(arena, k ? "%s, %s" : "%s%s", text, operand_phrase(p, k).text);
    for (int a = 0; a < p->node->attrs && text; a++) {
        const char *attr = p->node->op->attrs[a].name;
        if (strcmp(attr, "keep") == 0 || strncmp(attr, "transpose_", 10) == 0)
            continue; /* seen in the shape, and as ᵀ */
        bpi_phrase value = attribute_phrase(&p->node->attr[a], arena);
        text = value.text ? bpi_arena_format(arena, "%s, %s %s", text, attr, value.text) : NULL;
    }
    return bpi_phrase_atom(text ? bpi_arena_format(arena, "%s)", text) : NULL, false);
}

/* Whether a formula is one operator on names: x + y, x @ y, -x. */
static bool is_operator(const bpi_formula *formula) {
    if (formula->count != 1)
        return false;
    const bpi_expr *root = formula->statements[0].value;
    bool plain = root->kind >= BPI_EXPR_NEGATE && root->kind <= BPI_EXPR_POWER;
    for (int k = 0; k < root->args; k++)
        plain = plain && root->arg[k]->args == 0;
    return plain;
}

static void open_printing(printing *p, bpi_explainer *e, const bpi_node *node) {
    *p = (printing){.e = e, .node = node};
    if (bpi_formula_parse(node->op->formula, false, &p->formula, NULL) != BP_OK)
        p->formula.count = 0;
    if (bpi_formula_parse(node->op->gradient, false, &p->gradient, NULL) != BP_OK)
        p->gradient.count = 0;
}

static void close_printing(printing *p) {
    bpi_formula_free(&p->formula);
    bpi_formula_free(&p->gradient);
}

bpi_phrase bpi_explain_forward(bpi_explainer *e, const bpi_node *node) {
    printing p;
    open_printing(&p, e, node);
    bpi_formula none = {0};
    p.now = &none;
    bpi_phrase phrase = is_operator(&p.formula) ? print_expr(&p, p.formula.statements[0].value)
                                                : call_phrase(&p, node->op->name);
    close_printing(&p);
    return phrase;
}

static int count_name(const bpi_expr *expr, const char *name) {
    int count = expr->kind == BPI_EXPR_NAME && strcmp(expr->name, name) == 0;
    for (int k = 0; k < expr->args; k++)
        count += count_name(expr->arg[k], name);
    return count;
}

bool bpi_explain_repeats(bpi_explainer *e, const bpi_node *node) {
    printing p;
    int most = 0;
    open_printing(&p, e, node);
    const char *name = bpi_arena_format(&e->arena, "g%s", result_name(&p));
    for (int k = 0; k < p.gradient.count && name; k++) {
        int count = count_name(p.gradient.statements[k].value, name);
        most = count > most ? count : most;
    }
    close_printing(&p);
    return most > 1;
}

/* An elementwise cotangent is summed over the dimensions in which the operand was repeated. */
static bpi_phrase summed_to(bpi_explainer *e, const bpi_node *node, int k, bpi_phrase g) {
    const bp_shape *x = &node->x[k]->type->shape, *y = &node->y[0].type->shape;
    if (!(node->op->flags & BP_OP_ELEMENTWISE) || bp_shape_equal(*x, *y) || !g.text || g.number)
        return g;
    const char *axes = "";
    int count = 0;
    for (int d = 0; d < y->rank && axes; d++) {
        int own = d - (y->rank - x->rank);
        if (own < 0 || (x->size[own] == 1 && y->size[d] != 1))
            axes = bpi_arena_format(&e->arena, count++ ? "%s,%d" : "%s%d", axes, d);
    }
    const char *text =
        axes ? bpi_arena_format(&e->arena, count > 1 ? "sum(%s, axes %s)" : "sum(%s, axis %s)",
                                g.text, axes)
             : NULL;
    return bpi_phrase_atom(text, bp_tensor_count(node->x[k]) == 1);
}

bpi_phrase bpi_explain_gradient(bpi_explainer *e, const bpi_node *node, int k) {
    printing p;
    open_printing(&p, e, node);
    p.now = &p.gradient;
    const char *name = bpi_arena_format(&e->arena, "g%s", bpi_operand_name(node->op, k));
    const bpi_expr *rule = name ? bpi_formula_find(&p.gradient, name) : NULL;
    bpi_phrase g;
    if (rule) {
        g = print_expr(&p, rule);
        if (transposed(node, k))
            g = bpi_phrase_transposed(g, &e->arena);
        g = summed_to(e, node, k, g);
    } else {
        const char *text =
            bpi_arena_format(&e->arena, "vjp of %s(%s)", node->op->name, e->delta[node->slot].text);
        g = bpi_phrase_atom(text, false);
    }
    close_printing(&p);
    return g;
}
