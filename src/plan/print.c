/* A plan as text: a line per step, with where its result is and what it costs; then totals. */
#include "chain.h"
#include "inside.h"
#include "product.h"

/* ---- one step -------------------------------------------------------------------------------- */

static void add_place(bpi_text *text, const bpi_reg *root) {
    switch ((bpi_home)root->home) {
    case BPI_HOME_ARENA: bpi_text_add(text, "%10zu", root->at.offset); return;
    case BPI_HOME_RESULT: bpi_text_add(text, "%10s", "result"); return;
    case BPI_HOME_CONSTANT: bpi_text_add(text, "%10s", "constant"); return;
    case BPI_HOME_LEAF: bpi_text_add(text, "%10s", "leaf"); return;
    case BPI_HOME_FIXED: bpi_text_add(text, "%10s", "variable"); return;
    }
}

/* Of what has no name: the value of a constant that the plan has, or that it is one of those that
 * every recording gives; else the number of its register, by which its maker has it too. */
static void add_nameless(bpi_text *text, const bpi_program *p, uint32_t reg, bool made) {
    const bpi_reg *root = bpi_root_of(p, reg);
    const bp_type *type = p->regs[reg].type;
    const bool single = bpi_count(&type->shape) == 1;
    if (root->home == BPI_HOME_CONSTANT && single)
        bpi_text_add(text, "%g", bpi_load(type->dtype, p->constants + root->at.offset, 0));
    else if (root->home == BPI_HOME_CONSTANT || root->home == BPI_HOME_LEAF)
        bpi_text_add(text, "%s", single ? "scalar" : "constant");
    else if (root->home == BPI_HOME_FIXED && type->shape.rank == 0 && !made)
        bpi_text_add(text, "scalar");
    else
        bpi_text_add(text, "%%%u", (unsigned)p->root[reg]);
}

/* "hidden.weight" for what has a name, else as above; and the shape. `made`: it is a result. */
static void add_reg(bpi_text *text, const bpi_program *p, uint32_t reg, bool made) {
    char shape[BPI_SHAPE_TEXT];
    const bpi_reg *r = &p->regs[reg];
    const char *name = r->name ? r->name : bpi_root_of(p, reg)->name;
    if (name)
        bpi_text_add(text, "%s", name);
    else
        add_nameless(text, p, reg, made);
    bpi_text_add(text, "%s", r->type->shape.rank ? bpi_shape_text(&r->type->shape, shape) : "");
}

static void add_attr(bpi_text *text, const bp_attr_spec *spec, const bp_attr *attr) {
    bpi_text_add(text, " %s=", spec->name);
    if (attr->type == BP_ATTR_REAL)
        bpi_text_add(text, "%g", attr->as.f);
    else if (attr->type == BP_ATTR_DTYPE)
        bpi_text_add(text, "%s", bp_dtype_name((bp_dtype)attr->as.i));
    else if (attr->type == BP_ATTR_INT)
        bpi_text_add(text, "%lld", (long long)attr->as.i);
    for (int k = 0; attr->type == BP_ATTR_INTS && k <= attr->count; k++)
        if (k == attr->count)
            bpi_text_add(text, "%s", k ? ")" : "()");
        else
            bpi_text_add(text, "%s%lld", k ? "," : "(", (long long)attr->as.list[k]);
}

/* The op, or the ops of a chain or product in their order. */
void bpi_add_ops(bpi_text *text, const bpi_step *step) {
    const bool chain = bpi_is_chain(step), product = bpi_is_product(step);
    for (int k = 0; product && k < step->product->op_count; k++)
        bpi_text_add(text, "%s%s", k ? "+" : "", step->product->ops[k]);
    for (int k = 0; chain && k < step->chain->ops; k++)
        bpi_text_add(text, "%s%s", k ? "+" : "", step->chain->op[k].name);
    for (int k = 0; chain && k < step->chain->sums; k++)
        bpi_text_add(text, "+sum");
    if (!chain && !product)
        bpi_text_add(text, "%s", step->op ? step->op->name : "copy");
}

void bpi_add_step(bpi_text *text, const bpi_program *p, const bpi_step *step) {
    bpi_text_add(text, "%s ", bp_dtype_name(p->regs[step->y].type->dtype));
    for (uint32_t k = 0; k < step->outputs; k++) {
        bpi_text_add(text, "%s", k ? ", " : "");
        add_reg(text, p, step->y + k, true);
    }
    bpi_text_add(text, " = ");
    bpi_add_ops(text, step);
    bpi_text_add(text, "(");
    for (int k = 0; k < step->inputs; k++) {
        bpi_text_add(text, "%s", k ? ", " : "");
        add_reg(text, p, step->x[k], false);
    }
    bpi_text_add(text, ")");
    for (int k = 0; step->attr && step->op->attrs[k].type != BP_ATTR_NONE; k++)
        add_attr(text, &step->op->attrs[k], &step->attr[k]);
}

static void add_line(bpi_text *text, const bpi_program *p, size_t s, double *total_flops) {
    const bpi_step *step = &p->steps[s];
    double flops, bytes;
    bpi_step_cost(p, step, &flops, &bytes);
    *total_flops += flops;
    bpi_text_add(text, "%5zu ", s);
    add_place(text, bpi_root_of(p, step->y));
    bpi_text_add(text, " %10zu %10.0f  ", p->regs[step->y].bytes, flops);
    bpi_add_step(text, p, step);
    bpi_text_add(text, "\n");
}

/* ---- the plan -------------------------------------------------------------------------------- */

static size_t count_direct(const bpi_program *p) {
    size_t count = 0;
    for (size_t k = 0; k < p->effect_count; k++)
        count += p->effects[k].direct;
    return count;
}

static void add_program(bpi_text *text, const bpi_program *p, bp_executor executor) {
    double flops = 0;
    bpi_text_add(text, "%s\n",
                 executor == BP_NAIVE ? "naive: one op at a time, memory of its own for each"
                                      : "planned");
    bpi_text_add(text, "%5s %10s %10s %10s  %s\n", "step", "offset", "bytes", "flops",
                 "result = op(operands)");
    for (size_t s = 0; s < p->step_count; s++)
        add_line(text, p, s, &flops);
    bpi_text_add(text, "%zu instructions, %.0f flops\n", p->step_count, flops);
    if (executor == BP_PLANNED)
        bpi_text_add(text, "arena %zu bytes (at least %zu for these lifetimes), ", p->arena_bytes,
                     p->bound_bytes);
    bpi_text_add(text, "results %zu bytes, constants %zu bytes\n", p->result_bytes,
                 p->constant_bytes);
    if (p->effect_count > 0)
        bpi_text_add(text, "%zu variables assigned, %zu of them in place\n", p->effect_count,
                     count_direct(p));
}

const char *bpi_request_plan_text(bp_graph *graph, const bpi_request *request) {
    const bpi_plan *plan = bpi_plan_for(graph, request);
    if (!plan)
        return NULL;
    bpi_text_clear(&graph->text);
    add_program(&graph->text, &plan->program, plan->executor);
    const char *text = bpi_text_data(&graph->text);
    return text ? text
                : bpi_graph_fail(graph, BP_ERR_MEMORY, "out of memory for the text of a plan");
}

const char *bp_plan_text(bp_tensor *const *targets, int count) {
    bp_graph *graph = bpi_graph_of("bp_plan_text", targets, count);
    return graph ? bpi_request_plan_text(graph, &(bpi_request){.targets = targets, .count = count})
                 : NULL;
}
